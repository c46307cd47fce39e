# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the app's PostgreSQL by using it, and say what can be done there."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._heroku_plan import plan_facts
from ansible_collections.pitstop.runbook.plugins.module_utils._preflight import refuse_database, refuse_table
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.modules.postgresql_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku_data import HerokuDatabase
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import pgstattuple_schema, read_table

SERVER_SQL = """
SELECT split_part(current_setting('server_version'), ' ', 1) AS server_version,
       current_setting('server_version_num')::int AS server_version_num,
       pg_is_in_recovery() AS in_recovery,
       pg_backend_pid() AS backend_pid,
       current_user AS role,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
       ARRAY(SELECT rolname::text FROM pg_roles
              WHERE rolname LIKE 'pg\\_%%' AND pg_has_role(current_user, oid, 'USAGE') ORDER BY 1) AS member_of,
       current_database() AS database,
       pg_database_size(current_database()) AS size_bytes,
       (SELECT json_object_agg(extname, extversion) FROM pg_extension) AS extensions
"""

SETTINGS = ("jit", "work_mem", "maintenance_work_mem", "lock_timeout", "statement_timeout", "max_connections")
SETTINGS_SQL = "SELECT json_object_agg(name, current_setting(name)) AS settings FROM unnest(%s::text[]) AS name"

OWNER_SQL = """
SELECT pg_get_userbyid(relowner) AS owner, pg_has_role(relowner, 'USAGE') AS may_maintain
  FROM pg_class WHERE oid = %s
"""


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        with self.database() as database:
            facts = database.row(SERVER_SQL)
            refuse_database({**facts, "protocol_pid": database.pid})
            facts["settings"] = database.row(SETTINGS_SQL, (list(SETTINGS),))["settings"]
            facts["pgstattuple"] = pgstattuple_schema(database) is not None
            facts["tables"] = [self._table(database, table, facts["role"]) for table in self.args["tables"]]
        facts["plan"] = self._plan()
        del facts["backend_pid"]
        self.say(
            f"PostgreSQL {facts['server_version']}, {facts['database']} ({bytes_text(facts['size_bytes'])}),"
            f" as {facts['role']}; bloat by {'pgstattuple' if facts['pgstattuple'] else 'estimate'}"
        )
        return dict(facts)

    def _table(self, database: Database, table: str, role: str) -> str:
        row = read_table(database, table)
        refuse_table(row["name"], role, database.row(OWNER_SQL, (row["oid"],)))
        return str(row["name"])

    def _plan(self) -> dict[str, Any] | None:
        """Name and limits of the Heroku plan, where the database is Heroku's."""
        if not self.args["app"]:
            return None
        found = HerokuDatabase.find(self.heroku(), self.args["app"], self.args["database_config_var"])
        return plan_facts(found.info()) if found else None
