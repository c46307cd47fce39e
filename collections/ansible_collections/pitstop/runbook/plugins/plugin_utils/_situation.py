# SPDX-License-Identifier: GPL-3.0-or-later
"""Which remedies are possible for a table here, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._compaction import no_room
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import REMEDIES, Remedy, Situation
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import MISSING_ROWS
from ansible_collections.pitstop.runbook.plugins.plugin_utils._compact import compaction_obstacles
from ansible_collections.pitstop.runbook.plugins.plugin_utils._pg_repack import find_client, owners_may
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

SHAPE_SQL = """
SELECT c.relkind, c.relpersistence, c.relreplident, a.amname,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
                  AND (i.indisprimary OR i.indisreplident)) AS has_identity,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate AND i.indisunique
                  AND i.indpred IS NULL AND i.indexprs IS NULL
                  AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) k
                                    JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum = k
                                   WHERE NOT t.attnotnull)) AS has_key,
       coalesce(has_schema_privilege(to_regnamespace('repack')::oid, 'CREATE'), false) AS may_create_in_repack
  FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam WHERE c.oid = %s
"""

FIXED_INDEXES_SQL = """
SELECT format('%%I.%%I', n.nspname, c.relname) AS name,
       CASE WHEN NOT i.indisvalid THEN 'it is invalid: declare it, or drop it'
            ELSE 'it belongs to an exclusion constraint' END AS why
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.indrelid = %s AND (i.indisexclusion OR NOT i.indisvalid)
"""


def situation(
    database: Database,
    measure: Measure,
    capabilities: Capabilities,
    rewrite_bytes_per_second: float,
    window: Literal["open", "closed"] | None,
    *,
    maintainable: bool,
) -> Situation:
    """What holds for one table now."""
    oid = measure.oid
    shape = database.row(SHAPE_SQL, (oid,))
    obstacles: dict[Remedy, tuple[str, ...]] = {
        "compact": (*compaction_obstacles(database, oid), *_room(measure)),
        "repack": tuple(_repack(shape, capabilities)),
        "pg_repack": tuple(_pg_repack(shape, capabilities)),
    }
    if not maintainable:
        why = f"role {capabilities.role} neither owns the table nor has MAINTAIN on it"
        obstacles = {remedy: (why,) for remedy in REMEDIES if remedy != "nothing"}
    return Situation(
        rewrite_bytes_per_second=rewrite_bytes_per_second,
        obstacles=obstacles,
        fixed_indexes=_fixed_indexes(database, measure, capabilities),
        window=window,
        free_bytes=capabilities.free_bytes,
    )


def _fixed_indexes(database: Database, measure: Measure, capabilities: Capabilities) -> dict[str, str]:
    """Index -> why it cannot be rebuilt concurrently."""
    if capabilities.server_version_num in MISSING_ROWS:
        why = f"PostgreSQL {capabilities.server_version} misses rows in indexes built CONCURRENTLY: update to 14.4"
        return {index.name: why for index in measure.indexes}
    return {row["name"]: row["why"] for row in database.rows(FIXED_INDEXES_SQL, (measure.oid,))}


def _room(measure: Measure) -> Iterator[str]:
    if why := no_room(measure.heap.size_bytes, measure.heap.expected_bytes):
        yield why


def _repack(shape: dict[str, Any], capabilities: Capabilities) -> Iterator[str]:
    """Where PostgreSQL 19 refuses REPACK (CONCURRENTLY)."""
    if "repack_concurrently" not in capabilities.commands:
        yield f"PostgreSQL {capabilities.server_version} has no REPACK (CONCURRENTLY)"
        return
    if capabilities.wal_level != "logical":
        yield f"wal_level is {capabilities.wal_level}, and it needs logical"
    if capabilities.max_repack_replication_slots == 0:
        yield "max_repack_replication_slots is 0"
    if shape["relkind"] != "r" or shape["amname"] != "heap":
        yield "it takes ordinary tables only"
    if shape["relpersistence"] != "p":
        yield "it takes no unlogged tables"
    if shape["relreplident"] == "n":
        yield "the table's REPLICA IDENTITY is NOTHING"
    if not shape["has_identity"]:
        yield "the table has neither a primary key that is checked at once nor an identity index"


def _pg_repack(shape: dict[str, Any], capabilities: Capabilities) -> Iterator[str]:
    version = capabilities.extensions.get("pg_repack")
    if version is None:
        yield "the extension pg_repack is not installed"
        return
    if not capabilities.is_superuser and not owners_may(version):
        yield f"pg_repack {version} wants a superuser; from 1.5.2 on the table's owner may use it"
    if not shape["may_create_in_repack"]:
        yield f"GRANT USAGE, CREATE ON SCHEMA repack TO {capabilities.role} is missing"
    if find_client(version) is None:
        yield f"there is no client pg_repack {version} on the PATH"
    if shape["relkind"] != "r" or not shape["has_key"]:
        yield "the table has no primary key and no other unique key without nulls"
