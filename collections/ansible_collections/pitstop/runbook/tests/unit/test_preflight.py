# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before anything changes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._preflight import refuse_database, refuse_table

GOOD = {
    "server_version": "18.1",
    "server_version_num": 180001,
    "in_recovery": False,
    "protocol_pid": 7,
    "backend_pid": 7,
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"backend_pid": 8}, "connection pooler"),
        ({"in_recovery": True}, "in recovery"),
        ({"server_version_num": 120022}, "not supported"),
        ({"server_version_num": 140003}, "miss rows"),
    ],
)
def test_a_database_on_which_a_run_would_be_wrong_is_refused(changed: dict[str, Any], said: str) -> None:
    """Each of these breaks a later step half way, or corrupts an index; the way out is in the error."""
    with pytest.raises(PitstopError, match=said) as refused:
        refuse_database({**GOOD, **changed})
    assert refused.value.next_step


@pytest.mark.parametrize("number", [130000, 140004, 180001, 190000])
def test_supported_servers_are_accepted(number: int) -> None:
    """A gate that is too tight keeps users out for nothing."""
    refuse_database({**GOOD, "server_version_num": number})


def test_a_table_of_somebody_else_is_refused_with_the_grant() -> None:
    """VACUUM only warns and skips a table that the role may not maintain: the run would look fine."""
    with pytest.raises(PitstopError, match="GRANT boss TO me"):
        refuse_table("public.t", "me", {"owner": "boss", "may_maintain": False})
