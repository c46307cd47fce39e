# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables there are, and what the catalogue has of each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

# has_table_privilege refuses a privilege that the server does not know; where it has MAINTAIN, it has pg_maintain.
TABLE_SQL = """
SELECT c.oid::bigint AS oid,
       format('%%I.%%I', n.nspname, c.relname) AS name,
       c.relkind,
       c.reltoastrelid::bigint AS toast_oid,
       coalesce(pg_relation_size(c.oid), 0) AS heap_bytes,
       pg_indexes_size(c.oid) AS index_bytes,
       coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast_bytes,
       pg_total_relation_size(c.oid) AS total_bytes,
       coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 100)
           AS fillfactor,
       CASE WHEN c.reltuples > 0 OR c.relpages > 0 OR pg_relation_size(c.oid) = 0 THEN nullif(c.reltuples, -1) END
           AS rows,
       coalesce(pg_stat_get_dead_tuples(c.oid), 0) AS dead_rows,
       coalesce(pg_stat_get_mod_since_analyze(c.oid), 0) AS modified_rows,
       pg_stat_get_last_analyze_time(c.oid) IS NOT NULL OR pg_stat_get_last_autoanalyze_time(c.oid) IS NOT NULL
           AS analyzed,
       pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid)
           + pg_stat_get_numscans(c.oid)
           + coalesce((SELECT sum(pg_stat_get_numscans(indexrelid)) FROM pg_index WHERE indrelid = c.oid), 0)::bigint
           AS activity,
       pg_has_role(c.relowner, 'USAGE') AS owned,
       pg_has_role(c.relowner, 'USAGE') OR CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_maintain')
           THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END AS maintainable
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'm', 'p')
"""

USER_TABLES_SQL = """
SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
 ORDER BY 1
"""

LEAVES_SQL = """
SELECT format('%%I.%%I', n.nspname, c.relname) AS name
  FROM pg_partition_tree(%s::oid::regclass) t JOIN pg_class c ON c.oid = t.relid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE t.isleaf AND c.relkind = 'r'
 ORDER BY 1
"""


def user_tables(database: Database) -> list[str]:
    """Names of all tables and materialized views that are not the server's own; of partitioned ones the leaves."""
    return [str(row["name"]) for row in database.rows(USER_TABLES_SQL)]


def read_table(database: Database, name: str) -> dict[str, Any]:
    """The catalogue's row of a table; raises PitstopError with the nearest name when there is no such table.

    A partitioned table has a row too, with no heap of its own: see ``expand``.
    """
    found = database.rows(TABLE_SQL, (name,))
    if found:
        return found[0]
    raise PitstopError(
        f"There is no table {name} in {database.shown_url}", next_step=_nearest(name, user_tables(database))
    )


def expand(database: Database, names: Iterable[str]) -> list[str]:
    """The tables, each once, with a partitioned one replaced by those of its leaves that hold rows here."""
    found: dict[str, None] = {}
    for name in names:
        row = read_table(database, name)
        leaves = database.rows(LEAVES_SQL, (row["oid"],)) if row["relkind"] == "p" else [row]
        found.update(dict.fromkeys(str(leaf["name"]) for leaf in leaves))
    return list(found)


def needs_analyze(row: dict[str, Any]) -> bool:
    """Whether a table's statistics are missing, or a tenth of its rows changed since they were taken."""
    return not row["analyzed"] or row["modified_rows"] > max(50, 0.1 * (row["rows"] or 0))


def _nearest(name: str, existing: Sequence[str]) -> str:
    bare = [*existing, *(table.split(".", 1)[-1] for table in existing)]
    near = difflib.get_close_matches(name, bare, n=1)
    return f"did you mean {near[0]}?" if near else f"declare one of: {', '.join(existing[:10]) or 'there are none'}"
