# SPDX-License-Identifier: GPL-3.0-or-later
"""Would the planner use an index that is not there yet? HypoPG answers, where it is installed, and nothing is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._named_statements import (
    PreparedStatement,
    prepared_statement,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

SCHEMA_SQL = """
SELECT quote_ident(n.nspname) AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'hypopg' AND has_schema_privilege(n.oid, 'USAGE')
"""
EXPLAIN_MS = 5000


def what_if(database: Database, create: str, statements: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each statement with its parameters: whether its plan has the index, and its cost without and with it.

    Empty where HypoPG is not installed, or cannot imagine such an index.
    """
    found = database.rows(SCHEMA_SQL)
    if not found:
        return []
    schema = found[0]["schema"]
    prepared = [prepared_statement(one["name"], one["sql"], one.get("params")) for one in statements]
    database.set_timeouts(lock_ms=EXPLAIN_MS, statement_ms=EXPLAIN_MS)
    without = {statement.name: _plan(database, statement) for statement in prepared}
    try:
        index = database.row(f"SELECT indexname FROM {schema}.hypopg_create_index(%s)", (create,))["indexname"]
        return [_answer(database, statement, index, without[statement.name]) for statement in prepared]
    except psycopg2.Error:
        return []
    finally:
        database.rows(f"SELECT {schema}.hypopg_reset()")


def _answer(database: Database, statement: PreparedStatement, index: str, before: Any) -> dict[str, Any]:
    after = _plan(database, statement)
    return {
        "statement": statement.name,
        "uses": bool(after) and index in _indexes(after),
        "cost_before": before and before["Total Cost"],
        "cost_after": after and after["Total Cost"],
    }


def _plan(database: Database, statement: PreparedStatement) -> Any:
    """The plan, not executed; None where the statement cannot be planned as it is given."""
    try:
        with database.rolled_back():
            database.execute(f"PREPARE pitstop_what_if AS {statement.text}")
            try:
                marks = ", ".join(["%s"] * len(statement.values or ()))
                call = f"EXECUTE pitstop_what_if({marks})" if marks else "EXECUTE pitstop_what_if"
                row = database.row(f"EXPLAIN (FORMAT JSON) {call}", statement.values or None)
                return row["QUERY PLAN"][0]["Plan"]
            finally:
                database.execute("ROLLBACK; DEALLOCATE pitstop_what_if; BEGIN")
    except psycopg2.Error:
        return None


def _indexes(plan: Mapping[str, Any]) -> Iterator[str]:
    if "Index Name" in plan:
        yield plan["Index Name"]
    for inner in plan.get("Plans", ()):
        yield from _indexes(inner)
