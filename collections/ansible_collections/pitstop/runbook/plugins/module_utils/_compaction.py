# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving a heap's space back online: where compaction would be wrong, what a batch is, how it keeps out of the way.

Rows move from a table's end into free space nearer its start by updates that change nothing; VACUUM then cuts the
empty end off. docs/compact.md has the whole of it, with what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text

VACUUM_CUTS_PAGES = 1000
VACUUM_CUTS_SHARE = 16
"""VACUUM cuts a tail off that has this many pages, or is this part of the table (vacuumlazy.c, REL_TRUNCATE_*)."""

ROOM_FOR_FRAGMENTS = 1.03
"""Pages are never filled to the last byte: the goal is a little above the size that the live rows need."""

CHUNK_PAGES_MIN = 131_072
CHUNK_SHARE_MAX = 8
"""A chunk is at most 1 GiB (of 8 KiB pages) or this part of the table: each costs a VACUUM, which reads every index."""


@dataclass(frozen=True)
class CompactionPolicy:
    """How a compaction behaves towards others. Milliseconds, seconds and bytes as named; 0 bytes or ms: no limit."""

    target_batch_ms: float = 50
    """How long a batch may hold its row locks: the stall that others see."""
    lock_ms: int = 50
    """How long a batch waits for a row lock; far below deadlock_timeout, so that ours is the one that gives way."""
    attempts: int = 10
    """Tries of a batch, or of a VACUUM, that others were in the way of."""
    duty: float = 0.5
    """The part of the time that batches may take; they pause for the rest."""
    max_replica_lag_bytes: int = 64 << 20
    max_wal_bytes_per_s: int = 32 << 20
    max_probe_latency_ms: float = 50
    """By how much a trivial query of a second session may take longer than before, until the batches slow down."""
    wait_s: float = 30
    """How long to wait for an old snapshot to end, or for a replica to catch up, before the compaction stops."""
    max_blocking_ms: int = 1000
    """VACUUM is cancelled when somebody has waited longer than this for it."""


@dataclass
class CompactionResult:
    """What a compaction did. ``stopped`` says why it ended, ``reached`` whether nothing is left that could be cut off.

    ``indexes`` are those that the moves made larger: REINDEX CONCURRENTLY gives that back.
    """

    size_before_bytes: int = 0
    size_after_bytes: int = 0
    goal_bytes: int = 0
    moved_rows: int = 0
    written_versions: int = 0
    batches: int = 0
    repeated_batches: int = 0
    vacuums: int = 0
    wal_bytes: int = 0
    seconds: float = 0.0
    longest_batch_ms: float = 0.0
    longest_stall_ms: float = 0.0
    longest_probe_ms: float = 0.0
    reached: bool = False
    stopped: str = ""
    indexes: tuple[str, ...] = ()
    sql: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


OBSTACLES: dict[str, str] = {
    "not_owned": "this role is not its owner, and VACUUM is the owner's: run as the owner's role",
    "not_updatable": "this role may not read and update it: GRANT SELECT, UPDATE on it to this role",
    "no_plpgsql": "this role may not use the language of a batch: GRANT USAGE ON LANGUAGE plpgsql",
    "no_column": "no column can be set to itself (generated, identity ALWAYS, base of a generated one): VACUUM FULL",
    "row_security": "row-level security hides rows from this role: ALTER TABLE ... NO FORCE ROW LEVEL SECURITY",
    "old_snapshot_threshold": "VACUUM cuts no table while old_snapshot_threshold is on: set it to -1",
    "triggers": "triggers would fire for every row moved ({names}): VACUUM FULL in a window, or pg_repack",
    "rules": "rules rewrite updates of it ({names}): VACUUM FULL in a window, or pg_repack",
    "not_valid": "constraints would check old rows that may break them ({names}): VALIDATE CONSTRAINT first",
    "publications": "subscribers would get every row moved as an update ({names} publish it): VACUUM FULL in a window",
    "slots": "logical slots would decode every row moved ({names}): VACUUM FULL in a window, or drop an unused slot",
}
"""Facts of the catalogue that forbid a compaction, and the better way."""


def no_room(heap_bytes: int, expected_bytes: int, block_bytes: int = 8192) -> str | None:
    """Why there is too little room inside a heap to cut anything off its end, or None where there is enough."""
    pages, goal = heap_bytes // block_bytes, goal_pages(expected_bytes, block_bytes)
    if next_chunk(pages, goal) is not None:
        return None
    return (
        f"too little room inside: {bytes_text(max(0, pages - goal) * block_bytes)} of {bytes_text(heap_bytes)} could be"
        f" emptied, and VACUUM cuts off no less than {bytes_text(cut_pages(pages) * block_bytes)} here"
    )


def goal_pages(expected_bytes: int, block_bytes: int) -> int:
    """Pages to end with, for rows that would need ``expected_bytes`` if they were written anew."""
    return max(1, math.ceil(expected_bytes * ROOM_FOR_FRAGMENTS / block_bytes))


def cut_pages(pages: int) -> int:
    """The smallest tail that VACUUM cuts off a table of ``pages``."""
    return max(1, min(VACUUM_CUTS_PAGES, math.ceil(pages / VACUUM_CUTS_SHARE)))


def next_chunk(pages: int, goal: int) -> int | None:
    """The first page of the next tail to empty of a table of ``pages``; None when too little is left to cut off.

    No more than the pages in front can take: the whole table fits into ``goal`` pages.
    """
    if pages - goal < cut_pages(pages):
        return None
    lower = max(goal, pages - max(CHUNK_PAGES_MIN, pages // CHUNK_SHARE_MAX))
    return lower if lower - goal >= cut_pages(lower) else goal


def obstacles(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Why it would be wrong to move this table's rows by updates, each with the better way; empty when it is fine.

    ``facts`` is a row of the catalogue (``TABLE_SQL`` of the wire): the keys of ``OBSTACLES``, each a boolean or a list
    of names, beside ``relkind``, ``relpersistence`` and ``system``.
    """
    if facts["relkind"] != "r" or facts["relpersistence"] == "t" or facts["system"]:
        return (f"{_kind(facts)} cannot be compacted: only an ordinary table or a partition's leaf can",)
    return tuple(
        reason.format(names=_names(facts[fact]) if isinstance(facts[fact], list) else "")
        for fact, reason in OBSTACLES.items()
        if facts[fact]
    )


def _kind(facts: Mapping[str, Any]) -> str:
    if facts["system"]:
        return "a system table"
    if facts["relpersistence"] == "t":
        return "a temporary table"
    kinds = {"m": "a materialized view", "f": "a foreign table", "p": "a partitioned table", "v": "a view"}
    return kinds.get(facts["relkind"], f"a relation of kind {facts['relkind']}")


def _names(names: Sequence[str], at_most: int = 3) -> str:
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
