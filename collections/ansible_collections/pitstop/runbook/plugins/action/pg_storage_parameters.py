# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep tables' storage parameters as declared."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._storage import (
    Change,
    changes,
    locks_out,
    of_toast,
    set_statements,
)
from ansible_collections.pitstop.runbook.plugins.modules.pg_storage_parameters import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import (
    SHARED_LOCK_MS,
    LockNotObtained,
    Patience,
    exclusively,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

PRESENT_SQL = """
SELECT option_name AS name, option_value AS value
  FROM pg_class c, pg_options_to_table(c.reloptions) WHERE c.oid = %(oid)s
UNION ALL
SELECT 'toast.' || option_name, option_value
  FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid, pg_options_to_table(t.reloptions) WHERE c.oid = %(oid)s
"""
TOAST_SQL = "SELECT reltoastrelid <> 0 AS present FROM pg_class WHERE oid = %s"


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        with self.database() as database:
            differing = {}
            for table, wanted in self.args["tables"].items():
                row = read_table(database, table)
                self._refuse_toast_without_one(database, row, wanted)
                present = {item["name"]: item["value"] for item in database.rows(PRESENT_SQL, {"oid": row["oid"]})}
                differing[row["name"]] = changes(row["name"], present, wanted)
            done: list[Change] = []
            for table, changed in differing.items():
                for statement, group in set_statements(table, changed, database.quoted):
                    self._set(database, table, statement, group, done)
                    done += group
        diff = {
            "before": "".join(f"{c['table']}.{c['parameter']} = {c['before'] or 'not set'}\n" for c in done),
            "after": "".join(f"{c['table']}.{c['parameter']} = {c['after']}\n" for c in done),
        }
        return {"changed": bool(done), "changes": done, "diff": diff}

    def _set(self, database: Database, table: str, statement: str, group: list[Change], done: list[Change]) -> None:
        if self.check:
            self.say(f"would: {statement}")
            return
        self.say(statement)
        lock_ms = self.args["lock_timeout_ms"] if locks_out(group[0]["parameter"]) else SHARED_LOCK_MS
        what = f"The storage parameters of {table} could not be set"
        try:
            with database_errors(what, partial={"changes": done}):
                exclusively(database, statement, table, Patience(self.args["lock_attempts"], self.say), lock_ms=lock_ms)
        except LockNotObtained as error:
            raise PitstopError(
                what,
                why=f"no lock in {error.attempts} tries; in the way: {error.blocker}",
                next_step="run again when that has ended",
                partial={"changes": done},
            ) from error

    def _refuse_toast_without_one(self, database: Database, row: dict[str, Any], wanted: dict[str, Any]) -> None:
        """PostgreSQL takes such a parameter without a word, and forgets it."""
        if of_toast(wanted) and not database.row(TOAST_SQL, (row["oid"],))["present"]:
            raise PitstopError(
                f"{row['name']} has no TOAST table, and {', '.join(of_toast(wanted))} is declared for it",
                next_step=f"take {', '.join(of_toast(wanted))} out of db_maintenance_storage_parameters",
            )
