# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairing several tables, each over two sessions of its own; what fails for one is no loss to the others."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import Choice
from ansible_collections.pitstop.runbook.plugins.module_utils._repair_record import Repair
from ansible_collections.pitstop.runbook.plugins.plugin_utils._crew import in_threads
from ansible_collections.pitstop.runbook.plugins.plugin_utils._repair import TableRepair
from ansible_collections.pitstop.runbook.plugins.plugin_utils._repair_common import Common
from ansible_collections.pitstop.runbook.plugins.plugin_utils._sessions import Sessions


class Repairs:
    """``done`` has the tables in the order in which they ended."""

    def __init__(self, sessions: Sessions, common: Common, choices: Mapping[str, Choice]) -> None:
        self._sessions = sessions
        self._common = common
        self._choices = choices
        self.done: list[Repair] = []

    def plan(self) -> None:
        """Decide, say the SQL, and touch nothing."""
        for table in self._choices:
            with self._sessions.open() as worker, self._sessions.open() as watcher:
                repair = self._planned(TableRepair(worker, watcher, self._common, table), self._choices[table])
            for statement in repair.statements:
                self._common.console.say(f"would: {statement}")
            repair.changed = bool(repair.statements) and not repair.blocker
            self.done.append(repair)

    def run(self, parallel: int) -> None:
        """Repair all tables, begun in the order of their choices, ``parallel`` of them at a time."""
        in_threads(
            self._choices,
            self._repair,
            threads=parallel,
            stop=self._common.stop,
            cancel_all=self._sessions.cancel_all,
        )

    def raise_failures(self, partial: dict[str, object]) -> None:
        """Name the tables that failed, if any did."""
        failed = [repair for repair in self.done if repair.outcome == "failed"]
        if failed:
            raise PitstopError(
                f"{len(failed)} of {len(self.done)} tables failed: {', '.join(repair.name for repair in failed)}",
                why=failed[0].error or "",
                next_step="mend what it names, then run again: what was done stays done, and nothing is half done",
                partial=partial,
            )

    def _repair(self, table: str) -> None:
        repair = Repair(table, "nothing", "")
        try:
            with self._sessions.open() as worker, self._sessions.open() as watcher:
                table_repair = TableRepair(worker, watcher, self._common, table)
                repair = self._planned(table_repair, self._choices[table])
                table_repair.apply(repair)
        except (psycopg2.Error, PitstopError) as error:
            repair.fail(" ".join(str(error).split()))
            self._common.console.say(f"{repair.name}: failed, {repair.error}", "red")
        self.done.append(repair)

    def _planned(self, table_repair: TableRepair, choice: Choice) -> Repair:
        repair = table_repair.plan(choice)
        self._common.console.say(f"{repair.name}: {repair.remedy}, because {repair.reason}")
        return repair
