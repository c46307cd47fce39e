# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch of a compaction: the transaction that empties pages at a table's end, and the pace at which batches follow.

A new row version goes into its own page while that has room, and what a transaction left there may be cleared away as
soon as it has ended. So a batch updates the rows of a few pages again and again, in one transaction: the pages fill up
with its versions, and the rows leave. It ends itself when its time is over: it need not know how full the pages are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._compaction import CompactionPolicy

GROUP_PAGES_MAX = 32
"""Pages that are emptied together: enough for a pass to be worth a statement, few enough to keep to the time."""

BUDGET_MIN_MS = 5.0

BATCH_SQL = """
DO $pitstop$
#variable_conflict use_column
<<batch>>
DECLARE
    began CONSTANT timestamptz := clock_timestamp();
    group_began timestamptz;
    slowest interval := '0';
    upper bigint := {upper};
    wal_before CONSTANT pg_lsn := pg_current_wal_insert_lsn();
    lower bigint;
    touched bigint;
    moved bigint := 0;
    written bigint := 0;
    first_pass boolean;
    {declare}
BEGIN
    SET LOCAL synchronous_commit = off;  -- nothing changes, so nothing can be lost; locks end sooner
    SET LOCAL enable_seqscan = off;
    SET LOCAL plan_cache_mode = force_generic_plan;
    SET LOCAL jit = off;
    SET CONSTRAINTS ALL IMMEDIATE;  -- foreign keys are checked again where a pass updates this batch's own versions
    WHILE upper > {lower} LOOP
        group_began := clock_timestamp();
        lower := greatest(upper - {group_pages}, {lower});
        {range}
        first_pass := true;
        LOOP
            UPDATE ONLY {table} SET {column} = {column} WHERE {condition};
            GET DIAGNOSTICS touched = ROW_COUNT;
            EXIT WHEN touched = 0;
            written := written + touched;
            IF first_pass THEN
                moved := moved + touched;
            END IF;
            first_pass := false;
        END LOOP;
        upper := lower;
        slowest := greatest(slowest, clock_timestamp() - group_began);
        EXIT WHEN clock_timestamp() - began > interval '{budget_ms} milliseconds';
    END LOOP;
    PERFORM set_config('pitstop.batch', json_build_object(
        'upper', upper, 'moved', moved, 'written', written, 'slowest_group_ms', extract(epoch FROM slowest) * 1000,
        'milliseconds', extract(epoch FROM clock_timestamp() - began) * 1000,
        'wal_bytes', pg_current_wal_insert_lsn() - wal_before)::text, false);
END
$pitstop$;
SELECT current_setting('pitstop.batch')::json AS report, pg_relation_size({oid}) AS heap_bytes
"""

TID_RANGE = {
    "declare": "from_tid tid;\n    to_tid tid;",
    "range": "from_tid := format('(%s,0)', lower); to_tid := format('(%s,0)', upper);",
    "condition": "ctid >= batch.from_tid AND ctid < batch.to_tid",
}
TID_LIST = {
    "declare": "tids tid[];",
    "range": "tids := ARRAY(SELECT format('(%s,%s)', page, item)::tid"
    " FROM generate_series(lower, upper - 1) page, generate_series(1, current_setting('block_size')::int / 28) item);",
    "condition": "ctid = ANY (batch.tids)",
}
"""How rows are found by where they are: a range scan from PostgreSQL 14 on, before that every place a row can be in.

A row takes 28 bytes at least, its line pointer included.
"""


def batch_sql(
    table: str, oid: int, column: str, *, lower: int, upper: int, throttle: Throttle, tid_range_scan: bool
) -> str:
    """The statement that empties pages of ``table`` from ``upper`` (exclusive) down to ``lower``, while it has time."""
    return BATCH_SQL.format(
        table=table,
        oid=oid,
        column=column,
        lower=lower,
        upper=upper,
        group_pages=throttle.group_pages,
        budget_ms=round(throttle.budget_ms, 1),
        **(TID_RANGE if tid_range_scan else TID_LIST),
    )


def update_sql(table: str, column: str, lower: int, upper: int) -> str:
    """What batches repeat, for people to read."""
    return (
        f"UPDATE ONLY {table} SET {column} = {column} WHERE ctid >= '({lower},0)' AND ctid < '({upper},0)'"
        " -- a few pages at a time, from the end, each time repeated in one transaction until it finds no row"
    )


@dataclass(frozen=True)
class Batch:
    """What a batch did: ``upper`` is the first page that it emptied; ``written`` counts a row once for each pass.

    ``wal_bytes`` is what the server wrote meanwhile, for everybody.
    """

    upper: int
    moved: int
    written: int
    milliseconds: float
    slowest_group_ms: float
    heap_bytes: int
    wal_bytes: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Batch:
        return cls(**row["report"], heap_bytes=row["heap_bytes"])


class Throttle:
    """How long the next batch may take (``budget_ms``), in groups of how many pages, after what pause."""

    def __init__(self, policy: CompactionPolicy) -> None:
        self._policy = policy
        self._budget_max_ms = max(BUDGET_MIN_MS, 0.75 * policy.target_batch_ms)
        self.budget_ms = max(BUDGET_MIN_MS, 0.25 * policy.target_batch_ms)
        self.group_pages = 2

    def after(self, batch: Batch, slowed_ms: float) -> float:
        """Learn from a batch, and from how much slower a query of others became; return the pause in seconds."""
        policy = self._policy
        too_slow = 0 < policy.max_probe_latency_ms < slowed_ms
        if too_slow or batch.milliseconds > policy.target_batch_ms:
            self.budget_ms = max(BUDGET_MIN_MS, self.budget_ms / 2)
        else:
            self.budget_ms = min(self._budget_max_ms, self.budget_ms * 1.5)
        if batch.slowest_group_ms > self.budget_ms / 4:
            self.group_pages = max(1, self.group_pages // 2)
        elif batch.slowest_group_ms < self.budget_ms / 16:
            self.group_pages = min(GROUP_PAGES_MAX, self.group_pages * 2)
        busy_s = batch.milliseconds / 1000
        pause_s = busy_s * (1 / policy.duty - 1)
        if policy.max_wal_bytes_per_s:
            pause_s = max(pause_s, batch.wal_bytes / policy.max_wal_bytes_per_s - busy_s)
        return pause_s + (slowed_ms / 1000 if too_slow else 0)

    def after_refusal(self) -> None:
        """Rows were locked by others: the next try holds as few rows as it can for as short as it can."""
        self.budget_ms = BUDGET_MIN_MS
        self.group_pages = 1
