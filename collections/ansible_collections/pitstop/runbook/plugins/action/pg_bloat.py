# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how much of each table is waste, in bytes."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.modules.pg_bloat import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import measure_table, pgstattuple_schema


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        with self.database() as database:
            schema = pgstattuple_schema(database)
            measures = [measure_table(database, table, schema) for table in self.args["tables"]]
        for measure in measures:
            self.say(
                f"{measure.name}: {bytes_text(measure.total_bytes)} in all, heap {bytes_text(measure.heap_bytes)},"
                f" waste {bytes_text(measure.wasted_bytes)} ({measure.wasted_percent:.0f} %, {measure.method})"
            )
        return {"tables": [measure.as_dict() for measure in measures]}
