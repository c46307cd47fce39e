# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the plans of named statements, and assert what is expected of them, without changing a row."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._plans import Expectation, Plan, judge
from ansible_collections.pitstop.runbook.plugins.modules.pg_plans import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors

STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 1000


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        with self.database() as database:
            database.set_timeouts(lock_ms=LOCK_TIMEOUT_MS, statement_ms=STATEMENT_TIMEOUT_MS)
            looked_at = [self._look(database, statement) for statement in self.args["statements"]]
        result = {"statements": looked_at}
        missed = [entry for entry in looked_at if not entry["met"]]
        # A planned index is not there yet in check mode, so nothing can be asserted.
        if missed and self.args["must_be_met"] and not self.check:
            first = missed[0]
            raise PitstopError(
                f"The plan of {first['name']} is not as expected ({first['expectation']})",
                why=first["why"],
                next_step="declare the index that serves it in index_creation_indexes",
                partial=result,
            )
        return result

    def _look(self, database: Database, statement: dict[str, Any]) -> dict[str, Any]:
        expectation = Expectation(statement["uses_index"], statement["no_sequential_scan_on"])
        with database_errors(
            f"The statement {statement['name']} cannot be explained", next_step="correct its sql or params"
        ):
            plan = self._explain(database, statement, seqscan=True)
            met, why = judge(expectation, plan, self._explain(database, statement, seqscan=False))
        self.say(f"plan of {statement['name']}: {'as expected' if met else 'NOT as expected'}: {why}")
        return {
            "name": statement["name"],
            "expectation": str(expectation),
            "met": met,
            "why": why,
            **plan.as_dict(),
        }

    def _explain(self, database: Database, statement: dict[str, Any], *, seqscan: bool) -> Plan:
        analyze = statement["analyze"] and seqscan and not self.check
        options = "ANALYZE, BUFFERS, FORMAT JSON" if analyze else "FORMAT JSON"
        with database.rolled_back():
            database.execute("SELECT set_config('enable_seqscan', %s, true)", ("on" if seqscan else "off",))
            row = database.row(f"EXPLAIN ({options}) {statement['sql']}", statement["params"] or None)
        return Plan.from_explain(row["QUERY PLAN"][0])
