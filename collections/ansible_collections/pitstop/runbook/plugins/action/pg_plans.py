# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the plans of named statements, compare them with those before, and assert what is expected of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._named_statements import prepared_statement
from ansible_collections.pitstop.runbook.plugins.module_utils._plan_changes import PlanChange, compare_plans
from ansible_collections.pitstop.runbook.plugins.module_utils._plans import Expectation, Plan, judge
from ansible_collections.pitstop.runbook.plugins.modules.pg_plans import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._explain import Explainer
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import database_errors

STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 1000

Statement = dict[str, Any]
Entry = dict[str, Any]


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        statements: list[Statement] = self.args["statements"]
        self._require_sense(statements)
        before = self._plans_before()
        looked_at: list[Entry] = []
        if statements:
            with self.database() as database:
                explainer = Explainer(database, self.capabilities(database))
                database.set_timeouts(lock_ms=LOCK_TIMEOUT_MS, statement_ms=STATEMENT_TIMEOUT_MS)
                looked_at = [
                    self._look(explainer, statement, before.get(statement["name"])) for statement in statements
                ]
        result: dict[str, Any] = {"statements": looked_at, "slower": [_sentence(e) for e in looked_at if _worse(e)]}
        # A planned index is not there yet in check mode, so nothing can be asserted.
        if self.args["must_be_met"] and not self.check:
            self._assert(looked_at, result)
        return result

    def _look(self, explainer: Explainer, statement: Statement, old: Entry | None) -> Entry:
        expectation = Expectation(**{key: statement[key] for key in Expectation.__dataclass_fields__})
        name, before = statement["name"], Plan.from_evidence(old) if old else None
        with (
            database_errors(
                f"The statement {name} cannot be explained",
                next_step="correct its sql or params: it has to be one SELECT, INSERT, UPDATE, DELETE, MERGE or VALUES",
            ),
            explainer.prepared(prepared_statement(name, statement["sql"], statement["params"])),
        ):
            analyze = statement["analyze"] and not self.check
            if analyze:
                self._require_harmless(explainer, statement)
            look = explainer.look(expectation, analyze=analyze)
        met, why = judge(expectation, look, before)
        entry = {"name": name, "expectation": str(expectation), "met": met, "why": why, **look.plan.as_dict()}
        entry["change"] = before and _change(old or {}, entry, before, look.plan, self.args["tolerance"]).as_dict()
        self.say(f"plan of {name}: {'as expected' if met else 'NOT as expected'}: {why}")
        if entry["change"] and entry["change"]["verdict"] != "same":
            self.say(f"plan of {name}: {entry['change']['verdict']}: {entry['change']['why']}")
        return entry

    @staticmethod
    def _require_harmless(explainer: Explainer, statement: Statement) -> None:
        if explainer.generic:
            raise PitstopError(
                f"The statement {statement['name']} cannot be analyzed without parameters",
                next_step="give its params, or leave analyze out",
            )
        hazard = None if statement["may_advance_sequences"] else explainer.sequence_hazard()
        if hazard:
            raise PitstopError(
                f"The statement {statement['name']} is not analyzed",
                why=f"it would be rolled back, and a sequence's next value would not be: {hazard} draw one",
                next_step="leave analyze out, or set may_advance_sequences: true for it",
            )

    def _assert(self, looked_at: list[Entry], result: dict[str, Any]) -> None:
        missed = [entry for entry in looked_at if not entry["met"]]
        if worse := result["slower"]:
            raise PitstopError(
                f"{len(worse)} of {len(looked_at)} plans are worse than before the database work",
                why="; ".join(worse),
                next_step="declare the index that serves it in index_creation_indexes, or where what it costs now is "
                "acceptable raise db_maintenance_plan_tolerance",
                partial=result,
            )
        if missed:
            first = missed[0]
            raise PitstopError(
                f"The plan of {first['name']} is not as expected ({first['expectation']})",
                why=first["why"],
                next_step="declare the index that serves it in index_creation_indexes",
                partial=result,
            )

    def _plans_before(self) -> Mapping[str, Entry]:
        """The entries of the evidence to compare with, by name; none where that was not looked at."""
        name = self.args["compare_with"]
        found = (self.current_run.read(name) or {}).get("statements", []) if name else []
        return {entry["name"]: entry for entry in found}

    def _require_sense(self, statements: list[Statement]) -> None:
        names = [statement["name"] for statement in statements]
        for name in names:
            if names.count(name) > 1:
                raise PitstopError(f"Two statements are called {name}", next_step="give each a name of its own")
        factors = [("tolerance", self.args["tolerance"])]
        factors += [(key, s[key]) for s in statements for key in ("max_cost_factor", "max_buffers_factor") if s[key]]
        for key, factor in factors:
            if factor < 1:
                raise PitstopError(
                    f"{key} is {factor:g}, and a plan that stays the same would fail", next_step="set 1 or more"
                )


def _change(old: Entry, new: Entry, before: Plan, after: Plan, tolerance: float) -> PlanChange:
    """Worse is also what met its expectation before and does not any more."""
    change = compare_plans(before, after, tolerance)
    if old.get("met") and not new["met"]:
        return PlanChange("worse", f"{new['why']}; {change.why}")
    return change


def _worse(entry: Entry) -> bool:
    return bool(entry["change"]) and entry["change"]["verdict"] == "worse"


def _sentence(entry: Entry) -> str:
    return f"the plan of {entry['name']} is worse: {entry['change']['why']}"
