# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: what is in the way, told from what was read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils import _safety
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import REMEDIES
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import GATES, GATES_OF, RUN_GATES, GateLimits

LIMITS = GateLimits()
ADA: dict[str, Any] = {"who": "pid 7 (psql, ada, active for 9.0 s): SELECT ?", "usename": "ada"}
REPLICA: dict[str, Any] = {"application_name": "follower", "pid": 9}


def test_every_remedy_has_its_gates() -> None:
    """A remedy without gates would run into what the others wait for."""
    assert set(GATES_OF) == {*REMEDIES, "index"}
    assert all(gates <= set(GATES) for gates in GATES_OF.values())
    assert set(GATES) >= RUN_GATES


def test_each_remedy_waits_only_for_what_matters_to_it() -> None:
    """A gate that does not matter postpones work for nothing; one that is missing breaks it."""
    assert "version" in GATES_OF["reindex"] & GATES_OF["index"]
    assert "slot" not in GATES_OF["index"]
    assert GATES_OF["vacuum_full"] >= {"free_space", "leftovers", "snapshot", "slot"}
    assert all("wraparound" in gates for remedy, gates in GATES_OF.items() if remedy != "nothing")


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_transaction_is_in_the_way_once_it_is_older_than_allowed(age: float, limit: float) -> None:
    """The longest transaction decides how long CREATE INDEX CONCURRENTLY waits, and what a rewrite cannot leave out."""
    limits = GateLimits(max_transaction_s=limit)
    [*found] = _safety.transaction([{**ADA, "age_s": age}], limits)
    assert bool(found) is (age > limit)
    assert all(obstacle.waits and ADA["who"] in obstacle.what for obstacle in found)


def test_a_prepared_transaction_comes_with_the_two_ways_to_end_it() -> None:
    """It has no session, so nobody finds it by looking for one."""
    row = {"gid": "'order 7'", "owner": "ada", "age_s": 7200.0}
    [found] = _safety.prepared([row], LIMITS)
    assert "'order 7' of ada was prepared 120 min" in found.what
    assert "COMMIT PREPARED 'order 7'; or ROLLBACK PREPARED 'order 7';" in found.next_step
    assert not _safety.prepared([{**row, "age_s": 1.0}], LIMITS)


@pytest.mark.parametrize(("active", "age", "held"), [(True, 10_001, True), (True, 10_000, False), (False, 1, True)])
def test_a_slot_that_nobody_uses_is_in_the_way_at_any_age(active: bool, age: int, held: bool) -> None:
    """One in use moves on by itself; one that is not holds rows back until somebody drops it."""
    row = {"slot_name": "standby_1", "active": active, "active_pid": 8 if active else None, "xid_age": age}
    found = _safety.slot([row], LIMITS)
    assert bool(found) is held
    assert all(("pg_drop_replication_slot('standby_1')" in obstacle.next_step) is not active for obstacle in found)


@pytest.mark.parametrize(
    ("lag_bytes", "lag_s", "behind"),
    [(33 << 20, None, True), (0, 11.0, True), (1, 0.1, False), (None, None, False)],
)
def test_a_replica_is_behind_by_bytes_or_by_seconds(lag_bytes: int | None, lag_s: float | None, behind: bool) -> None:
    """A rewrite sends it the whole table on top. What a role may not see stops nothing."""
    assert bool(_safety.replica_lag([{**REPLICA, "lag_bytes": lag_bytes, "lag_s": lag_s}], LIMITS)) is behind


def test_a_replica_that_still_sees_old_rows_is_named() -> None:
    """A long query on a replica keeps dead rows here, where nobody looks for it."""
    assert _safety.snapshot([{**ADA, "xid_age": 10_001}], LIMITS)
    assert not _safety.snapshot([{**ADA, "xid_age": 10_000}], LIMITS)


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_a_copy_needs_room(needed: int, free: int) -> None:
    """A full disk stops the whole database."""
    found = _safety.free_space(needed, free, "file system")
    assert bool(found) is (needed > free)
    assert not any(obstacle.waits for obstacle in found)


def test_unknown_room_stops_nothing() -> None:
    """Most servers do not tell; it is said in preflight."""
    assert not _safety.free_space(1 << 60, None, "unknown")
    assert "upgrade the plan" in _safety.free_space(2, 1, "plan limit")[0].next_step


def test_leftovers_of_pg_repack_come_with_what_removes_them() -> None:
    """Its trigger writes each change of the table into a log that nobody reads, until it is full."""
    [found] = _safety.leftovers(["DROP TABLE repack.log_7;"], pg_repack_at_work=False)
    assert not found.waits
    assert found.next_step.endswith("DROP TABLE repack.log_7;")
    assert _safety.leftovers(["DROP TABLE repack.log_7;"], pg_repack_at_work=True)[0].waits
    assert not _safety.leftovers([], pg_repack_at_work=False)


@pytest.mark.parametrize(("number", "bad"), [(140000, True), (140003, True), (140004, False), (130020, False)])
def test_versions_that_lose_rows_are_told(number: int, bad: bool) -> None:
    """An index that misses rows gives wrong answers without an error."""
    assert bool(_safety.version("14.x", number)) is bad


def test_a_waiting_session_is_named_with_the_one_that_it_waits_for() -> None:
    """Else the wrong one gets the blame."""
    [found] = _safety.lock_queue([{**ADA, "blocker": "pid 8 (worker)"}])
    assert found.what.endswith("waits for a lock on the table, behind pid 8 (worker)")
    assert "behind" not in _safety.lock_queue([{**ADA, "blocker": ""}])[0].what


def test_recovery_and_wraparound() -> None:
    """A replica takes no changes; an autovacuum that prevents wraparound must not be disturbed."""
    assert not _safety.recovery(False)
    assert not _safety.recovery(True)[0].waits
    [found] = _safety.wraparound([{**ADA, "xid_age": 200_000_001}])
    assert found.waits
    assert "200,000,001 transactions" in found.what
    assert str(found).startswith(found.what)
