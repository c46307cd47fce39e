# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebuild the indexes of tables concurrently, and analyze them."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.pg_reindex import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_build import remove_invalid, run_concurrently
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        statements: list[str] = []
        undone: list[str] = []
        asked = self._touched_tables() if self.args["tables"] is None else self.args["tables"]
        with self.database() as worker, self.database() as watcher:
            tables = [read_table(worker, table)["name"] for table in asked]
            if not tables:
                self.say("no table was rewritten, so no index is rebuilt")
            for table in tables:
                steps = [f"REINDEX TABLE CONCURRENTLY {table}", f"ANALYZE {table}"]
                statements += steps
                if self.check:
                    for statement in steps:
                        self.say(f"would: {statement}")
                    continue
                self.say(f"{table}: rebuilding its indexes concurrently")
                try:
                    with database_errors(f"Rebuilding the indexes of {table} failed"):
                        run_concurrently(worker, watcher, steps, table, self.say)
                except PitstopError as error:
                    remove_invalid(worker, [table], [], check=False)
                    raise PitstopError(
                        error.what,
                        why=error.why,
                        next_step=f"REINDEX TABLE CONCURRENTLY {table} by hand",
                        partial={"tables": tables, "statements": statements, "undone": undone, "left": [error.what]},
                    ) from error
                undone.append(f"the indexes of {table} were rebuilt concurrently, and it was analyzed")
        changed = bool(statements)
        return {"changed": changed, "tables": tables, "statements": statements, "undone": undone, "left": []}

    def _touched_tables(self) -> list[str]:
        """The tables that this run has rewritten, or was rewriting when it failed."""
        repairs = ((self.current_run.read("maintenance") or {}).get("tables") or {}).get("tables", [])
        return [repair["name"] for repair in repairs if repair["remedy"] == "vacuum_full"]
