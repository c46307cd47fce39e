# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server and a role can do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities, commands

SOME = Capabilities(
    server_version="18.1",
    server_version_num=180001,
    server_started_at="2026-11-24 12:00:00",
    database="app",
    database_oid=16384,
    role="app",
    is_superuser=False,
    member_of=("pg_monitor", "pg_read_all_stats"),
    has_maintain=True,
    extensions={"pgstattuple": "1.5"},
    available={},
    functions={"ext.pgstatindex(regclass)": True, '"my ext".pgstattuple(regclass)': True},
    pooled=False,
    in_recovery=False,
    replicas=1,
    replication_slots=1,
    logical_slots=0,
    wal_level="replica",
    max_repack_replication_slots=None,
    plan_limit_bytes=None,
    data_directory=None,
    free_bytes=1 << 30,
    free_bytes_source="file system",
    settings={"jit": "on"},
    commands=frozenset({"tid_range_scan", "generic_plan"}),
    probed_at="2026-11-24T12:00:00.000+00:00",
)


def test_they_survive_the_evidence() -> None:
    """Each operation is a task of its own: what preflight saw reaches the others as JSON."""
    assert Capabilities.from_dict(json.loads(json.dumps(SOME.as_dict()))) == SOME


@pytest.mark.parametrize("data", [{}, {"server_version": "18.1"}, {**SOME.as_dict(), "more": 1}])
def test_another_versions_evidence_is_none(data: dict[str, Any]) -> None:
    """After an update of Pitstop a run that is gone on with reads them anew, instead of failing."""
    assert Capabilities.from_dict(data) is None


@pytest.mark.parametrize(
    "other",
    [
        {"role": "boss"},
        {"database_oid": 5},
        {"server_version_num": 180002},
        {"server_started_at": "2026-11-24 13:00:00"},
    ],
)
def test_they_hold_for_one_server_database_and_role(other: dict[str, Any]) -> None:
    """After a failover or a restart, or for another role, other things may be allowed."""
    assert replace(SOME, **other).identity != SOME.identity


def test_pgstattuple_is_used_where_it_may_be_called() -> None:
    """An extension that is there but not for this role would fail at the first table."""
    assert SOME.pgstattuple_schema == '"my ext"'
    assert replace(SOME, functions={"ext.pgstattuple(regclass)": False}).pgstattuple_schema is None
    assert replace(SOME, functions={}).pgstattuple_schema is None


def test_what_cannot_be_seen_is_said_with_what_would_help() -> None:
    """A gate that sees nothing looks like one that is open."""
    blind = replace(SOME, member_of=(), free_bytes=None)
    assert SOME.unknown() == []
    assert ["GRANT pg_monitor TO app;" in said for said in blind.unknown()] == [True, False]
    assert replace(blind, is_superuser=True, free_bytes=1).unknown() == []


@pytest.mark.parametrize(
    ("number", "plan", "slots", "expected"),
    [
        (130023, "Seq Scan on pg_class", None, set()),
        (140004, "Tid Range Scan on pg_class", None, {"tid_range_scan"}),
        (160001, "Tid Range Scan on pg_class", None, {"tid_range_scan", "generic_plan"}),
        (190000, "Tid Range Scan on pg_class", 5, {"tid_range_scan", "generic_plan", "repack_concurrently"}),
    ],
)
def test_commands_are_told_by_what_was_seen(number: int, plan: str, slots: int | None, expected: set[str]) -> None:
    """A command that the server does not have fails in the middle of the work."""
    seen = commands(server_version_num=number, plan_of_tid_range=plan, max_repack_replication_slots=slots)
    assert seen == expected
