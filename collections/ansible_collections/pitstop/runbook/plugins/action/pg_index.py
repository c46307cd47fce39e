# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring about the declared indexes, built concurrently."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._indexes import DeclaredIndex, IndexPlan
from ansible_collections.pitstop.runbook.plugins.modules.pg_index import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_build import remove_invalid, run_concurrently
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_catalogue import plan_declared
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        declared = [DeclaredIndex.from_options(options) for options in self.args["indexes"]]
        done: list[dict[str, Any]] = []
        with self.database() as worker, self.database() as watcher:
            # All are planned before the first is built: a mistake in the last one must not cost a build.
            plans = [(index, plan_declared(worker, index)) for index in declared]
            for index, plan in plans:
                self.say(f"{plan.name} on {plan.table}: {plan.action}, because: {plan.reason}")
                entry = {**asdict(plan), "statements": list(plan.statements), "seconds": 0.0, "changed": False}
                done.append(entry)
                if self.check:
                    for statement in plan.statements:
                        self.say(f"would: {statement}")
                    entry["changed"] = bool(plan.statements)
                elif plan.statements:
                    self._build(worker, watcher, index, plan, entry, done)
        return self._result(done)

    def _build(
        self,
        worker: Database,
        watcher: Database,
        index: DeclaredIndex,
        plan: IndexPlan,
        entry: dict[str, Any],
        done: list[dict[str, Any]],
    ) -> None:
        began = time.monotonic()
        try:
            with database_errors(f"The index {plan.name} on {plan.table} could not be built"):
                run_concurrently(worker, watcher, plan.statements, plan.name, self.console)
        except PitstopError as error:
            removed = remove_invalid(worker, [index.table], [index.name], check=False)
            entry["removed"] = removed
            raise PitstopError(
                error.what,
                why=error.why,
                next_step="correct the declaration or the data, then run again: "
                + (f"the half-built {', '.join(removed)} was removed" if removed else "nothing half built is left"),
                partial=self._result(done),
            ) from error
        entry.update(seconds=round(time.monotonic() - began, 2), changed=True)
        self.say(f"{plan.name}: done in {entry['seconds']} s")

    def _result(self, done: list[dict[str, Any]]) -> dict[str, Any]:
        diff = [
            {"before": "", "after": "\n".join(entry["statements"]) + "\n", "after_header": entry["name"]}
            for entry in done
            if entry["statements"]
        ]
        return {"changed": any(entry["changed"] for entry in done), "indexes": done, "diff": diff}
