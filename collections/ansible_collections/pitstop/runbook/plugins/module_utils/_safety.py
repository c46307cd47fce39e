# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: what has to be out of the way before a table is touched, and who or what is in it.

Functions take rows as plugin_utils/_safety.py reads them. ``who`` in a row is a session in one line, without literals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text

Gate = Literal[
    "recovery",
    "version",
    "leftovers",
    "free_space",
    "lock_queue",
    "wraparound",
    "transaction",
    "prepared",
    "snapshot",
    "slot",
    "replica_lag",
]
GATES = cast("tuple[Gate, ...]", get_args(Gate))
"""In the order in which they are looked at: what does not pass by itself comes first."""

Row = Mapping[str, Any]

MISSING_ROWS = range(140_000, 140_004)
"""Versions whose CONCURRENTLY builds indexes that miss rows (fixed in 14.4)."""

RUN_GATES: frozenset[Gate] = frozenset(
    {"recovery", "version", "transaction", "prepared", "snapshot", "slot", "replica_lag"}
)
"""Those that concern the whole database."""

_ALL: frozenset[Gate] = frozenset({"recovery", "transaction", "prepared", "replica_lag", "wraparound", "lock_queue"})
# CONCURRENTLY waits for the transactions of this database, not for what a replica or a slot still sees.
_BUILDS_INDEX: frozenset[Gate] = _ALL | {"version", "free_space"}
# What somebody still sees is neither removed by VACUUM nor left behind by a copy.
_REMOVES_ROWS: frozenset[Gate] = _ALL | {"snapshot", "slot"}
_MOVES_ROWS: frozenset[Gate] = _REMOVES_ROWS | {"free_space", "leftovers"}

GATES_OF: Mapping[str, frozenset[Gate]] = {
    "nothing": frozenset(),
    "vacuum": _REMOVES_ROWS,
    "index": _BUILDS_INDEX,
    "reindex": _BUILDS_INDEX,
    "compact": _MOVES_ROWS,
    "repack": _MOVES_ROWS,
    "pg_repack": _MOVES_ROWS,
    "vacuum_full": _MOVES_ROWS,
}
"""Remedy (or ``index`` for the build of one) -> the gates that matter for it."""


@dataclass(frozen=True)
class Obstacle:
    """Something in the way. ``what`` names it in one line, ``waits`` says whether it may pass by itself."""

    gate: Gate
    what: str
    waits: bool
    next_step: str

    def __str__(self) -> str:
        return f"{self.what}; {self.next_step}"


@dataclass(frozen=True)
class GateLimits:
    """Up to where things are normal, and for how long to wait for that (``wait_s``).

    ``max_snapshot_age`` counts transactions: of what a replica or a slot still sees the server keeps no time.
    """

    max_transaction_s: float = 5.0
    max_snapshot_age: int = 10_000
    max_replica_lag_bytes: int = 32 << 20
    max_replica_lag_s: float = 10.0
    wait_s: float = 30.0


def refuse(obstacles: Iterable[Obstacle]) -> None:
    """Raise PitstopError for the first of them, where there is no waiting for it."""
    for obstacle in obstacles:
        raise PitstopError(obstacle.what, next_step=obstacle.next_step)


def recovery(in_recovery: bool) -> list[Obstacle]:
    """A replica takes no changes; a primary that became one while the run went on, neither."""
    if not in_recovery:
        return []
    what = "The server is in recovery: it is a replica, or has not started up yet"
    return [Obstacle("recovery", what, False, "use the primary's URL")]


def version(server_version: str, server_version_num: int) -> list[Obstacle]:
    """CONCURRENTLY of 14.0 to 14.3 silently misses rows."""
    if server_version_num not in MISSING_ROWS:
        return []
    what = f"PostgreSQL {server_version} builds indexes CONCURRENTLY that miss rows, a bug of 14.0 to 14.3"
    return [Obstacle("version", what, False, "upgrade to 14.4 or newer, then rebuild its indexes")]


def leftovers(drops: Sequence[str], *, pg_repack_at_work: bool) -> list[Obstacle]:
    """What a pg_repack that was killed left: its trigger and log table catch every write. ``drops`` would remove it."""
    if pg_repack_at_work:
        return [Obstacle("leftovers", "pg_repack is at work on the table", True, "wait for it to end")]
    if not drops:
        return []
    what = "a pg_repack that was killed left its trigger or tables"
    return [Obstacle("leftovers", what, False, f"at a quiet moment, as their owner: {' '.join(drops)}")]


def free_space(needed_bytes: int, free_bytes: int | None, source: str) -> list[Obstacle]:
    """``needed_bytes`` are those of the new copy and its WAL. What nobody can tell stops nothing."""
    if free_bytes is None or needed_bytes <= free_bytes:
        return []
    what = f"{bytes_text(needed_bytes)} are needed meanwhile, and {bytes_text(free_bytes)} are free ({source})"
    larger = "upgrade the plan" if source == "plan limit" else "make room, or add disk"
    return [Obstacle("free_space", what, False, larger)]


def lock_queue(waiting: Iterable[Row]) -> list[Obstacle]:
    """Sessions that wait for a lock on the table: one more would make the queue longer for everybody."""
    return [
        Obstacle("lock_queue", f"{row['who']} waits for a lock on the table{_behind(row)}", True, "let the queue clear")
        for row in waiting
    ]


def wraparound(workers: Iterable[Row]) -> list[Obstacle]:
    """An autovacuum that does not yield to others, as all others do."""
    return [
        Obstacle(
            "wraparound",
            f"{row['who']} prevents wraparound, with {row['xid_age']:,} transactions to freeze",
            True,
            "let it end, and do not cancel it: the server would stop taking writes",
        )
        for row in workers
    ]


def transaction(sessions: Iterable[Row], limits: GateLimits) -> list[Obstacle]:
    """Transactions that are open for long: CONCURRENTLY waits for them, and what they see cannot be removed."""
    return [
        Obstacle("transaction", f"{row['who']} keeps a transaction open", True, f"ask {row['usename']} to end it")
        for row in sessions
        if row["age_s"] > limits.max_transaction_s
    ]


def prepared(transactions: Iterable[Row], limits: GateLimits) -> list[Obstacle]:
    """Transactions prepared for a commit that did not come. They outlive sessions, and restarts."""
    return [
        Obstacle(
            "prepared",
            f"transaction {row['gid']} of {row['owner']} was prepared {seconds_text(row['age_s'])} ago",
            True,
            f"its owner decides: COMMIT PREPARED {row['gid']}; or ROLLBACK PREPARED {row['gid']};",
        )
        for row in transactions
        if row["age_s"] > limits.max_transaction_s
    ]


def snapshot(senders: Iterable[Row], limits: GateLimits) -> list[Obstacle]:
    """Replicas that still see what was removed long ago, told by hot_standby_feedback without a slot."""
    return [
        Obstacle(
            "snapshot",
            f"{row['who']} feeds a replica that sees rows of {row['xid_age']:,} transactions ago",
            True,
            "end the long query on that replica",
        )
        for row in senders
        if row["xid_age"] > limits.max_snapshot_age
    ]


def slot(slots: Iterable[Row], limits: GateLimits) -> list[Obstacle]:
    """Slots that hold rows back. One that nobody uses is never moved on, so any age is too much.

    Their catalog_xmin holds back rows of the catalogue only: it is no obstacle for a table.
    """
    return [_held(row) for row in slots if row["xid_age"] > (limits.max_snapshot_age if row["active"] else 0)]


def _held(row: Row) -> Obstacle:
    user = f"used by pid {row['active_pid']}" if row["active"] else "used by nobody"
    what = f"replication slot {row['slot_name']}, {user}, holds back rows of {row['xid_age']:,} transactions"
    if row["active"]:
        return Obstacle("slot", what, True, "end the long query on its replica")
    drop = f"SELECT pg_drop_replication_slot('{row['slot_name']}');"
    return Obstacle("slot", what, True, f"start its replica, or where that is gone for good: {drop}")


def replica_lag(replicas: Iterable[Row], limits: GateLimits) -> list[Obstacle]:
    """Replicas that are behind: a rewrite would send them the whole table on top. Hidden columns stop nothing."""
    return [
        Obstacle(
            "replica_lag",
            f"replica {row['application_name']} (pid {row['pid']}) is behind by {_lag(row)}",
            True,
            "let it catch up",
        )
        for row in replicas
        if (row["lag_bytes"] or 0) > limits.max_replica_lag_bytes or (row["lag_s"] or 0) > limits.max_replica_lag_s
    ]


def _lag(row: Row) -> str:
    seconds = f" and {seconds_text(row['lag_s'])}" if row["lag_s"] is not None else ""
    return f"{bytes_text(row['lag_bytes'] or 0)}{seconds}"


def _behind(row: Row) -> str:
    return f", behind {row['blocker']}" if row["blocker"] else ""
