# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server and a role can do, read once, so that nobody has to guess from version numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._preflight import MAINTAIN_MAJOR
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

SERVER_SQL = """
SELECT split_part(current_setting('server_version'), ' ', 1) AS server_version,
       current_setting('server_version_num')::int AS server_version_num,
       pg_is_in_recovery() AS in_recovery,
       current_setting('transaction_read_only')::bool AS read_only,
       pg_backend_pid() AS backend_pid,
       current_user::text AS role,
       quote_ident(current_user) AS quoted_role,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
       ARRAY(SELECT rolname::text FROM pg_roles
              WHERE rolname LIKE 'pg\\_%' AND pg_has_role(oid, 'USAGE') ORDER BY 1) AS member_of,
       current_database()::text AS database,
       pg_database_size(current_database()) AS size_bytes
"""

SETTINGS = (
    *("jit", "work_mem", "maintenance_work_mem", "max_connections", "wal_level", "max_repack_replication_slots"),
    *("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "default_transaction_read_only"),
)
SETTINGS_SQL = "SELECT name, current_setting(name, true) AS value FROM unnest(%s::text[]) AS name"

EXTENSIONS_SQL = "SELECT extname::text AS name, extversion AS version FROM pg_extension ORDER BY 1"

INTERESTING = (
    *("pgstattuple", "pg_stat_statements", "pg_repack", "hypopg", "pgrowlocks", "pg_visibility", "pg_freespacemap"),
)
# Heroku lists what may be installed in a setting: extwlist's on Standard and above, rds's on Essential.
AVAILABLE_SQL = """
SELECT a.name::text AS name, a.default_version AS version,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
       OR v.trusted AND has_database_privilege(current_database(), 'CREATE')
       OR a.name = ANY (regexp_split_to_array(concat_ws(',', current_setting('extwlist.extensions', true),
                                                        current_setting('rds.allowed_extensions', true)), '\\s*,\\s*'))
          AS creatable
  FROM pg_available_extensions a
  JOIN pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version
 WHERE a.installed_version IS NULL AND a.name = ANY (%s)
 ORDER BY 1
"""

FUNCTIONS_SQL = """
SELECT format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) AS function,
       has_function_privilege(p.oid, 'EXECUTE') AND has_schema_privilege(n.oid, 'USAGE') AS executable
  FROM pg_extension e
  JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
  JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE e.extname = 'pgstattuple' AND p.proargtypes = ARRAY['regclass'::regtype::oid]::oidvector
 ORDER BY 1
"""

RIGHTS_SQL = """
SELECT c.oid::bigint AS oid, quote_ident(pg_get_userbyid(c.relowner)) AS owner,
       pg_has_role(c.relowner, 'USAGE') AS owned,
       pg_has_role(c.relowner, 'USAGE'){or_maintain} AS maintainable
  FROM pg_class c WHERE c.oid = ANY (%s)
"""


def server_facts(database: Database) -> dict[str, Any]:
    """Server, role and database: versions, size, state, and both process ids that tell a pooler apart."""
    return {**database.row(SERVER_SQL), "protocol_pid": database.pid}


def abilities(database: Database) -> dict[str, Any]:
    """Settings in force, extensions that are there or may be had, and which functions of pgstattuple may be called."""
    settings = {row["name"]: row["value"] for row in database.rows(SETTINGS_SQL, (list(SETTINGS),))}
    available = database.rows(AVAILABLE_SQL, (list(INTERESTING),))
    return {
        "settings": {name: value for name, value in settings.items() if value is not None},
        "extensions": {row["name"]: row["version"] for row in database.rows(EXTENSIONS_SQL)},
        "available": {row.pop("name"): row for row in available},
        "functions": {row["function"]: row["executable"] for row in database.rows(FUNCTIONS_SQL)},
    }


def rights(database: Database, names: Sequence[str]) -> list[dict[str, Any]]:
    """Name, owner, ``owned`` and ``maintainable`` of each table. Raises PitstopError for one that is not there."""
    found = {int(row["oid"]): str(row["name"]) for row in (read_table(database, name) for name in names)}
    maintain = database.server_version >= MAINTAIN_MAJOR * 10_000
    sql = RIGHTS_SQL.format(or_maintain=" OR has_table_privilege(c.oid, 'MAINTAIN')" if maintain else "")
    rows = {int(row.pop("oid")): row for row in database.rows(sql, (list(found),))}
    return [{"name": name, **rows[oid]} for oid, name in found.items()]
