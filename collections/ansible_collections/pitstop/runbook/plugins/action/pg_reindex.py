# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebuild the indexes of tables concurrently, one by one, and analyze the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import GateLimits
from ansible_collections.pitstop.runbook.plugins.modules.pg_reindex import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._reindex import Reindex, TableIndexes, read_indexes
from ansible_collections.pitstop.runbook.plugins.plugin_utils._safety import Gates
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import expand

NOT_SLOW = "the phase did not fail because the database is slow; a rewrite that failed has rolled itself back"


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        asked, note = self._asked()
        result: dict[str, Any] = {"tables": [], "indexes": [], "statements": [], "undone": [], "left": [], "note": note}
        if note:
            self.say(f"no index is rebuilt: {note}")
            return result
        with self.database() as worker, self.database() as watcher:
            tables = [read_indexes(worker, name) for name in expand(worker, asked)]
            result["tables"] = [table.name for table in tables]
            result["statements"] = [statement for table in tables for statement in table.statements]
            if self.check:
                for statement in result["statements"]:
                    self.say(f"would: {statement}")
            else:
                limits = GateLimits(self.args["max_transaction_seconds"], wait_s=self.args["gate_wait_seconds"])
                gates = Gates(watcher, self.capabilities(worker), limits, self.say)
                for table in tables:
                    self._rebuild(Reindex(worker, watcher, gates, self.console), table, result)
        return {**result, "changed": bool(result["statements"])}

    def _rebuild(self, reindex: Reindex, table: TableIndexes, result: dict[str, Any]) -> None:
        try:
            result["indexes"] += reindex.rebuild(table)
        except PitstopError as error:
            raise PitstopError(error.what, why=error.why, next_step=error.next_step, partial=result) from error
        result["undone"].append(f"the indexes of {table.name} were rebuilt concurrently, and it was analyzed")

    def _asked(self) -> tuple[list[str], str]:
        """The tables, each once; or why there are none."""
        if self.args["tables"] is not None:
            return list(dict.fromkeys(self.args["tables"])), "" if self.args["tables"] else "no table is given"
        if not self.args["because"]:
            return [], NOT_SLOW
        touched = list(dict.fromkeys(_touched(self.current_run.read("maintenance"), self.current_run.read("indexes"))))
        return touched, "" if touched else "this run has touched no table"


def _touched(maintenance: Mapping[str, Any] | None, indexes: Mapping[str, Any] | None) -> Iterator[str]:
    """The tables that this run has repaired or was repairing, and those of which it has changed indexes."""
    for repair in ((maintenance or {}).get("tables") or {}).get("tables", []):
        if repair.get("changed"):
            yield repair["name"]
    for index in (indexes or {}).get("indexes", []):
        if index.get("changed"):
            yield index["table"]
