# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: what has to be out of the way before a table is touched, who is in it, and how long to wait.

Rows of sessions come as ``pg_stat_activity`` has them, described in one line (``who``), without literals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Gate = Literal[
    "transaction",
    "snapshot",
    "prepared",
    "slot",
    "replica_lag",
    "wraparound",
    "free_space",
    "lock_queue",
    "leftovers",
    "recovery",
    "version",
    "window",
]

MISSING_ROWS = range(140_000, 140_004)
"""Versions whose CONCURRENTLY builds indexes that miss rows (fixed in 14.4)."""

RUN_GATES: frozenset[Gate] = frozenset(
    {"recovery", "version", "transaction", "snapshot", "prepared", "slot", "replica_lag"}
)
"""Those that concern the whole server."""

_ANY: frozenset[Gate] = frozenset({"recovery", "transaction", "prepared", "replica_lag", "wraparound", "lock_queue"})
# What a snapshot still sees is neither removed by VACUUM nor left behind by a copy.
_REMOVES_ROWS: frozenset[Gate] = _ANY | {"snapshot", "slot"}
# CONCURRENTLY waits for transactions of this database, not for replicas' snapshots.
_BUILDS_INDEX: frozenset[Gate] = _ANY | {"version", "free_space"}
_COPIES: frozenset[Gate] = _REMOVES_ROWS | {"free_space", "leftovers"}

GATES_OF: Mapping[str, frozenset[Gate]] = {
    "nothing": frozenset(),
    "vacuum": _REMOVES_ROWS,
    "index": _BUILDS_INDEX,
    "reindex": _BUILDS_INDEX,
    "compact": _COPIES,
    "repack": _COPIES,
    "pg_repack": _COPIES,
    "vacuum_full": _COPIES,
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
        return f"{self.what}. Next: {self.next_step}"


@dataclass(frozen=True)
class GateLimits:
    """Up to where things are normal, and ``wait_s``, how long to wait for them.

    ``max_snapshot_age`` counts transactions: of a replica's or a slot's snapshot the server keeps no time.
    """

    max_transaction_s: float = 5.0
    max_snapshot_age: int = 10_000
    max_replica_lag_bytes: int = 32 << 20
    max_replica_lag_s: float = 10.0
    wait_s: float = 30.0
