# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how much of each table is waste, in bytes."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.modules.pg_bloat import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._bloat_readings import measure_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import expand


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        with self.database() as database:
            capabilities = self.capabilities(database)
            measures = [measure_table(database, name, capabilities) for name in expand(database, self.args["tables"])]
        for measure in measures:
            self._show(measure)
        return {"tables": [measure.as_dict() for measure in measures]}

    def _show(self, measure: Measure) -> None:
        self.say(
            f"{measure.name}: {bytes_text(measure.total_bytes)} in all, heap {bytes_text(measure.heap_bytes)},"
            f" waste {bytes_text(measure.wasted_bytes)} ({measure.wasted_percent:.0f} %, {measure.method})"
        )
