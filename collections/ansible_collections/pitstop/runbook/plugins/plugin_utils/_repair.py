# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairing one table: decide by measuring, wait for a good moment, act, look at the size afterwards."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils import _statements as statements
from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import (
    REWRITES,
    Choice,
    Decision,
    Remedy,
    Situation,
    decide,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._repair_record import Repair
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import GATES_OF
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._bloat_readings import measure_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._carry_out import Cancelled, Remedies
from ansible_collections.pitstop.runbook.plugins.plugin_utils._compact import Compaction
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import LockNotObtained
from ansible_collections.pitstop.runbook.plugins.plugin_utils._pg_repack import arguments
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._repair_common import Common
from ansible_collections.pitstop.runbook.plugins.plugin_utils._safety import Gates
from ansible_collections.pitstop.runbook.plugins.plugin_utils._situation import situation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import needs_analyze, read_table


class TableRepair:
    """The repair of one table over ``worker``, watched from ``watcher``: first ``plan``, then ``apply``."""

    def __init__(self, worker: Database, watcher: Database, common: Common, table: str) -> None:
        self._worker = worker
        self._watcher = watcher
        self._common = common
        self._policy = common.policy
        self._row = read_table(worker, table)
        self._measure: Measure = measure_table(worker, table, common.capabilities)
        self._situation: Situation = situation(
            worker,
            self._measure,
            common.capabilities,
            common.rate.of(worker, self._measure),
            common.policy.window_now(),
            maintainable=self._row["maintainable"],
        )

    def plan(self, choice: Choice) -> Repair:
        """Decide, and write down the statements."""
        decision = decide(self._measure, self._situation, self._policy.limits, choice)
        return Repair.planned(self._measure, decision, self._statements(decision))

    def apply(self, repair: Repair) -> None:
        """Do what was planned, and note what came of it. A busy table is postponed, not fought for."""
        if not repair.statements:
            repair.outcome = "nothing"
            return
        began = time.monotonic()
        try:
            with self._turn(repair.remedy), self._common.disk(repair.disk_bytes) as needed_bytes:
                if self._hindered(repair, needed_bytes):
                    return
                remedies = Remedies(self._worker, self._watcher, self._common, repair, self._measure, self._situation)
                getattr(remedies, repair.remedy)()
                repair.outcome = "nothing" if repair.remedy == "nothing" else "done"
        except LockNotObtained as error:
            repair.attempts = error.attempts
            self._postpone(repair, f"no lock in {error.attempts} short tries", error.blocker)
        except Cancelled as cancelled:
            self._postpone(repair, "cancelled by Pitstop", str(cancelled))
        except (psycopg2.Error, PitstopError) as error:
            repair.fail(" ".join(str(error).split()))
            self._common.console.say(f"{repair.name}: failed, {repair.error}", "red")
        repair.seconds = round(time.monotonic() - began, 2)
        self._look_afterwards(repair)

    def _statements(self, decision: Decision) -> list[str]:
        table = self._measure.name
        if decision.remedy in REWRITES:
            return [self._rewrite(decision.remedy), statements.vacuum(table)]
        if decision.remedy == "vacuum":
            return [statements.vacuum(table)]
        if decision.remedy == "nothing":
            return [statements.analyze(table)] if needs_analyze(self._row) and self._row["maintainable"] else []
        rebuilds = [statements.rebuild(index) for index in decision.indexes]
        if decision.remedy == "reindex":
            return rebuilds
        return [*Compaction.planned_sql(self._worker, self._measure), *rebuilds, statements.analyze(table)]

    def _rewrite(self, remedy: Remedy) -> str:
        if remedy == "pg_repack":
            options = arguments(self._measure.name, superuser=self._common.capabilities.is_superuser)
            return " ".join(["pg_repack", *options])
        return statements.REWRITE[remedy].format(table=self._measure.name)

    def _turn(self, remedy: Remedy) -> AbstractContextManager[object]:
        """Two tables locked at the same time can stop an app that one locked table only slows down."""
        return self._common.exclusive if remedy == "vacuum_full" else nullcontext()

    def _hindered(self, repair: Repair, needed_bytes: int) -> bool:
        """Whether something is in the way that does not go away in time; then the table is postponed."""
        if repair.blocker:
            self._postpone(repair, "what was asked for is impossible here", repair.blocker)
        elif repair.remedy == "vacuum_full" and self._policy.window_now() == "closed":
            self._postpone(repair, "outside of db_maintenance_window", self._policy.window_opens())
        else:
            gates = Gates(self._watcher, self._common.capabilities, self._policy.gates, self._common.console.say)
            obstacle = gates.wait_before_table(
                self._row, needed_bytes=needed_bytes, gates=GATES_OF[repair.remedy], stop=self._common.stop
            )
            repair.waited_for = gates.waited
            if obstacle:
                self._postpone(repair, f"gate {obstacle.gate}", f"{obstacle.what}; {obstacle.next_step}")
        return repair.outcome == "postponed"

    def _postpone(self, repair: Repair, why: str, blocker: str) -> None:
        repair.postpone(why, blocker)
        self._common.console.say(f"{repair.name}: postponed, {why}; in the way: {blocker}", "yellow")

    def _look_afterwards(self, repair: Repair) -> None:
        if self._worker.connection.closed:
            return
        after = measure_table(self._worker, repair.name, self._common.capabilities)
        repair.size_after_bytes = after.total_bytes
        repair.got_back_bytes = repair.size_before_bytes - after.total_bytes
        if repair.outcome != "done":
            return
        if repair.got_back_bytes < repair.expected_bytes / 2:
            repair.reason += "; gave back less than half of what was expected: an open transaction kept dead rows"
        stall = f", longest stall of others {repair.longest_stall_ms:.0f} ms" if repair.longest_stall_ms else ""
        sizes = f"{bytes_text(repair.size_before_bytes)} -> {bytes_text(repair.size_after_bytes)}"
        self._common.console.say(f"{repair.name}: {sizes} in {seconds_text(repair.seconds)}{stall}")
