# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pg_repack can be used, and how it is called."""

from __future__ import annotations

import pytest

from ansible_collections.pitstop.runbook.plugins.plugin_utils._pg_repack import arguments, owners_may


@pytest.mark.parametrize(("version", "may"), [("1.4.8", False), ("1.5.1", False), ("1.5.2", True), ("1.10.0", True)])
def test_only_versions_that_let_owners_do_it_are_used_by_owners(version: str, may: bool) -> None:
    """An older one works to its end, and then tries to clean up after itself for ever: the run would hang."""
    assert owners_may(version) is may


def test_it_never_ends_other_peoples_sessions() -> None:
    """By default pg_repack cancels, then terminates, whoever holds a lock on the table."""
    assert "--no-kill-backend" in arguments("public.t", superuser=True)
    assert "--no-superuser-check" not in arguments("public.t", superuser=True)
    assert "--no-superuser-check" in arguments("public.t", superuser=False)
