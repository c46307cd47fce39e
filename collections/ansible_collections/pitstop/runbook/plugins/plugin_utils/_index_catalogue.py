# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading indexes from the catalogue, and a declared index's definition as PostgreSQL itself understands it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._index_definition import Definition, Key
from ansible_collections.pitstop.runbook.plugins.module_utils._index_names import cut
from ansible_collections.pitstop.runbook.plugins.module_utils._index_plan import IndexPlan, Planner
from ansible_collections.pitstop.runbook.plugins.module_utils._index_state import Bound, Builder, PresentIndex, Table
from ansible_collections.pitstop.runbook.plugins.module_utils._indexes import DeclaredIndex
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import describe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

CATALOGUE_LOCK_MS = 5000
"""Reading waits this long behind somebody's exclusive lock."""

# pg_partition_tree() has no row for a table that is neither a partition nor partitioned.
FAMILY_SQL = """
SELECT c.oid::bigint AS oid, p.parent, c.relkind, c.relname, quote_ident(n.nspname) AS schema,
       format('%%I.%%I', n.nspname, c.relname) AS name, pg_get_partkeydef(c.oid) AS partition_key
  FROM (SELECT relid, parentrelid::bigint AS parent, level FROM pg_partition_tree(to_regclass(%(name)s))
        UNION SELECT to_regclass(%(name)s), NULL, 0) AS p
  JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE p.level > 0 OR p.parent IS NULL
 ORDER BY p.level, c.relname
"""

INDEXES_SQL = """
SELECT i.indexrelid::bigint AS oid, i.indrelid::bigint AS "table", c.relname AS name, i.indisvalid AS valid,
       am.amname AS method, i.indisunique AS "unique",
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) AS nulls_not_distinct,
       i.indnkeyatts::int AS key_count, pg_get_indexdef(i.indexrelid) AS definition,
       format('.%%I USING ', t.relname) AS before_method,
       coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
       coalesce(c.reloptions, '{}') AS parameters,
       (SELECT json_agg(json_build_object(
                   'expression', pg_get_indexdef(i.indexrelid, k, false),
                   'option', i.indoption[k - 1],
                   'opclass', (SELECT CASE WHEN n.nspname = 'pg_catalog' THEN o.opcname
                                           ELSE format('%%I.%%I', n.nspname, o.opcname) END
                                 FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
                                WHERE o.oid = i.indclass[k - 1]),
                   'opclass_options', (SELECT array_to_string(a.attoptions, ', ') FROM pg_attribute a
                                        WHERE a.attrelid = i.indexrelid AND a.attnum = k),
                   'collation', (SELECT CASE WHEN n.nspname = 'pg_catalog' THEN quote_ident(o.collname)
                                             ELSE format('%%I.%%I', n.nspname, o.collname) END
                                   FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace
                                  WHERE o.oid = i.indcollation[k - 1])) ORDER BY k)
          FROM generate_series(1, i.indnatts) AS k) AS columns,
       (SELECT quote_ident(conname) FROM pg_constraint
         WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x') LIMIT 1) AS "constraint",
       (SELECT ARRAY[quote_ident(conname), conrelid::regclass::text] FROM pg_constraint
         WHERE conindid = i.indexrelid AND contype = 'f' LIMIT 1) AS foreign_key,
       i.indisreplident AS replica_identity, i.indisclustered AS clustered,
       (SELECT inhparent::bigint FROM pg_inherits WHERE inhrelid = i.indexrelid) AS parent,
       (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = i.indexrelid) AS parent_name
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
  JOIN pg_class t ON t.oid = i.indrelid
 WHERE i.indrelid = ANY (%s::oid[])
 ORDER BY c.relname
"""

# Whoever may not read another's row of the progress view still sees its pid there, and its locks.
BUILDERS_SQL = """
SELECT DISTINCT ON (l.relation) l.relation::bigint AS "table", a.pid,
       nullif(a.application_name, '') AS application_name, a.usename, a.state, a.query,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS age_s,
       nullif(p.index_relid, 0)::bigint AS index
  FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_stat_progress_create_index p USING (pid)
 WHERE l.relation = ANY (%s::oid[]) AND l.granted AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock')
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND a.pid <> pg_backend_pid()
"""

TAKEN_SQL = """
SELECT c.oid::regclass::text AS relation,
       (SELECT i.indrelid::regclass::text FROM pg_index i WHERE i.indexrelid = c.oid) AS "table"
  FROM pg_class c
 WHERE c.oid = to_regclass(format('%%s.%%I', %s::text, %s::text))
   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND i.indrelid = %s::oid)
"""

NULLS_SQL = """
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'pg_catalog.pg_index'::regclass
                  AND attname = 'indnullsnotdistinct') AS known
"""


def plan_declared(
    database: Database, declared: DeclaredIndex, others: Sequence[DeclaredIndex] = ()
) -> tuple[Table, IndexPlan]:
    """Read what is there and plan. Raises PitstopError for an unknown table, a bad column, or a name in use.

    ``others`` are the other declared indexes: what they name is never taken from them.
    """
    database.set_timeouts(lock_ms=CATALOGUE_LOCK_MS)
    table, keys = _read(database, declared.table)
    taken = database.rows(TAKEN_SQL, (table.schema, declared.name, table.oid))
    if taken:
        used = f"an index of {taken[0]['table']}" if taken[0]["table"] else "another relation"
        raise PitstopError(
            f"The index name {declared.name} is in use: {taken[0]['relation']} is {used}",
            next_step=f"use {cut(f'{declared.name[:40]}_{table.relname}')}",
        )
    wanted = None if declared.absent else _wanted(database, declared, table, keys)
    names = frozenset(other.name for other in others if not other.absent and other is not declared)
    return table, Planner(declared, wanted, table, database.quoted, names).plan()


def wanted_definition(database: Database, declared: DeclaredIndex) -> Definition:
    """A declared index's definition; raises PitstopError when the server refuses it."""
    return _wanted(database, declared, *_read(database, declared.table))


def read_indexed_table(database: Database, name: str) -> Table:
    """A table with its indexes, its partitions with theirs, and who builds one just now."""
    return _read(database, name)[0]


def _read(database: Database, name: str) -> tuple[Table, dict[int, str]]:
    """The table, and by oid how each partitioned one of its family is partitioned."""
    rows = database.rows(FAMILY_SQL, {"name": name})
    if not rows:
        read_table(database, name)  # says which one is meant
    _refuse_unindexable(name, rows)
    oids = [row["oid"] for row in rows]
    indexes: dict[int, list[PresentIndex]] = {}
    for row in database.rows(INDEXES_SQL, (oids,)):
        indexes.setdefault(row["table"], []).append(_index(row))
    builders = {row["table"]: _builder(row) for row in database.rows(BUILDERS_SQL, (oids,))}

    def table(row: dict[str, Any]) -> Table:
        return Table(
            row["oid"],
            row["name"],
            row["schema"],
            row["relname"],
            row["relkind"] == "p",
            tuple(indexes.get(row["oid"], ())),
            tuple(table(child) for child in rows if child["parent"] == row["oid"] and child is not rows[0]),
            builders.get(row["oid"]),
        )

    return table(rows[0]), {row["oid"]: row["partition_key"] for row in rows if row["partition_key"]}


def _refuse_unindexable(name: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows[0]["relkind"] not in "rmp":
        raise PitstopError(f"{name} can have no index", next_step="declare a table, or a materialized view")
    foreign = next((row["name"] for row in rows if row["relkind"] == "f"), None)
    if foreign:
        raise PitstopError(
            f"The indexes of {name} cannot be built concurrently",
            why=f"its partition {foreign} is a foreign table, so the parent's would stay invalid",
            next_step=f"declare them on the other partitions; or CREATE INDEX on {name} by hand, which blocks writes",
        )


def _wanted(database: Database, declared: DeclaredIndex, table: Table, keys: Mapping[int, str]) -> Definition:
    if declared.nulls_not_distinct and not database.row(NULLS_SQL)["known"]:
        raise PitstopError(
            f"The index {declared.name} has nulls_not_distinct, which this server does not know",
            next_step="take it away, or update to PostgreSQL 15",
        )
    if declared.unique:
        # A unique index has to hold the partition keys, those of inner partitioned tables too.
        for inner in table.partitions:
            for member in inner.family():
                if member.partitioned:
                    _tried(database, declared, member, keys[member.oid])
    return _tried(database, declared, table, keys.get(table.oid, ""))


def _tried(database: Database, declared: DeclaredIndex, table: Table, partition_key: str) -> Definition:
    """The definition that the server makes of it on an empty twin of the table, in a rolled-back transaction."""
    partitioned = f"PARTITION BY {partition_key} " if partition_key else ""
    with database.rolled_back():
        try:
            database.execute(
                f"CREATE TEMPORARY TABLE pitstop_twin (LIKE {table.name} INCLUDING GENERATED)"
                f" {partitioned}ON COMMIT DROP"
            )
            database.execute(
                declared.create(database.quoted, table="pg_temp.pitstop_twin", name="pitstop_twin_index", how="")
            )
        except psycopg2.Error as error:
            raise PitstopError(
                f"The index {declared.name} on {declared.table} cannot be built as declared",
                why=str(error.diag.message_primary or error).strip(),
                next_step="correct it in index_creation_indexes",
            ) from error
        oid = database.row("SELECT 'pg_temp.pitstop_twin'::regclass::oid::bigint AS oid")["oid"]
        return _index(database.row(INDEXES_SQL, ([oid],))).definition


def _index(row: dict[str, Any]) -> PresentIndex:
    return PresentIndex(row["oid"], row["name"], _definition(row), row["valid"], _bound(row), row["parent"])


def _definition(row: dict[str, Any]) -> Definition:
    keys, carried = row["columns"][: row["key_count"]], row["columns"][row["key_count"] :]
    return Definition(
        method=row["method"],
        keys=tuple(_key(key) for key in keys),
        unique=row["unique"],
        nulls_not_distinct=row["nulls_not_distinct"],
        include=tuple(column["expression"] for column in carried),
        predicate=row["predicate"],
        parameters=tuple(tuple(option.split("=", 1)) for option in sorted(row["parameters"])),
        # The schema of a temporary table is printed in another way by each major.
        text=f"USING {str(row['definition']).partition(row['before_method'])[2]}",
    )


def _key(column: dict[str, Any]) -> Key:
    options = f" ({column['opclass_options']})" if column["opclass_options"] else ""
    # pg_index.h: INDOPTION_DESC is 1, INDOPTION_NULLS_FIRST is 2
    descending, nulls_first = bool(column["option"] & 1), bool(column["option"] & 2)
    opclass = f"{column['opclass']}{options}"
    return Key(column["expression"], opclass, column["collation"] or "", descending, nulls_first)


def _bound(row: dict[str, Any]) -> Bound | None:
    if row["constraint"]:
        return Bound("constraint", row["constraint"])
    if row["foreign_key"]:
        return Bound("foreign key", *row["foreign_key"])
    if row["replica_identity"]:
        return Bound("replica identity")
    if row["clustered"]:
        return Bound("cluster")
    return Bound("partition", row["parent_name"]) if row["parent"] else None


def _builder(row: dict[str, Any]) -> Builder:
    name = row["application_name"] or ""
    return Builder(row["pid"], name == "pitstop" or name.startswith("pitstop:"), describe(row), row["index"])
