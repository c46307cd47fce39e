# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes that seem to be of no use: they are reported, and dropped by nobody but a declaration."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._index_definition import covered_by
from ansible_collections.pitstop.runbook.plugins.module_utils._index_state import PresentIndex, Table
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

# Statistics that were never reset are at least as old as the server's start.
UNUSED_SQL = """
SELECT pg_stat_get_numscans(i) AS scans, pg_relation_size(i) AS bytes,
       extract(epoch FROM now() - coalesce(d.stats_reset, pg_postmaster_start_time()))::float8 / 86400 AS days,
       d.stats_reset IS NULL AS since_start
  FROM unnest(%s::oid[]) AS i CROSS JOIN pg_stat_database d
 WHERE d.datname = current_database()
 ORDER BY array_position(%s::oid[], i)
"""


def unused(database: Database, tables: Collection[Table], declared: Collection[str], min_days: float) -> Iterator[Any]:
    """Indexes without a scan in at least ``min_days`` of statistics, which enforce nothing and are not declared."""
    candidates = [
        (table, index)
        for table in tables
        for index in table.indexes
        if index.valid and not index.definition.unique and not index.bound and index.name not in declared
        if not table.partitioned
    ]
    oids = [index.oid for _, index in candidates]
    for (table, index), row in zip(candidates, database.rows(UNUSED_SQL, (oids, oids)), strict=True):
        if row["scans"] == 0 and row["days"] >= min_days:
            since = "at least, since the server's start" if row["since_start"] else "since the statistics were reset"
            reason = f"no scan on this server in {row['days']:.1f} days ({since}), {bytes_text(row['bytes'])}"
            yield {"name": index.name, "table": table.name, "reason": reason, "size_bytes": row["bytes"]}


def redundant(tables: Collection[Table], declared: Collection[str]) -> Iterator[dict[str, Any]]:
    """Indexes that another one of the same table serves as well; of two equal ones, the one that matters less."""
    for table in tables:
        for index in table.indexes:
            if other := _better(index, table, declared):
                same = "has the same definition" if index.definition.same(other.definition) else "begins with its keys"
                yield {"name": index.name, "table": table.name, "reason": f"{other.name} {same}", "same_as": other.name}


def _better(index: PresentIndex, table: Table, declared: Collection[str]) -> PresentIndex | None:
    def weight(one: PresentIndex) -> tuple[bool, bool, bool, int, str]:
        definition = one.definition
        return (one.bound is not None, definition.unique, one.name in declared, len(definition.keys), one.name)

    if not index.valid or index.bound:
        return None
    covering = [
        other
        for other in table.indexes
        if other is not index and other.valid and covered_by(index.definition, other.definition)
        # Of two that serve each other's statements only one may go.
        if not covered_by(other.definition, index.definition) or weight(other) > weight(index)
    ]
    return max(covering, key=weight, default=None)
