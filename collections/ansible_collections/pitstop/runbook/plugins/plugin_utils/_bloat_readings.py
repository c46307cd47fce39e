# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a table is waste: estimated from the catalogue, or measured with the functions of pgstattuple."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _planner_statistics as statistics
from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import (
    Kind,
    Measure,
    Method,
    RelationMeasure,
    from_pgstatindex,
    from_pgstattuple,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

EXACT_MAX_BYTES = 1 << 30
"""A larger heap gets pgstattuple_approx: it skips pages that are all visible (0.006 s against 0.27 s for 768 MB)."""

INDEX_MAX_BYTES = 256 << 20
"""pgstatindex reads all of an index, in random order where it is bloated: up to 137 s for 1 GiB. Larger: estimated."""

# pg_stats has a row of a column only where this role may read the column and row-level security hides no rows from it.
# How long values are is told where they are text: from those that ANALYZE kept, without fetching them.
_STATISTICS = """
       s.null_frac, s.avg_width, s.n_distinct, s.most_common_freqs AS common_freqs,
       {type}.typcategory = 'S' AND (
           SELECT count(DISTINCT octet_length(v)) = 1
             FROM unnest(s.most_common_vals::text::text[] || s.histogram_bounds::text::text[]) v) AS same_length,
       CASE {attribute}.attalign WHEN 'c' THEN 1 WHEN 's' THEN 2 WHEN 'i' THEN 4 ELSE 8 END AS alignment,
       {attribute}.attlen AS length
"""

COLUMNS_SQL = f"""
SELECT a.attnum AS number, a.attname::text AS name, a.attisdropped OR a.attgenerated = 'v' AS absent,
       has_column_privilege(c.oid, a.attnum, 'SELECT') AND NOT row_security_active(c.oid) AS visible,
       {_STATISTICS.format(type="t", attribute="a")}
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
  LEFT JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_stats s
    ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
 WHERE c.oid = %s AND a.attnum > 0
 ORDER BY a.attnum
"""

INDEXES_SQL = """
SELECT i.indexrelid::bigint AS oid, format('%%I.%%I', n.nspname, c.relname) AS name, m.amname::text AS method,
       pg_relation_size(c.oid) AS size_bytes, nullif(c.reltuples, -1) AS rows, nullif(t.reltuples, -1) AS table_rows,
       i.indisunique AS unique, i.indpred IS NOT NULL AS partial, i.indisvalid AS valid,
       i.indnkeyatts AS key_columns,
       coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 90)
           AS fillfactor,
       coalesce((SELECT option_value::bool FROM pg_options_to_table(c.reloptions)
                  WHERE option_name = 'deduplicate_items'), true) AS deduplicate_items,
       NOT EXISTS (
           SELECT FROM unnest(i.indclass::oid[], i.indcollation::oid[]) AS k (opclass, language)
             JOIN pg_opclass o ON o.oid = k.opclass
             LEFT JOIN pg_collation l ON l.oid = k.language
            WHERE NOT coalesce(l.collisdeterministic, true)
               OR NOT EXISTS (SELECT FROM pg_amproc p WHERE p.amprocfamily = o.opcfamily AND p.amprocnum = 4
                                 AND p.amproclefttype = o.opcintype AND p.amprocrighttype = o.opcintype)
       ) AS equal_images
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class t ON t.oid = i.indrelid JOIN pg_am m ON m.oid = c.relam
 WHERE i.indrelid = %s
 ORDER BY 2
"""

# An expression's statistics are kept under the index's name.
KEYS_SQL = f"""
SELECT i.indexrelid::bigint AS index, k.attnum AS number, coalesce(a.attname, x.attname)::text AS name, false AS absent,
       (k.attnum = 0 OR has_column_privilege(t.oid, k.attnum, 'SELECT')) AND NOT row_security_active(t.oid) AS visible,
       {_STATISTICS.format(type="y", attribute="x")}
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
  JOIN pg_attribute x ON x.attrelid = i.indexrelid AND x.attnum = k.position
  JOIN pg_type y ON y.oid = x.atttypid
  LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum AND k.attnum > 0
  LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND NOT s.inherited
        AND s.tablename = CASE WHEN k.attnum = 0 THEN c.relname ELSE t.relname END
        AND s.attname = coalesce(a.attname, x.attname)
 WHERE i.indrelid = %s
 ORDER BY i.indexrelid, k.position
"""

GROUPS_SQL = """
SELECT e.n_distinct::text AS n_distinct
  FROM pg_stats_ext e JOIN pg_namespace n ON n.nspname = e.schemaname
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = e.tablename
 WHERE c.oid = %s AND e.n_distinct IS NOT NULL
"""

TOAST_SQL = """
SELECT c.oid::bigint AS oid, format('%%I.%%I', n.nspname, c.relname) AS name, pg_relation_size(c.oid) AS heap_bytes,
       CASE WHEN pg_stat_get_live_tuples(c.oid) > 0 THEN pg_stat_get_live_tuples(c.oid)
            WHEN c.relpages > 0 OR pg_relation_size(c.oid) = 0 THEN nullif(c.reltuples, -1) END AS rows,
       coalesce(pg_stat_get_dead_tuples(c.oid), 0) AS dead_rows
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = %s
"""

SCAN_SQL = {
    "pgstattuple": """
SELECT tuple_count AS live_rows, tuple_len AS live_bytes, dead_tuple_count AS dead_rows, dead_tuple_len AS dead_bytes,
       free_space AS free_bytes, 100.0 AS scanned_percent
  FROM {schema}.pgstattuple(%s::oid::regclass)
""",
    "pgstattuple_approx": """
SELECT approx_tuple_count AS live_rows, approx_tuple_len AS live_bytes, dead_tuple_count AS dead_rows,
       dead_tuple_len AS dead_bytes, approx_free_space AS free_bytes, scanned_percent
  FROM {schema}.pgstattuple_approx(%s::oid::regclass)
""",
    "pgstatindex": "SELECT * FROM {schema}.pgstatindex(%s::oid::regclass)",
}

# Rows whose new version went to the same page under the same keys have no index entry of their own.
HOT_SQL = """
SELECT pg_stat_get_tuples_hot_updated(%(oid)s)
     / greatest(1, pg_stat_get_tuples_updated(%(oid)s) + pg_stat_get_tuples_deleted(%(oid)s))::float8 AS share
"""


@dataclass(frozen=True)
class _Catalogue:
    """Everything that the catalogue has of a table's files."""

    table: dict[str, Any]
    toast: dict[str, Any] | None
    columns: list[dict[str, Any]]
    indexes: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    groups: dict[frozenset[int], float]

    @classmethod
    def read(cls, database: Database, name: str) -> _Catalogue:
        table = read_table(database, name)
        of_table = (table["oid"],)
        return cls(
            table,
            database.row(TOAST_SQL, (table["toast_oid"],)) if table["toast_oid"] else None,
            database.rows(COLUMNS_SQL, of_table),
            database.rows(INDEXES_SQL, of_table),
            database.rows(KEYS_SQL, of_table),
            statistics.read_groups(database.rows(GROUPS_SQL, of_table)),
        )

    def estimated_index(self, index: dict[str, Any], rows: float | None) -> RelationMeasure:
        keys = [key for key in self.keys if key["index"] == index["oid"]]
        return statistics.estimate_index(index, keys, rows, self.groups)

    def measure(
        self, heap: RelationMeasure, toast: RelationMeasure | None, indexes: Iterable[RelationMeasure]
    ) -> Measure:
        table = self.table
        return Measure(
            table["name"], table["oid"], heap, toast, tuple(indexes), table["total_bytes"], float(table["activity"])
        )


def estimate_table(database: Database, name: str) -> Measure:
    """Estimate a table's waste from the catalogue alone, in milliseconds. Raises PitstopError for an unknown table."""
    found = _Catalogue.read(database, name)
    return found.measure(
        statistics.estimate_heap(found.table, found.columns),
        statistics.estimate_toast(found.toast) if found.toast else None,
        (found.estimated_index(index, found.table["rows"]) for index in found.indexes),
    )


def measure_table(database: Database, name: str, capabilities: Capabilities) -> Measure:
    """Measure a table's heap, TOAST and B-trees; what may not be measured, or is too large for it, is estimated."""
    return _Scan(database, _Catalogue.read(database, name), capabilities).measure()


class _Scan:
    """The measuring of one table."""

    def __init__(self, database: Database, catalogue: _Catalogue, capabilities: Capabilities) -> None:
        self._database = database
        self._catalogue = catalogue
        self._capabilities = capabilities

    def measure(self) -> Measure:
        found = self._catalogue
        heap = self._heap(found.table, "heap", found.table["fillfactor"])
        if heap is None:
            heap = statistics.estimate_heap(found.table, found.columns)
        elif any(column["absent"] for column in found.columns):
            heap = statistics.without_dropped_columns(heap, found.table, found.columns)
        toast = None
        if found.toast:
            toast = self._heap(found.toast, "toast") or statistics.estimate_toast(found.toast)
        return found.measure(heap, toast, [self._index(index, heap) for index in found.indexes])

    def _heap(self, row: dict[str, Any], kind: Kind, fillfactor: int = 100) -> RelationMeasure | None:
        method: Method = "pgstattuple" if row["heap_bytes"] <= EXACT_MAX_BYTES else "pgstattuple_approx"
        scan = self._scanned(method, row["oid"])
        if scan is None:
            return None
        return from_pgstattuple(row["name"], kind, row["heap_bytes"], scan, method, fillfactor)

    def _index(self, index: dict[str, Any], heap: RelationMeasure) -> RelationMeasure:
        rows = None if heap.method == "unknown" else heap.live_rows
        if statistics.why_no_btree(index) or index["size_bytes"] > INDEX_MAX_BYTES:
            return self._catalogue.estimated_index(index, rows)
        scan = self._scanned("pgstatindex", index["oid"])
        if scan is None:
            return self._catalogue.estimated_index(index, rows)
        return from_pgstatindex(
            index["name"],
            index["size_bytes"],
            scan,
            rows=round(statistics.entries(index, rows) or 0),
            live_share=self._live_share(heap),
            fillfactor=index["fillfactor"],
        )

    def _live_share(self, heap: RelationMeasure) -> float:
        """How many index entries belong to live rows: dead rows keep theirs until VACUUM."""
        if not heap.live_rows and not heap.dead_rows:
            return 1.0
        hot = self._database.row(HOT_SQL, {"oid": self._catalogue.table["oid"]})["share"] if heap.dead_rows else 0.0
        return heap.live_rows / (heap.live_rows + heap.dead_rows * (1 - hot))

    def _scanned(self, method: Method, oid: int) -> dict[str, Any] | None:
        """A row of the function, or None where this role may not call it."""
        schema = self._capabilities.pgstattuple_schema
        if schema is None or not self._capabilities.functions.get(f"{schema}.{method}(regclass)"):
            return None
        return self._database.row(SCAN_SQL[method].format(schema=schema), (oid,))
