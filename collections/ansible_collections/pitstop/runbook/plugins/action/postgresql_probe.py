# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the app's PostgreSQL by using it, and say what can be done there."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._preflight import (
    refuse_config_var,
    refuse_database,
    refuse_tables,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.modules.postgresql_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import rights, server_facts
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        if not self.args["database_url"]:
            refuse_config_var(self.args["database_config_var"])
        with self.database() as database:
            server = server_facts(database)
            refuse_database(server)
            tables = rights(database, self.args["tables"])
            refuse_tables(tables, server["quoted_role"], has_maintain=server["has_maintain"])
            plan = self.heroku_plan()
            capabilities = self.probed_capabilities(database, plan)
        facts = {
            **capabilities.as_dict(),
            "size_bytes": server["size_bytes"],
            "pgstattuple": capabilities.pgstattuple_schema is not None,
            "tables": tables,
            "plan": plan,
        }
        self.say(_sentence(facts))
        return facts


def _sentence(facts: dict[str, Any]) -> str:
    limit = (facts["plan"] or {}).get("limit_bytes")
    size = bytes_text(facts["size_bytes"]) + (f" of {bytes_text(limit)}" if limit else "")
    return (
        f"PostgreSQL {facts['server_version']}, {facts['database']} ({size}), as {facts['role']};"
        f" {len(facts['tables'])} declared tables; bloat by {'pgstattuple' if facts['pgstattuple'] else 'estimate'}"
    )
