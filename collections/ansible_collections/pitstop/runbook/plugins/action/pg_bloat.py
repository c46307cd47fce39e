# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how much of each table is waste, in bytes."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._statements import analyze
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.modules.pg_bloat import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._bloat_readings import estimate_table, measure_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import (
    expand,
    needs_analyze,
    read_table,
    user_tables,
)


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        statements: list[str] = []
        with self.database() as database, database_errors("Measuring bloat failed"):
            capabilities = self.capabilities(database)
            names = expand(database, self.args["tables"] or user_tables(database))
            found = {name: estimate_table(database, name) for name in names}
            ranked = sorted(names, key=lambda name: found[name].possible_waste_bytes, reverse=True)
            for name in ranked[: self.args["measured_tables"]]:
                found[name] = self._measured(database, name, capabilities, statements)
        for name in names:
            self._show(found[name])
        tables = [found[name].as_dict() for name in names]
        return {"changed": bool(statements), "statements": statements, "tables": tables}

    def _measured(self, database: Database, name: str, capabilities: Capabilities, statements: list[str]) -> Measure:
        """A measure; where part of it has to rest on statistics that are stale, those are renewed first."""
        measure = measure_table(database, name, capabilities)
        row = read_table(database, name)
        renewable = row["maintainable"] and not capabilities.in_recovery
        if not (measure.rests_on_statistics and renewable and needs_analyze(row)):
            return measure
        statement = analyze(name)
        statements.append(statement)
        if self.check:
            self.say(f"would: {statement}")
            return measure
        database.execute(statement)
        return measure_table(database, name, capabilities)

    def _show(self, measure: Measure) -> None:
        self.say(f"{measure.name}: {bytes_text(measure.total_bytes)} in all")
        for file in measure.files:
            self.say(f"  {file.name if file.kind == 'index' else file.kind}: {file.text}")
