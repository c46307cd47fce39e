# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before anything changes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._preflight import (
    refuse_config_var,
    refuse_database,
    refuse_tables,
    unknown_app,
)

GOOD = {
    "server_version": "18.1",
    "server_version_num": 180001,
    "in_recovery": False,
    "read_only": False,
    "protocol_pid": 7,
    "backend_pid": 7,
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"backend_pid": 8}, "connection pooler"),
        ({"in_recovery": True}, "in recovery"),
        ({"read_only": True}, "read-only"),
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


MINE = {"name": "public.mine", "owner": "me", "maintainable": True}
THEIRS = {"name": 'public."T"', "owner": "boss", "maintainable": False}


@pytest.mark.parametrize("has_maintain", [False, True])
def test_a_table_of_somebody_else_is_refused_with_the_grant(has_maintain: bool) -> None:
    """VACUUM only warns and skips a table that the role may not maintain: the run would look fine."""
    with pytest.raises(PitstopError, match="GRANT boss TO me;") as refused:
        refuse_tables([MINE, THEIRS], "me", has_maintain=has_maintain)
    assert "public.mine" not in str(refused.value)
    assert ('GRANT MAINTAIN ON public."T" TO me;' in str(refused.value)) is has_maintain


def test_tables_of_ones_own_are_accepted() -> None:
    """A gate that is too tight keeps users out for nothing."""
    refuse_tables([MINE], "me", has_maintain=True)


def test_the_pools_config_var_is_refused_by_its_name() -> None:
    """On Heroku the pooled URL stands beside the direct one; the mistake is seen before anything connects."""
    with pytest.raises(PitstopError, match="DATABASE_URL"):
        refuse_config_var("DATABASE_CONNECTION_POOL_URL")
    refuse_config_var("HEROKU_POSTGRESQL_CURVED_URL")


def test_the_app_that_was_meant_is_suggested() -> None:
    """A typing error in the inventory is seen at once instead of being taken for missing rights."""
    assert "set pitstop_heroku_app to 'invoice-bot'" in str(unknown_app("invoce-bot", ["other", "invoice-bot"]))
    assert "access:add" in str(unknown_app("invoice-bot", []))
