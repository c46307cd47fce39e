# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading indexes from the catalogue, and a declared index's definition as PostgreSQL would print it."""

from __future__ import annotations

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._indexes import (
    DeclaredIndex,
    IndexPlan,
    PresentIndex,
    definition_tail,
    plan_index,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

PRESENT_SQL = """
SELECT c.relname AS name, i.indisvalid AS valid, i.indisunique AS unique, pg_get_indexdef(i.indexrelid) AS definition,
       EXISTS (SELECT FROM pg_stat_progress_create_index p
                WHERE p.relid = i.indrelid AND p.index_relid IN (0, i.indexrelid) AND NOT i.indisvalid) AS building
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = %s::oid::regclass
"""

SCHEMA_SQL = """
SELECT quote_ident(n.nspname) AS schema,
       (SELECT format('%%I.%%I', n.nspname, t.relname) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
         WHERE i.indexrelid = to_regclass(format('%%I.%%I', n.nspname, %s::text)) AND t.oid <> c.oid) AS taken_by
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""


def plan_declared(database: Database, declared: DeclaredIndex) -> IndexPlan:
    """Read what is there and plan. Raises PitstopError for an unknown table, a bad column, or a name in use."""
    table = read_table(database, declared.table)
    place = database.row(SCHEMA_SQL, (declared.name, table["oid"]))
    if place["taken_by"]:
        raise PitstopError(
            f"The index name {declared.name} is in use on {place['taken_by']}",
            next_step=f"rename it: {declared.name[:50]}_{declared.table.rsplit('.', 1)[-1]}",
        )
    tail = "" if declared.absent else wanted_tail(database, declared, table["name"])
    return plan_index(
        declared,
        tail,
        present_indexes(database, table["oid"]),
        schema=place["schema"],
        table=table["name"],
        quote=database.quoted,
    )


def present_indexes(database: Database, table_oid: int) -> list[PresentIndex]:
    """All indexes of a table."""
    return [
        PresentIndex(row["name"], row["valid"], row["building"], row["unique"], definition_tail(row["definition"]))
        for row in database.rows(PRESENT_SQL, (table_oid,))
    ]


def wanted_tail(database: Database, declared: DeclaredIndex, table: str) -> str:
    """The declared definition as the server prints it, from an empty twin of the table in a rolled-back transaction."""
    with database.rolled_back():
        try:
            database.execute(f"CREATE TEMPORARY TABLE pitstop_twin (LIKE {table}) ON COMMIT DROP")
            database.execute(
                declared.create(
                    database.quoted, table="pg_temp.pitstop_twin", name="pitstop_twin_index", concurrently=False
                )
            )
        except psycopg2.Error as error:
            raise PitstopError(
                f"The index {declared.name} on {declared.table} cannot be built as declared",
                why=str(error).strip().splitlines()[0],
                next_step="correct its columns in index_creation_indexes",
            ) from error
        row = database.row("SELECT pg_get_indexdef('pg_temp.pitstop_twin_index'::regclass) AS definition")
        return definition_tail(row["definition"])
