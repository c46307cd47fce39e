# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the app's PostgreSQL by using it, and say what can be done there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._preflight import (
    refuse_config_var,
    refuse_database,
    refuse_tables,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import GateLimits
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.modules.postgresql_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import rights, server_facts
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._safety import Gates


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
            obstacles = Gates(database, capabilities, self._limits(), self.say).before_run()
        facts = {
            **capabilities.as_dict(),
            "size_bytes": server["size_bytes"],
            "pgstattuple": capabilities.pgstattuple_schema is not None,
            "tables": tables,
            "plan": plan,
            "obstacles": [asdict(obstacle) for obstacle in obstacles],
            "unknown": capabilities.unknown(),
        }
        self.say(_sentence(facts))
        for warning in [*map(str, obstacles), *facts["unknown"]]:
            self.say(warning, color="yellow")
        return facts

    def _limits(self) -> GateLimits:
        return GateLimits(
            max_transaction_s=self.args["max_transaction_seconds"],
            max_snapshot_age=self.args["max_snapshot_age"],
            max_replica_lag_bytes=self.args["max_replica_lag_bytes"],
            max_replica_lag_s=self.args["max_replica_lag_seconds"],
        )


def _sentence(facts: dict[str, Any]) -> str:
    limit = (facts["plan"] or {}).get("limit_bytes")
    size = bytes_text(facts["size_bytes"]) + (f" of {bytes_text(limit)}" if limit else "")
    return (
        f"PostgreSQL {facts['server_version']}, {facts['database']} ({size}), as {facts['role']};"
        f" {len(facts['tables'])} declared tables; bloat by {'pgstattuple' if facts['pgstattuple'] else 'estimate'}"
    )
