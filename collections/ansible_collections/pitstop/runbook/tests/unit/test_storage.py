# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage parameters as declared state."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._storage import changes, set_statements


@pytest.mark.parametrize(
    ("present", "wanted"), [("0.01", 0.01), ("0.010", 0.01), ("off", False), ("TRUE", True), ("on", "true"), ("50", 50)]
)
def test_the_same_value_in_other_words_is_no_change(present: str, wanted: Any) -> None:
    """A second run must take no lock, however the value was written."""
    assert changes("t", {"p": present}, {"p": wanted}) == []


@pytest.mark.parametrize(("present", "wanted"), [(None, 0), ("0.2", 0.1), ("on", False), ("auto", "on")])
def test_a_different_value_is_set(present: str | None, wanted: Any) -> None:
    """A declaration that is not kept is worse than none."""
    (change,) = changes("t", {} if present is None else {"p": present}, {"p": wanted})
    assert change["before"] == present


def test_what_needs_an_exclusive_lock_is_set_apart() -> None:
    """One exclusive parameter must not make all the others wait for a lock that stops the app."""
    wanted = {"autovacuum_vacuum_threshold": 5, "user_catalog_table": True, "toast.autovacuum_enabled": False}
    statements = [statement for statement, _ in set_statements("t", changes("t", {}, wanted), str)]
    assert statements == [
        "ALTER TABLE t SET (autovacuum_vacuum_threshold = 5, toast.autovacuum_enabled = false)",
        "ALTER TABLE t SET (user_catalog_table = true)",
    ]


def test_a_value_cannot_bring_sql_along() -> None:
    """Values go into the statement as they are: the grammar has no parameters there."""
    with pytest.raises(PitstopError, match="no number and no word"):
        changes("t", {}, {"fillfactor": "1); DROP TABLE t; --"})
