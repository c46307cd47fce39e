# SPDX-License-Identifier: GPL-3.0-or-later
"""COMPACT: give a bloated heap's space back online, with plain SQL, as the table's owner. See docs/compact.md."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _compaction
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
              EXISTS (SELECT FROM pg_depend d JOIN pg_index i ON i.indexrelid = d.objid
                       WHERE d.classid = 'pg_class'::regclass AND d.refobjid = %(oid)s AND i.indrelid = %(oid)s
                         AND d.refobjsubid = a.attnum),
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


def compaction_obstacles(database: Database, table_oid: int) -> tuple[str, ...]:
    """Why it would be wrong to compact this table, in one line each with the better way; empty when it is fine."""
    return _compaction.obstacles(_table(database, table_oid))


def _table(database: Database, table_oid: int) -> dict[str, Any]:
    return database.row(TABLE_SQL, {"oid": table_oid})
