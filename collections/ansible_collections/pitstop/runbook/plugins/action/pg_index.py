# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring about the declared indexes, built concurrently."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._index_plan import IndexPlan
from ansible_collections.pitstop.runbook.plugins.module_utils._index_state import Step, Table
from ansible_collections.pitstop.runbook.plugins.module_utils._indexes import DeclaredIndex, refuse_twice
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import GATES_OF, GateLimits, refuse, version
from ansible_collections.pitstop.runbook.plugins.modules.pg_index import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_build import (
    Manners,
    carry_out,
    remove_invalid,
    wait_for_builders,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_catalogue import (
    plan_declared,
    read_indexed_table,
    wanted_definition,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_duplicates import find_duplicates
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_usage import redundant, unused
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_whatif import what_if
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import LockNotObtained
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._safety import Gates

ROW_DATA = ("22", "23")
"""SQLSTATE classes whose messages may quote a row's values."""


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        self._declared = [DeclaredIndex.from_options(options) for options in self.args["indexes"]]
        refuse_twice(self._declared)
        self._entries: list[dict[str, Any]] = []
        with self.database() as self._worker, self.database() as self._watcher:
            # All are planned before the first is built: a mistake in the last one must not cost a build.
            plans = [(index, *self._plan(index)) for index in self._declared]
            self._refuse_version(plan for _, _, plan in plans)
            for index, table, plan in plans:
                self._converge(index, table, plan)
            return self._result()

    def _plan(self, index: DeclaredIndex) -> tuple[Table, IndexPlan]:
        here = [other for other in self._declared if other.table == index.table]
        return plan_declared(self._watcher, index, here)

    def _refuse_version(self, plans: Iterable[IndexPlan]) -> None:
        if any("CONCURRENTLY" in statement for plan in plans for statement in plan.statements):
            known = self.capabilities(self._worker)
            refuse(version(known.server_version, known.server_version_num))

    def _converge(self, index: DeclaredIndex, table: Table, plan: IndexPlan) -> None:
        if not self.check and (plan.steps or plan.found.startswith("building")):
            blocker = self._wait(table)
            if blocker:
                self._entries.append(_entry(plan, outcome="postponed", blocker=blocker))
                self.say(f"{plan.name} on {plan.table}: postponed; in the way: {blocker}", "yellow")
                return
            # What was waited for may have brought it about.
            table, plan = self._plan(index)
        entry = _entry(plan)
        self._entries.append(entry)
        self.say(f"{plan.name} on {plan.table}: {plan.action}, because: {plan.reason}")
        if plan.action in ("create", "replace") and not table.partitioned:
            self._imagine(index, table, entry)
        if self.check:
            for statement in plan.statements:
                self.say(f"would: {statement}")
            entry["changed"] = bool(plan.steps)
        elif plan.steps:
            self._build(index, plan, entry)

    def _imagine(self, index: DeclaredIndex, table: Table, entry: dict[str, Any]) -> None:
        """Ask HypoPG, which may be there, whether the named statements would use the index."""
        create = index.create(self._worker.quoted, table=table.name, how="")
        entry["what_if"] = what_if(self._worker, create, self.args["statements"], self.capabilities(self._worker))
        for answer in entry["what_if"]:
            uses = "would use it" if answer["uses"] else "would not use it"
            costs = f"estimated cost {answer['cost_before']} -> {answer['cost_after']}"
            self.say(f"{index.name}: {answer['statement']} {uses}, {costs}")

    def _wait(self, table: Table) -> str | None:
        """Who or what is in the way, after the patience is over."""
        builder = wait_for_builders(self._watcher, table.name, self.console, self.args["wait_seconds"])
        if builder:
            return builder.who
        limits = GateLimits(max_transaction_s=self.args["max_transaction_seconds"], wait_s=self.args["wait_seconds"])
        gates = Gates(self._watcher, self.capabilities(self._watcher), limits, self.say)
        row = {"oid": table.oid, "name": table.name}
        obstacle = gates.wait_before_table(row, needed_bytes=0, gates=GATES_OF["index"])
        return str(obstacle) if obstacle else None

    def _build(self, index: DeclaredIndex, plan: IndexPlan, entry: dict[str, Any]) -> None:
        began = time.monotonic()
        manners = Manners(self.args["lock_timeout_ms"], self.args["lock_attempts"])
        try:
            for step in plan.steps:
                carry_out(self._worker, self._watcher, step, plan.name, self.console, manners)
                entry["changed"] = True
        except LockNotObtained as busy:
            entry.update(outcome="postponed", blocker=busy.blocker)
            self.say(f"{plan.name}: postponed, {plan.table} stayed busy; in the way: {busy.blocker}", "yellow")
        except psycopg2.Error as error:
            self._fail(index, plan, step, entry, error)
        else:
            self._require_converged(index)
            entry["outcome"] = "done"
        entry["seconds"] = round(time.monotonic() - began, 2)
        if entry["outcome"] == "done":
            self.say(f"{plan.name}: done in {entry['seconds']} s")

    def _fail(
        self, index: DeclaredIndex, plan: IndexPlan, step: Step, entry: dict[str, Any], error: psycopg2.Error
    ) -> None:
        removed = remove_invalid(self._watcher, [index.table], [index.name], check=False)
        entry.update(outcome="failed", removed=removed)
        raise PitstopError(
            f"The index {plan.name} on {plan.table} could not be built",
            why=self._why(index, step, error),
            next_step="correct the declaration or the data, then run again: "
            + (f"the half-built {', '.join(removed)} was removed" if removed else "nothing half built is left"),
            partial=self._result(),
        ) from None

    def _why(self, index: DeclaredIndex, step: Step, error: psycopg2.Error) -> str:
        if isinstance(error, psycopg2.errors.UniqueViolation):
            found = find_duplicates(self._watcher, step.table, wanted_definition(self._watcher, index))
            for line in found.lines:
                self.say(f"{index.name}: {line}")
            return found.summary
        if (error.pgcode or "").startswith(ROW_DATA):
            self.say(f"{index.name}: {' '.join(str(error).split())}")
            return f"{type(error).__name__}: an expression or the predicate fails for some row, which the screen shows"
        return " ".join(str(error).split())

    def _require_converged(self, index: DeclaredIndex) -> None:
        _, plan = self._plan(index)
        if plan.steps:
            raise PitstopError(
                f"The index {plan.name} on {plan.table} is not as declared after all",
                why=f"it is {plan.found}: {plan.reason}",
                next_step="run again; nobody else should change indexes of that table meanwhile",
                partial=self._result(),
            )

    def _result(self) -> dict[str, Any]:
        names = sorted({index.table for index in self._declared})
        tables = [one for name in names for one in read_indexed_table(self._watcher, name).family()]
        declared = {index.name for index in self._declared if not index.absent}
        result = {
            "changed": any(entry["changed"] for entry in self._entries),
            "indexes": self._entries,
            "unused": list(unused(self._watcher, tables, declared, self.args["unused_min_days"])),
            "redundant": list(redundant(tables, declared)),
            "diff": [_diff(entry) for entry in self._entries if entry["statements"]],
        }
        if any(entry["outcome"] == "postponed" for entry in self._entries):
            _raise_postponed(self._entries, result)
        return result


def _entry(plan: IndexPlan, outcome: str = "nothing", blocker: str = "") -> dict[str, Any]:
    return {
        "name": plan.name,
        "table": plan.table,
        "found": plan.found,
        "action": plan.action,
        "reason": plan.reason,
        "differences": list(plan.differences),
        "statements": plan.statements,
        "same_as": plan.same_as,
        "definition_before": plan.before,
        "definition_after": plan.after,
        "seconds": 0.0,
        "changed": False,
        "outcome": outcome,
        "blocker": blocker,
        "what_if": [],
    }


def _diff(entry: dict[str, Any]) -> dict[str, str]:
    before, after = (f"{text}\n" if text else "" for text in (entry["definition_before"], entry["definition_after"]))
    header = f"{entry['table']}.{entry['name']}"
    return {"before": before, "after": after, "before_header": header, "after_header": header}


def _raise_postponed(entries: list[dict[str, Any]], result: dict[str, Any]) -> None:
    late = [f"{entry['name']} ({entry['blocker']})" for entry in entries if entry["outcome"] == "postponed"]
    raise PitstopError(
        f"Postponed: {'; '.join(late)}",
        why="a declared index that is not there is a goal not reached",
        next_step="run again with --tags indexes when that has ended; what is built already is kept and used",
        partial=result,
    )
