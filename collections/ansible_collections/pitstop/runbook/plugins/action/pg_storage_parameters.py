# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep tables' storage parameters as declared."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._storage import changes, set_statement
from ansible_collections.pitstop.runbook.plugins.modules.pg_storage_parameters import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import holders
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

PRESENT_SQL = """
SELECT option_name AS name, option_value AS value
  FROM pg_class c, pg_options_to_table(c.reloptions) WHERE c.oid = %s
"""
LOCK_MS = 5000


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        done: list[dict[str, Any]] = []
        with self.database() as database:
            database.set_timeouts(lock_ms=LOCK_MS)
            for table, wanted in self.args["tables"].items():
                row = read_table(database, table)
                present = {item["name"]: item["value"] for item in database.rows(PRESENT_SQL, (row["oid"],))}
                differing = changes(row["name"], present, wanted)
                if not differing:
                    continue
                statement = set_statement(row["name"], differing, database.quoted)
                if self.check:
                    self.say(f"would: {statement}")
                else:
                    self.say(statement)
                    with database_errors(
                        f"The storage parameters of {table} could not be set",
                        next_step=f"see who is in the way: {holders(database, row['name'])}",
                        partial={"changes": done},
                    ):
                        database.execute(statement)
                done += differing
        diff = {
            "before": "".join(f"{c['table']}.{c['parameter']} = {c['before'] or 'not set'}\n" for c in done),
            "after": "".join(f"{c['table']}.{c['parameter']} = {c['after']}\n" for c in done),
        }
        return {"changed": bool(done), "changes": done, "diff": diff}
