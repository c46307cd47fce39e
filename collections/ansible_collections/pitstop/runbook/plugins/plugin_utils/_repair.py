# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairing one table: decide by measuring, act, look at the size afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg2.errors

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Decision, Limits, Measure, Remedy, decide
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import (
    LockNotObtained,
    exclusively,
    old_snapshot,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import (
    measure_table,
    needs_analyze,
    pgstattuple_schema,
    read_table,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._watch import Watch

SHARED_LOCK_MS = 5000
"""VACUUM and ANALYZE block no reads or writes, so they may queue a little longer."""


@dataclass(frozen=True)
class Policy:
    """How a repair behaves towards others. Times in milliseconds or seconds as named."""

    limits: Limits
    lock_ms: int
    attempts: int
    max_blocking_ms: int
    max_transaction_s: float


@dataclass
class Repair:
    """What was (or in check mode would be) done to a table, and what came of it."""

    name: str
    remedy: str
    reason: str
    expected_bytes: int = 0
    lock_seconds: float = 0.0
    statements: list[str] = field(default_factory=list)
    size_before_bytes: int = 0
    size_after_bytes: int = 0
    got_back_bytes: int = 0
    seconds: float = 0.0
    longest_stall_ms: float = 0.0
    attempts: int = 0
    blocker: str | None = None
    changed: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def statements_for(remedy: Remedy, table: str, *, analyze: bool) -> list[str]:
    """The SQL of a remedy. After a rewrite a plain VACUUM makes the visibility map, for index-only scans."""
    if remedy == "vacuum_full":
        return [f"VACUUM (FULL, ANALYZE) {table}", f"VACUUM {table}"]
    if remedy == "vacuum":
        # TRUNCATE would need an exclusive lock at the end.
        return [f"VACUUM (ANALYZE, TRUNCATE false) {table}"]
    return [f"ANALYZE {table}"] if analyze else []


class TableRepair:
    """Repairs tables of one database, one after the other, over ``worker``, watched from ``watcher``."""

    def __init__(self, worker: Database, watcher: Database, policy: Policy, say: Callable[[str], None]) -> None:
        self._worker = worker
        self._watcher = watcher
        self._policy = policy
        self._say = say
        self._schema = pgstattuple_schema(worker)

    def measure(self, table: str) -> Measure:
        return measure_table(self._worker, table, self._schema)

    def plan(self, measure: Measure, forced: Remedy | None) -> Repair:
        """Decide, and write down the statements; nothing is touched."""
        decision: Decision = decide(measure, self._policy.limits, forced)
        analyze = needs_analyze(read_table(self._worker, measure.name))
        return Repair(
            name=measure.name,
            remedy=decision.remedy,
            reason=decision.reason,
            expected_bytes=decision.expected_bytes,
            lock_seconds=round(decision.lock_seconds, 1),
            statements=statements_for(decision.remedy, measure.name, analyze=analyze),
            size_before_bytes=measure.total_bytes,
            size_after_bytes=measure.total_bytes,
        )

    def apply(self, repair: Repair) -> None:
        """Run the plan's statements, and note in it what came of them. A busy table is postponed, not fought for."""
        if not repair.statements:
            return
        if repair.remedy == "vacuum_full" and (old := old_snapshot(self._watcher, self._policy.max_transaction_s)):
            self._postpone(repair, "an old transaction would keep its dead rows alive through the rewrite", old)
            return
        began = time.monotonic()
        with Watch(self._watcher, self._worker, self._say, repair.name, self._policy.max_blocking_ms) as watch:
            try:
                self._run(repair)
            except LockNotObtained as error:
                repair.attempts = error.attempts
                self._postpone(repair, f"no lock in {error.attempts} short tries", error.blocker)
            except psycopg2.errors.QueryCanceled:
                if not watch.cancelled:
                    raise
                limit = self._policy.max_blocking_ms
                self._postpone(repair, "cancelled by Pitstop", f"sessions had waited more than {limit} ms for it")
            else:
                repair.changed = True
        repair.longest_stall_ms = round(watch.longest_stall_ms, 1)
        repair.seconds = round(time.monotonic() - began, 2)
        self._look_afterwards(repair)

    def _run(self, repair: Repair) -> None:
        first, *rest = repair.statements
        if repair.remedy == "vacuum_full":
            policy = self._policy
            repair.attempts = exclusively(
                self._worker, first, repair.name, lock_ms=policy.lock_ms, attempts=policy.attempts, say=self._say
            )
        else:
            rest = repair.statements
        self._worker.set_timeouts(lock_ms=SHARED_LOCK_MS)
        for statement in rest:
            self._worker.execute(statement)

    def _postpone(self, repair: Repair, why: str, blocker: str) -> None:
        repair.remedy = "postponed"
        repair.reason += f"; postponed: {why}"
        repair.blocker = blocker
        self._say(f"{repair.name}: postponed, {why}; in the way: {blocker}")

    def _look_afterwards(self, repair: Repair) -> None:
        after = self.measure(repair.name)
        repair.size_after_bytes = after.total_bytes
        repair.got_back_bytes = repair.size_before_bytes - after.total_bytes
        if repair.remedy == "vacuum_full" and repair.got_back_bytes < repair.expected_bytes / 2:
            repair.reason += "; gave back less than half of what was expected: an open transaction kept dead rows"
        if repair.changed:
            stall = f", longest stall of others {repair.longest_stall_ms:.0f} ms" if repair.longest_stall_ms else ""
            self._say(
                f"{repair.name}: {bytes_text(repair.size_before_bytes)} -> {bytes_text(repair.size_after_bytes)}"
                f" in {seconds_text(repair.seconds)}{stall}"
            )
