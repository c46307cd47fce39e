# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying a remedy out, each with the locks of its class (design rule 2), watched from a second session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.errors

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import Situation, worth_rebuilding
from ansible_collections.pitstop.runbook.plugins.module_utils._repair_record import Repair
from ansible_collections.pitstop.runbook.plugins.module_utils._statements import analyze, rebuild
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _pg_repack
from ansible_collections.pitstop.runbook.plugins.plugin_utils._bloat_readings import measure_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._compact import Compaction
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_build import remove_invalid
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import (
    LockNotObtained,
    Patience,
    file_number,
    rewritten,
    vacuumed,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._repair_common import Common
from ansible_collections.pitstop.runbook.plugins.plugin_utils._watch import Watch

REPACK_LOCK_MS = 60_000
"""REPACK (CONCURRENTLY) loses its whole copy when its last lock times out; the watchdog ends that wait much sooner."""

COUNTED_S = 1.1
"""A session tells the server what it changed when a statement of its ends at least a second after it last told it."""


class Cancelled(Exception):
    """Others had waited too long for our statement, so it was cancelled."""


class Remedies:
    """The remedies for one table. Each runs the statements of the plan, and notes in it what it saw.

    Raises LockNotObtained or Cancelled where the table has to be left for later.
    """

    def __init__(
        self,
        worker: Database,
        watcher: Database,
        common: Common,
        repair: Repair,
        measure: Measure,
        situation: Situation,
    ) -> None:
        self._worker = worker
        self._watcher = watcher
        self._common = common
        self._repair = repair
        self._measure = measure
        self._situation = situation
        self._patience = Patience(common.policy.attempts, common.console.say, common.stop)

    def nothing(self) -> None:
        """Bring stale statistics up to date, where nobody is in the way."""
        self._gently(self._repair.statements)

    def vacuum(self) -> None:
        with self._watched():
            for statement in self._repair.statements:
                self._repair.attempts = vacuumed(self._worker, statement, self._repair.name, self._patience).attempt
                self._repair.changed = True

    def vacuum_full(self) -> None:
        repair, policy = self._repair, self._common.policy
        with self._watched():
            obtained = rewritten(
                self._worker, repair.statements[0], repair.name, self._patience, lock_ms=policy.lock_ms
            )
        self._common.rate.learn(repair.lock_seconds, obtained.seconds)
        repair.attempts = obtained.attempt
        self._rewritten()

    def repack(self) -> None:
        self._worker.set_timeouts(lock_ms=REPACK_LOCK_MS)
        with self._watched():
            self._worker.execute(self._repair.statements[0])
        self._rewritten()

    def pg_repack(self) -> None:
        common, repair = self._common, self._repair
        client = _pg_repack.find_client(common.capabilities.extensions["pg_repack"])
        if client is None:
            raise PitstopError(f"{repair.name} was not repacked", why="the client pg_repack is gone")
        before = file_number(self._worker, repair.name)
        options = _pg_repack.arguments(repair.name, superuser=common.capabilities.is_superuser)
        name = self._worker.connection.info.dsn_parameters["application_name"]
        _pg_repack.repack(client, common.url, name, options, common.stop)
        if file_number(self._worker, repair.name) == before:
            raise LockNotObtained(1, "pg_repack gave the table up, and says not for whom")
        self._rewritten()

    def reindex(self) -> None:
        self._rebuild(tuple(self._repair.indexes))

    def compact(self) -> None:
        """Empty and cut off the end of the heap; then the moves have made the indexes larger, so rebuild those."""
        common, repair = self._common, self._repair
        compaction = Compaction(
            self._worker,
            self._watcher,
            repair.name,
            self._measure,
            common.policy.compaction,
            common.console,
            common.stop,
            common.capabilities,
        )
        result = compaction.run()
        repair.compaction = result.as_dict()
        repair.changed = result.moved_rows > 0
        repair.longest_stall_ms = result.longest_stall_ms
        repair.statements = list(result.sql)
        if not result.reached:
            repair.reason += f"; compacting stopped early: {result.stopped}"
        after = measure_table(self._worker, repair.name, common.capabilities)
        grown = worth_rebuilding(after, self._situation, common.policy.limits)
        repair.indexes = sorted({*repair.indexes, *grown})
        fresh = analyze(repair.name)
        repair.statements += [*(rebuild(index) for index in repair.indexes), fresh]
        self._rebuild(tuple(repair.indexes))
        # The moves count as changes, as stale statistics for the next run, unless ANALYZE comes after they are known.
        common.stop.wait(COUNTED_S)
        self._worker.execute("SELECT 1")
        self._gently([fresh])

    def _rebuild(self, indexes: tuple[str, ...]) -> None:
        """One by one, so that a failure loses one. They wait for older transactions, and block nobody meanwhile."""
        self._worker.set_timeouts(lock_ms=0)
        for index in indexes:
            try:
                with self._watched():
                    self._worker.execute(rebuild(index))
            except (psycopg2.Error, Cancelled):
                if not self._worker.connection.closed:
                    remove_invalid(self._worker, [self._repair.name], [], check=False)
                raise
            self._repair.changed = True

    def _rewritten(self) -> None:
        """A new file has no visibility map, without which index-only scans read the heap."""
        self._repair.changed = True
        self._gently(self._repair.statements[1:])

    def _gently(self, statements: list[str]) -> None:
        """What would be good to have, and is no reason to postpone the table."""
        for statement in statements:
            try:
                with self._watched():
                    vacuumed(self._worker, statement, self._repair.name, self._patience)
            except LockNotObtained as error:
                self._repair.reason += f"; {statement} was left out, in the way: {error.blocker}"
            else:
                self._repair.changed = True

    @contextmanager
    def _watched(self) -> Iterator[None]:
        common, repair = self._common, self._repair
        limit_ms = common.policy.blocking_ms(repair.remedy)
        watch = Watch(self._watcher, self._worker, common.console, repair.name, limit_ms)
        try:
            with watch:
                yield
        except psycopg2.errors.QueryCanceled as error:
            if not watch.cancelled:
                raise
            raise Cancelled(f"sessions had waited more than {limit_ms} ms for it") from error
        finally:
            repair.longest_stall_ms = max(repair.longest_stall_ms, round(watch.longest_stall_ms, 1))
