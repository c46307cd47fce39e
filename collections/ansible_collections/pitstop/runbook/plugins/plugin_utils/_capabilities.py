# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a server and a role can do."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities, Identity, commands
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import now
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

IDENTITY_SQL = """
SELECT current_setting('server_version_num')::int AS server_version_num,
       (pg_postmaster_start_time() AT TIME ZONE 'UTC')::text AS server_started_at,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database_oid,
       current_user::text AS role
"""

SERVER_SQL = """
SELECT split_part(current_setting('server_version'), ' ', 1) AS server_version,
       pg_is_in_recovery() AS in_recovery,
       current_setting('transaction_read_only')::bool AS read_only,
       pg_backend_pid() AS backend_pid,
       quote_ident(current_user) AS quoted_role,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
       ARRAY(SELECT rolname::text FROM pg_roles
              WHERE rolname LIKE 'pg\\_%' AND pg_has_role(oid, 'USAGE') ORDER BY 1) AS member_of,
       to_regrole('pg_maintain') IS NOT NULL AS has_maintain,
       current_database()::text AS database,
       pg_database_size(current_database()) AS size_bytes
"""

SETTINGS = (
    *("jit", "work_mem", "maintenance_work_mem", "max_connections", "max_prepared_transactions", "deadlock_timeout"),
    *("lock_timeout", "statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"),
    *("idle_session_timeout", "client_connection_check_interval", "default_transaction_read_only", "autovacuum"),
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

REPLICATION_SQL = """
SELECT (SELECT count(*) FROM pg_stat_replication) AS replicas,
       (SELECT count(*) FROM pg_replication_slots) AS replication_slots,
       (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical') AS logical_slots,
       current_setting('wal_level') AS wal_level,
       current_setting('max_repack_replication_slots', true)::int AS max_repack_replication_slots
"""

# Shown as if sequential scans did not exist: the planner then takes the best that this major has.
TID_RANGE_SQL = "EXPLAIN SELECT FROM pg_class WHERE ctid >= '(0,0)' AND ctid < '(1,0)'"

DIRECTORY_SQL = """
SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory,
       host(inet_client_addr()) AS client_host, inet_client_port() AS client_port
"""

OWNERS_SQL = """
SELECT oid::bigint AS oid, quote_ident(pg_get_userbyid(relowner)) AS owner FROM pg_class WHERE oid = ANY (%s)
"""

TABLESPACE_SQL = """
SELECT coalesce(nullif(pg_tablespace_location(coalesce(nullif(c.reltablespace, 0), d.dattablespace)), ''), %s) AS folder
  FROM pg_class c, pg_database d WHERE c.oid = %s AND d.datname = current_database()
"""


def identity(database: Database) -> Identity:
    """For which server, database and role this session's capabilities hold."""
    return Identity(**database.row(IDENTITY_SQL))


def probe(database: Database, plan: Mapping[str, Any] | None) -> Capabilities:
    """Read them all. ``plan`` are the facts of the Heroku plan, where there is one."""
    server = server_facts(database)
    replication = database.row(REPLICATION_SQL)
    limit = (plan or {}).get("limit_bytes")
    directory = _data_directory(database)
    free_bytes, source = _free_space(database, limit, directory)
    return Capabilities(
        **{name: server[name] for name in ("server_version", "server_version_num", "server_started_at")},
        **{name: server[name] for name in ("database", "database_oid", "role", "is_superuser")},
        member_of=tuple(server["member_of"]),
        has_maintain=server["has_maintain"],
        **_abilities(database),
        pooled=server["protocol_pid"] != server["backend_pid"],
        in_recovery=server["in_recovery"],
        **replication,
        plan_limit_bytes=limit,
        data_directory=directory,
        free_bytes=free_bytes,
        free_bytes_source=source,
        commands=commands(
            server_version_num=server["server_version_num"],
            plan_of_tid_range=_plan_of_tid_range(database),
            max_repack_replication_slots=replication["max_repack_replication_slots"],
        ),
        probed_at=now(),
    )


def server_facts(database: Database) -> dict[str, Any]:
    """Server, role and database: versions, size, state, and both process ids that tell a pooler apart."""
    return {**database.row(IDENTITY_SQL), **database.row(SERVER_SQL), "protocol_pid": database.pid}


def rights(database: Database, names: Sequence[str]) -> list[dict[str, Any]]:
    """Name, owner, ``owned`` and ``maintainable`` of each table. Raises PitstopError for one that is not there."""
    found = {int(row["oid"]): row for row in (read_table(database, name) for name in names)}
    owners = {row["oid"]: row["owner"] for row in database.rows(OWNERS_SQL, (list(found),))}
    kept = ("name", "owned", "maintainable")
    return [{"owner": owners[oid], **{key: row[key] for key in kept}} for oid, row in found.items()]


def free_for_table(database: Database, capabilities: Capabilities, table_oid: int) -> int | None:
    """Bytes that are free now for a new copy of a table; None where nobody can tell."""
    directory = capabilities.data_directory
    if directory is not None:
        directory = str(database.row(TABLESPACE_SQL, (directory, table_oid))["folder"])
    return _free_space(database, capabilities.plan_limit_bytes, directory)[0]


def _free_space(database: Database, plan_limit_bytes: int | None, directory: str | None) -> tuple[int | None, str]:
    """Bytes, and where they were seen. No function of PostgreSQL tells what is free on its disk, not to anybody."""
    if plan_limit_bytes is not None:
        size = database.row("SELECT pg_database_size(current_database()) AS bytes")["bytes"]
        return max(0, plan_limit_bytes - int(size)), "plan limit"
    with suppress(OSError):  # it may be out of reach: in another root, or in somebody's private folder
        if directory is not None:
            return shutil.disk_usage(directory).free, "file system"
    return None, "unknown"


def _data_directory(database: Database) -> str | None:
    """The server's folder, where this role may know it and the server is on this machine.

    It is when the server sees this session come from the very address that it left from: behind a tunnel, a proxy or
    a container's network that is another, and the same path here would be another disk.
    """
    seen = database.row(DIRECTORY_SQL)
    if seen["data_directory"] is None:
        return None
    with socket.socket(fileno=socket.dup(database.connection.fileno())) as own:
        here = own.getsockname()[:2] if own.family != socket.AF_UNIX else (None, None)
        same_machine = here == (seen["client_host"], seen["client_port"]) and here[0] in (None, own.getpeername()[0])
    return str(seen["data_directory"]) if same_machine else None


def _plan_of_tid_range(database: Database) -> str:
    with database.rolled_back():
        database.execute("SET LOCAL enable_seqscan = off")
        return "\n".join(row["QUERY PLAN"] for row in database.rows(TID_RANGE_SQL))


def _abilities(database: Database) -> dict[str, Any]:
    """Settings in force, extensions that are there or may be had, and which functions of pgstattuple may be called."""
    settings = {row["name"]: row["value"] for row in database.rows(SETTINGS_SQL, (list(SETTINGS),))}
    available = database.rows(AVAILABLE_SQL, (list(INTERESTING),))
    return {
        "settings": {name: value for name, value in settings.items() if value is not None},
        "extensions": {row["name"]: row["version"] for row in database.rows(EXTENSIONS_SQL)},
        "available": {row.pop("name"): row for row in available},
        "functions": {row["function"]: row["executable"] for row in database.rows(FUNCTIONS_SQL)},
    }
