# SPDX-License-Identifier: GPL-3.0-or-later
"""COMPACT: give a bloated heap's space back online, with plain SQL, as the table's owner. See docs/compact.md."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil

import psycopg2
import psycopg2.errors

from ansible_collections.pitstop.runbook.plugins.module_utils import _compaction
from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._compaction import (
    CompactionPolicy,
    CompactionResult,
    cut_pages,
    goal_pages,
    next_chunk,
    no_room,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._compaction_batches import (
    Batch,
    Throttle,
    batch_sql,
    update_sql,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._compact_readings import (
    block_bytes,
    index_bytes,
    next_xid,
    older_snapshot,
    read_compactable,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import SHARED_LOCK_MS, holders, jittered
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._pulse import Pulse
from ansible_collections.pitstop.runbook.plugins.plugin_utils._watch import Watch

BATCH_FACTOR_MAX = 4
"""A batch that takes this many times its target (and a lock's wait), because the server stands still, is given up."""

SWEEPS_MAX = 10
"""Others may put rows into a chunk that is being emptied; after so many sweeps VACUUM cuts what it can."""

CUT_TRIES = 3
RETRY_S = (0.02, 0.2)
WAIT_POLL_S = 0.1
GROWTH_PAGES = 4
"""New pages at the end (and a hundredth of a chunk) that are no sign yet of a lack of room: others insert, too."""

FULL_TRIES = 3

GOAL_IF_FULL = 1.02
INDEX_GREW = 1.05

VACUUM_SQL = "VACUUM (TRUNCATE ON, INDEX_CLEANUP ON) {table}"
"""Both have to be said: a table may have vacuum_truncate off; and without ON, VACUUM leaves the indexes out where few
pages have dead rows, and then cannot cut these pages off.
"""


def compaction_obstacles(database: Database, table_oid: int) -> tuple[str, ...]:
    """Why it would be wrong to compact this table, in one line each with the better way; empty when it is fine."""
    return _compaction.obstacles(read_compactable(database, table_oid))


class _Stopped(Exception):
    """Why a compaction ends before its goal. No error: what was done stays done."""


class _Full(_Stopped):
    """Rows go to new pages at the end: there is no free space nearer the start. ``goal`` is what they really need."""

    def __init__(self, goal: int) -> None:
        self.goal = goal
        super().__init__("no free space nearer the start is left: the rows need more than was measured")


@dataclass
class _Chunk:
    """The pages from ``lower`` to the end of a table of ``pages``; from ``emptied_to`` on they are empty."""

    lower: int
    pages: int
    emptied_to: int


class Compaction:
    """Compacts one table over ``worker``, watched from ``watcher``: both in autocommit, and nobody else's meanwhile.

    Every batch is a transaction of its own and leaves nothing behind, so it may be stopped at any moment, by ``stop``
    or by an interruption, and run again.
    """

    def __init__(
        self,
        worker: Database,
        watcher: Database,
        table: str,
        measure: Measure,
        policy: CompactionPolicy,
        console: Console,
        stop: threading.Event,
        capabilities: Capabilities,
    ) -> None:
        self._worker = worker
        self._watcher = watcher
        self._policy = policy
        self._console = console
        self._stop = stop
        self._tid_range_scan = "tid_range_scan" in capabilities.commands
        self._measure = measure
        self._oid = measure.oid
        self._facts = read_compactable(worker, self._oid)
        self._table = table
        self._block_bytes = block_bytes(worker)
        self._goal = goal_pages(measure.live_bytes, self._block_bytes)
        self._throttle = Throttle(policy)
        self._result = CompactionResult(goal_bytes=self._goal * self._block_bytes)
        deadlock_ms = int(worker.row("SELECT setting FROM pg_settings WHERE name = 'deadlock_timeout'")["setting"])
        self._lock_ms = max(1, min(policy.lock_ms, deadlock_ms // 2))
        self._began = time.monotonic()
        self._pages_before = 0

    @staticmethod
    def planned_sql(database: Database, measure: Measure) -> list[str]:
        """What a compaction would send, with the pages of its first chunk; nothing is touched."""
        facts, page_bytes = read_compactable(database, measure.oid), block_bytes(database)
        pages = measure.heap_bytes // page_bytes
        lower = next_chunk(pages, goal_pages(measure.live_bytes, page_bytes))
        if lower is None or _compaction.obstacles(facts):
            return []
        vacuum = VACUUM_SQL.format(table=facts["name"])
        return [vacuum, update_sql(facts["name"], facts["column_name"], lower, pages), vacuum]

    def run(self) -> CompactionResult:
        """Compact until the goal, or until the reason in ``stopped``. A lost connection is raised as it comes."""
        self._began = time.monotonic()
        result = self._result
        self._pages_before = self._pages()
        result.size_before_bytes = self._pages_before * self._block_bytes
        result.sql = tuple(self.planned_sql(self._worker, self._measure))
        indexes = index_bytes(self._worker, self._oid)
        isolation = self._worker.row("SELECT current_setting('default_transaction_isolation') AS level")["level"]
        self._set_isolation("read committed")
        try:
            self._compact()
            as_measured = self._goal * self._block_bytes == result.goal_bytes
            result.stopped = (
                "reached the goal" if as_measured else "reached what fits: rows need more than was measured"
            )
        except _Stopped as stopped:
            result.stopped = str(stopped)
        finally:
            self._console.done(self._table)
            if not self._worker.connection.closed:
                self._set_isolation(isolation)
        pages_after = self._pages()
        result.size_after_bytes = pages_after * self._block_bytes
        result.reached = next_chunk(pages_after, self._goal) is None
        after = index_bytes(self._worker, self._oid)
        result.indexes = tuple(name for name, size in after.items() if size > INDEX_GREW * indexes.get(name, size))
        result.seconds = round(time.monotonic() - self._began, 2)
        result.longest_stall_ms = round(result.longest_stall_ms, 1)
        result.longest_probe_ms = round(result.longest_probe_ms, 1)
        return result

    def _compact(self) -> None:
        for obstacle in _compaction.obstacles(self._facts):
            raise _Stopped(obstacle)
        if why := no_room(self._pages() * self._block_bytes, self._measure.live_bytes, self._block_bytes):
            raise _Stopped(why)
        self._wait_for_snapshots()
        self._vacuum()
        for left in reversed(range(FULL_TRIES)):
            try:
                return self._compact_to_goal()
            except _Full as full:
                if not left:
                    raise
                # The new pages at the end would keep VACUUM from cutting anything off: with a goal that allows for
                # them, their rows go into what was emptied.
                self._goal = full.goal
                self._wait_for_snapshots()
                self._vacuum()
        return None

    def _compact_to_goal(self) -> None:
        while (lower := next_chunk(pages := self._pages(), self._goal)) is not None:
            chunk = _Chunk(lower, pages, emptied_to=pages)
            self._empty(chunk)
            self._cut(chunk)

    def _empty(self, chunk: _Chunk) -> None:
        """Move the rows of a chunk; what others put there meanwhile is moved in another sweep."""
        try:
            for _ in range(SWEEPS_MAX):
                if not self._sweep(chunk):
                    return
        except _Full:
            raise
        except _Stopped:
            # What is empty already need not wait for the next run; whoever is in the way may be in VACUUM's, too.
            if not self._stop.is_set() and chunk.pages - chunk.emptied_to >= cut_pages(chunk.pages):
                with suppress(_Stopped):
                    self._vacuum()
            raise

    def _sweep(self, chunk: _Chunk) -> int:
        """Go once through a chunk from its end; returns the number of rows that moved."""
        moved, upper = 0, self._pages()
        statement_ms = self._lock_ms + round(BATCH_FACTOR_MAX * self._policy.target_batch_ms)
        self._worker.set_timeouts(lock_ms=self._lock_ms, statement_ms=statement_ms)
        with Pulse(self._watcher, self._worker) as pulse:
            try:
                while upper > chunk.lower:
                    batch = self._batch(chunk.lower, upper, pulse)
                    moved, upper = moved + batch.moved, batch.upper
                    chunk.emptied_to = min(chunk.emptied_to, upper)
                    self._note(batch, chunk)
                    self._look_for_growth(batch, chunk)
                    self._pause(self._throttle.after(batch, pulse.slowed_ms))
                    self._wait_for_replicas(pulse)
            finally:
                self._result.longest_stall_ms = max(self._result.longest_stall_ms, pulse.longest_stall_ms)
                self._result.longest_probe_ms = max(self._result.longest_probe_ms, pulse.longest_probe_ms)
        return moved

    def _look_for_growth(self, batch: Batch, chunk: _Chunk) -> None:
        grown = batch.heap_bytes // self._block_bytes - chunk.pages
        if grown > GROWTH_PAGES + (chunk.pages - chunk.lower) // 100:
            raise _Full(ceil(GOAL_IF_FULL * (chunk.emptied_to + grown)))

    def _batch(self, lower: int, upper: int, pulse: Pulse) -> Batch:
        """One batch; where rows are locked by others it gives way, and tries again with less."""
        locked = False
        for attempt in range(1, self._policy.attempts + 1):
            sql = batch_sql(
                self._table,
                self._oid,
                self._facts["column_name"],
                lower=lower,
                upper=upper,
                throttle=self._throttle,
                tid_range_scan=self._tid_range_scan,
            )
            try:
                return Batch.from_row(self._worker.row(sql))
            except (psycopg2.errors.LockNotAvailable, psycopg2.errors.QueryCanceled) as error:
                locked = isinstance(error, psycopg2.errors.LockNotAvailable)
                self._result.repeated_batches += 1
                self._throttle.after_refusal()
                self._pause(attempt * jittered(RETRY_S))
            except psycopg2.Error as error:
                if self._worker.connection.closed:
                    raise
                # Not the detail: it has the row's values.
                raise _Stopped(f"the server refused to write rows anew: {error.diag.message_primary}") from error
        tries = self._policy.attempts
        if locked:
            blocker = pulse.blocker or "nobody any more"
            raise _Stopped(f"rows stayed locked through {tries} tries; in the way: {blocker}")
        raise _Stopped(f"a batch was cut short {tries} times: the server is too slow, or somebody cancels it")

    def _note(self, batch: Batch, chunk: _Chunk) -> None:
        result = self._result
        result.batches += 1
        result.moved_rows += batch.moved
        result.written_versions += batch.written
        result.wal_bytes += batch.wal_bytes
        result.longest_batch_ms = max(result.longest_batch_ms, round(batch.milliseconds, 1))
        whole, done = self._pages_before - self._goal, self._pages_before - chunk.emptied_to
        elapsed = time.monotonic() - self._began
        left = elapsed * (whole - done) / done if done else 0
        self._console.progress(
            self._table,
            f"{self._table}: compacting, {100 * done / whole:.0f} % of {bytes_text(whole * self._block_bytes)} emptied,"
            f" {result.moved_rows:,} rows moved, {seconds_text(elapsed)} so far, about {seconds_text(left)} left",
        )

    def _cut(self, chunk: _Chunk) -> None:
        """Have VACUUM cut the emptied tail off; its lock is conditional, so others may be in its way for a while."""
        for _ in range(CUT_TRIES):
            self._wait_for_snapshots()
            self._vacuum()
            if self._pages() <= chunk.lower + (chunk.pages - chunk.lower) // 20:
                return
            self._pause(jittered(RETRY_S))
            self._sweep(chunk)
        if chunk.pages - self._pages() < cut_pages(chunk.pages):
            raise _Stopped(
                "VACUUM did not cut the emptied end off: others used the table at every try, put rows there, or"
                f" keep old versions that this role cannot see; on the table now: {holders(self._watcher, self._table)}"
            )

    def _vacuum(self) -> None:
        before = self._wal()
        for _ in range(self._policy.attempts):
            self._worker.set_timeouts(lock_ms=SHARED_LOCK_MS)
            watch = Watch(self._watcher, self._worker, self._console, self._table, self._policy.max_blocking_ms)
            try:
                with watch:
                    self._worker.execute(VACUUM_SQL.format(table=self._table))
            except psycopg2.errors.LockNotAvailable:
                self._pause(jittered(RETRY_S))
            except psycopg2.errors.QueryCanceled:
                if not watch.cancelled:
                    raise
                self._pause(jittered(RETRY_S))
            else:
                self._result.vacuums += 1
                self._result.wal_bytes += self._wal() - before
                return
            finally:
                self._result.longest_stall_ms = max(self._result.longest_stall_ms, watch.longest_stall_ms)
        blocker = holders(self._watcher, self._table)
        raise _Stopped(f"VACUUM was in others' way {self._policy.attempts} times; on the table now: {blocker}")

    def _wait_for_snapshots(self) -> None:
        """Until nobody may need the row versions that our batches left behind: VACUUM would have to keep them."""
        xid = next_xid(self._worker)
        self._wait(
            lambda: older_snapshot(self._watcher, xid, [self._worker.pid, self._watcher.pid]),
            "an older transaction keeps the old versions of moved rows",
        )

    def _wait_for_replicas(self, pulse: Pulse) -> None:
        def too_far() -> str | None:
            limit, lag = self._policy.max_replica_lag_bytes, pulse.lag_bytes or 0
            return f"{bytes_text(lag)} behind" if 0 < limit < lag else None

        self._wait(too_far, "a replica cannot keep up")

    def _wait(self, obstacle: Callable[[], str | None], what: str) -> None:
        began = time.monotonic()
        while found := obstacle():
            waited = time.monotonic() - began
            if waited > self._policy.wait_s:
                raise _Stopped(f"{what}: {found}")
            self._console.progress(self._table, f"{self._table}: waits, {what}: {found}")
            self._pause(WAIT_POLL_S)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped("stopped on request; the next run goes on from here")

    def _pages(self) -> int:
        return int(self._worker.row("SELECT pg_relation_size(%s) AS bytes", (self._oid,))["bytes"]) // self._block_bytes

    def _wal(self) -> int:
        return int(self._worker.row("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS bytes")["bytes"])

    def _set_isolation(self, level: str) -> None:
        """Each pass of a batch has to see what others committed before it."""
        self._worker.execute("SELECT set_config('default_transaction_isolation', %s, false)", (level,))
