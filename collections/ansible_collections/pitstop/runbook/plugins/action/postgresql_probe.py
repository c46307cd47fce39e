# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the app's PostgreSQL by using it, and say what can be done there."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._heroku_plan import plan_facts
from ansible_collections.pitstop.runbook.plugins.module_utils._preflight import (
    refuse_config_var,
    refuse_database,
    refuse_tables,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.modules.postgresql_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import abilities, rights, server_facts
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku_data import HerokuDatabase
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import pgstattuple_schema

INTERNAL = ("backend_pid", "protocol_pid", "quoted_role", "read_only")


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        if not self.args["database_url"]:
            refuse_config_var(self.args["database_config_var"])
        with self.database() as database:
            server = server_facts(database)
            refuse_database(server)
            facts = {key: value for key, value in server.items() if key not in INTERNAL} | abilities(database)
            facts["pgstattuple"] = pgstattuple_schema(database) is not None
            facts["tables"] = rights(database, self.args["tables"])
        refuse_tables(facts["tables"], server["quoted_role"], server["server_version_num"])
        facts["plan"] = self._plan()
        self.say(_sentence(facts))
        return facts

    def _plan(self) -> dict[str, Any] | None:
        """Name and limits of the Heroku plan, where the database is Heroku's."""
        if not self.args["app"]:
            return None
        found = HerokuDatabase.find(self.heroku(), self.args["app"], self.args["database_config_var"])
        return plan_facts(found.info()) if found else None


def _sentence(facts: dict[str, Any]) -> str:
    limit = (facts["plan"] or {}).get("limit_bytes")
    size = bytes_text(facts["size_bytes"]) + (f" of {bytes_text(limit)}" if limit else "")
    return (
        f"PostgreSQL {facts['server_version']}, {facts['database']} ({size}), as {facts['role']};"
        f" {len(facts['tables'])} declared tables; bloat by {'pgstattuple' if facts['pgstattuple'] else 'estimate'}"
    )
