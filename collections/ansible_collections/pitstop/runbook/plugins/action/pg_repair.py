# SPDX-License-Identifier: GPL-3.0-or-later
"""Give each table the mildest remedy that pays."""

from __future__ import annotations

from typing import Any, cast, get_args

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Limits, Remedy, by_urgency
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.pg_repair import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._repair import Policy, Repair, TableRepair


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        self._refuse_unknown_remedies()
        done: list[Repair] = []
        with self.database() as worker, self.database() as watcher:
            repairer = TableRepair(worker, watcher, self._policy(), self.say)
            measures = {measure.name: (table, measure) for table, measure in self._measured(repairer)}
            for measure in by_urgency([measure for _, measure in measures.values()]):
                repair = repairer.plan(measure, self.args["remedies"].get(measures[measure.name][0]))
                self.say(f"{repair.name}: {repair.remedy}, because {repair.reason}")
                done.append(repair)
                if self.check:
                    for statement in repair.statements:
                        self.say(f"would: {statement}")
                    repair.changed = bool(repair.statements)
                else:
                    with database_errors(f"Repairing {repair.name} failed", partial=self._result(done)):
                        repairer.apply(repair)
        return self._result(done)

    def _measured(self, repairer: TableRepair) -> list[tuple[str, Any]]:
        return [(table, repairer.measure(table)) for table in self.args["tables"]]

    def _result(self, done: list[Repair]) -> dict[str, Any]:
        return {"changed": any(repair.changed for repair in done), "tables": [repair.as_dict() for repair in done]}

    def _policy(self) -> Policy:
        limits = Limits(
            min_wasted_bytes=self.args["min_wasted_bytes"],
            min_wasted_percent=self.args["min_wasted_percent"],
            max_lock_seconds=self.args["max_lock_seconds"],
            rewrite_bytes_per_second=self.args["rewrite_bytes_per_second"],
        )
        return Policy(
            limits=limits,
            lock_ms=self.args["lock_timeout_ms"],
            attempts=self.args["lock_attempts"],
            max_blocking_ms=self.args["max_blocking_ms"],
            max_transaction_s=self.args["max_transaction_seconds"],
        )

    def _refuse_unknown_remedies(self) -> None:
        known = cast("tuple[str, ...]", get_args(Remedy))
        for table, remedy in self.args["remedies"].items():
            if remedy not in known:
                raise PitstopError(
                    f"The remedy {remedy!r} for {table} does not exist", next_step=f"use one of {', '.join(known)}"
                )
            if table not in self.args["tables"]:
                raise PitstopError(
                    f"A remedy is given for {table}, which is not among the tables",
                    next_step=f"add it to the tables, or use one of {', '.join(self.args['tables'])}",
                )
