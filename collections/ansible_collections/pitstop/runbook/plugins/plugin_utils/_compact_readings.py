# SPDX-License-Identifier: GPL-3.0-or-later
"""What a compaction reads: the table and what forbids moving its rows, who keeps dead rows alive, index sizes."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import describe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

# The columns that can be set to themselves, the best first: in no index (so that the server knows an index entry to be
# the same row's and may delete the old one early), narrow, of fixed width. Triggers are counted for that column.
# A trigger of the server's own is told by its function, because partitions' clones of users' triggers are "internal".
TABLE_SQL = """
WITH t AS (SELECT * FROM pg_class WHERE oid = %(oid)s),
 columns AS (
    SELECT a.attnum, quote_ident(a.attname) AS name
      FROM pg_attribute a
     WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
       AND NOT EXISTS (SELECT FROM pg_attrdef g JOIN pg_attribute ga ON ga.attrelid = g.adrelid AND ga.attnum = g.adnum
                         JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = g.oid
                        WHERE g.adrelid = %(oid)s AND ga.attgenerated <> ''
                          AND d.refobjid = g.adrelid AND d.refobjsubid = a.attnum)
     ORDER BY EXISTS (SELECT FROM pg_trigger tr WHERE tr.tgrelid = %(oid)s AND tr.tgenabled IN ('O', 'A')
                         AND a.attnum = ANY (tr.tgattr)),
              EXISTS (SELECT FROM pg_index i WHERE i.indrelid = %(oid)s AND (a.attnum = ANY (i.indkey) OR EXISTS (
                      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                         AND d.refobjid = %(oid)s AND d.refobjsubid = a.attnum))),
              a.attlen < 0, a.attlen, a.attnum)
SELECT t.relkind, t.relpersistence, t.relnamespace = ANY (ARRAY['pg_catalog', 'pg_toast']::regnamespace[])
           OR t.relnamespace = to_regnamespace('information_schema') AS system,
       format('%%I.%%I', t.relnamespace::regnamespace::name, t.relname) AS name,
       NOT pg_has_role(t.relowner, 'USAGE') AS not_owned,
       NOT (has_table_privilege(t.oid, 'SELECT') AND has_table_privilege(t.oid, 'UPDATE')) AS not_updatable,
       NOT EXISTS (SELECT FROM pg_language WHERE lanname = 'plpgsql' AND has_language_privilege(oid, 'USAGE'))
           AS no_plpgsql,
       row_security_active(t.oid) AS row_security,
       EXISTS (SELECT FROM pg_settings WHERE name = 'old_snapshot_threshold' AND setting <> '-1')
           AS old_snapshot_threshold,
       (SELECT name FROM columns LIMIT 1) AS column_name, NOT EXISTS (SELECT FROM columns) AS no_column,
       ARRAY(SELECT tr.tgname::text FROM pg_trigger tr JOIN pg_proc p ON p.oid = tr.tgfoid
              WHERE tr.tgrelid = t.oid AND tr.tgenabled IN ('O', 'A') AND tr.tgtype & 16 <> 0
                AND NOT (p.pronamespace = 'pg_catalog'::regnamespace
                         AND (p.proname LIKE 'RI\\_FKey\\_%%' OR p.proname = 'unique_key_recheck'))
                AND (cardinality(tr.tgattr::int2[]) = 0 OR (SELECT attnum FROM columns LIMIT 1) = ANY (tr.tgattr))
              ORDER BY 1) AS triggers,
       ARRAY(SELECT r.rulename::text FROM pg_rewrite r
              WHERE r.ev_class = t.oid AND r.ev_type = '2' AND r.ev_enabled IN ('O', 'A') ORDER BY 1) AS rules,
       ARRAY(SELECT c.conname::text FROM pg_constraint c
              WHERE c.conrelid = t.oid AND NOT c.convalidated
                AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true) ORDER BY 1) AS not_valid,
       ARRAY(SELECT DISTINCT p.pubname::text FROM pg_publication_tables pt JOIN pg_publication p USING (pubname)
               JOIN pg_namespace n ON n.nspname = pt.schemaname
               JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = pt.tablename
              WHERE p.pubupdate AND r.oid IN (SELECT t.oid UNION SELECT relid FROM pg_partition_ancestors(t.oid) relid)
              ORDER BY 1) AS publications,
       ARRAY(SELECT s.slot_name::text FROM pg_replication_slots s
              WHERE s.slot_type = 'logical' AND s.database = current_database() AND NOT s.temporary ORDER BY 1) AS slots
  FROM t
"""

# A VACUUM's own snapshot keeps no dead rows. Sessions of other roles show theirs to members of pg_read_all_stats.
SNAPSHOT_SQL = """
WITH limits AS (SELECT %(xid)s::xid AS xid)
SELECT a.pid, a.application_name, a.usename, a.state, a.query, a.age_s
  FROM limits, (
    SELECT pid, coalesce(nullif(application_name, ''), backend_type) AS application_name, usename, state, query,
           extract(epoch FROM clock_timestamp() - coalesce(xact_start, backend_start))::float8 AS age_s,
           greatest(age(backend_xmin), age(backend_xid)) AS xids
      FROM pg_stat_activity
     WHERE (datname = current_database() OR backend_type = 'walsender') AND pid <> ALL (%(ours)s)
       AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
    UNION ALL
    SELECT NULL, 'prepared transaction ' || quote_literal(gid), owner, 'prepared', NULL,
           extract(epoch FROM clock_timestamp() - prepared)::float8, age(transaction)
      FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT active_pid, 'replication slot ' || slot_name, NULL, 'slot', NULL, NULL, age(xmin) FROM pg_replication_slots
  ) a
 WHERE a.xids > age(limits.xid)
 ORDER BY a.xids DESC LIMIT 1
"""

INDEXES_SQL = """
SELECT format('%%I.%%I', c.relnamespace::regnamespace::name, c.relname) AS name, pg_relation_size(c.oid) AS bytes
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s AND i.indisvalid ORDER BY 1
"""


def read_compactable(database: Database, oid: int) -> dict[str, Any]:
    """What the catalogue says of a table that matters here: see ``OBSTACLES``; and the column to set to itself."""
    return database.row(TABLE_SQL, {"oid": oid})


def block_bytes(database: Database) -> int:
    """The server's page size."""
    return int(database.row("SELECT current_setting('block_size') AS bytes")["bytes"])


def next_xid(database: Database) -> str:
    """The transaction id that comes next: dead rows of whatever has ended are dead to snapshots taken from now on."""
    sql = "SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::numeric % (2::numeric ^ 32))::bigint AS xid"
    return str(database.row(sql)["xid"])


def older_snapshot(database: Database, xid: str, ours: list[int]) -> str | None:
    """Whose snapshot is older than ``xid``, in one line, sessions ``ours`` left out; None when nobody's is."""
    found = database.rows(SNAPSHOT_SQL, {"xid": xid, "ours": ours})
    return describe(found[0]) if found else None


def index_bytes(database: Database, oid: int) -> dict[str, int]:
    """The sizes of a table's valid indexes by name."""
    return {row["name"]: int(row["bytes"]) for row in database.rows(INDEXES_SQL, (oid,))}
