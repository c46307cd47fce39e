# SPDX-License-Identifier: GPL-3.0-or-later
"""Would the planner use an index that is not there yet? HypoPG answers, where it is installed, and nothing is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._named_statements import (
    PreparedStatement,
    prepared_statement,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._plans import Plan
from ansible_collections.pitstop.runbook.plugins.plugin_utils._explain import Explainer
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

SCHEMA_SQL = """
SELECT quote_ident(n.nspname) AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'hypopg' AND has_schema_privilege(n.oid, 'USAGE')
"""
EXPLAIN_MS = 5000


def what_if(
    database: Database, create: str, statements: Sequence[Mapping[str, Any]], capabilities: Capabilities
) -> list[dict[str, Any]]:
    """For each statement with its parameters: whether its plan has the index, and its cost without and with it.

    Empty where HypoPG is not installed, or cannot imagine such an index.
    """
    found = database.rows(SCHEMA_SQL)
    if not found:
        return []
    schema = found[0]["schema"]
    prepared = [prepared_statement(one["name"], one["sql"], one.get("params")) for one in statements]
    explainer = Explainer(database, capabilities)
    database.set_timeouts(lock_ms=EXPLAIN_MS, statement_ms=EXPLAIN_MS)
    without = [_plan(explainer, statement) for statement in prepared]
    try:
        index = database.row(f"SELECT indexname FROM {schema}.hypopg_create_index(%s)", (create,))["indexname"]
        return [
            _answer(statement.name, index, before, _plan(explainer, statement))
            for statement, before in zip(prepared, without, strict=True)
        ]
    except psycopg2.Error:
        return []
    finally:
        database.rows(f"SELECT {schema}.hypopg_reset()")


def _answer(statement: str, index: str, before: Plan | None, after: Plan | None) -> dict[str, Any]:
    return {
        "statement": statement,
        "uses": after is not None and index in after.indexes,
        "cost_before": before and before.cost,
        "cost_after": after and after.cost,
    }


def _plan(explainer: Explainer, statement: PreparedStatement) -> Plan | None:
    """The plan, not executed; None where the statement cannot be planned as it is given."""
    try:
        with explainer.prepared(statement):
            return explainer.plan()
    except (psycopg2.Error, PitstopError):
        return None
