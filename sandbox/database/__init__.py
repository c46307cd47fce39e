# SPDX-License-Identifier: GPL-3.0-or-later
"""The invoice bot's database: its roles, its seeded template, and fresh copies of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from sandbox.errors import SandboxError
from sandbox.postgres import INSTALLATION, Cluster

DATABASE = "invoices"
OWNER = "invoice_owner"
SEED = 20261001
EXTENSIONS = ("pg_stat_statements", "pgstattuple")
BEFORE_THE_MONTH = ("schema.sql", "rows.sql", "keys.sql")
THE_MONTH = ("month_large.sql", "month_hot.sql")
AFTERWARDS = "afterwards.sql"


def template_name(scale: float) -> str:
    """Return the template's name, which changes when what it is seeded from does."""
    digest = hashlib.sha256(f"{scale!r} {SEED}".encode())
    for name in (*BEFORE_THE_MONTH, *THE_MONTH, AFTERWARDS):
        digest.update(_script(name).read_bytes())
    return f"invoices_template_{digest.hexdigest()[:10]}"


def ensure_owner(cluster: Cluster) -> None:
    """Make the role that owns the database, with the rights that Heroku gives: it may watch and cancel, and no more."""
    with closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER])
        if cursor.fetchone() is None:
            # Hashed here: pg_stat_statements keeps the text of this statement, and the role may read it.
            verifier = encrypt_password(cluster.settings.owner_password, OWNER, connection, "scram-sha-256")
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(sql.Identifier(OWNER)), [verifier])
        cursor.execute(sql.SQL("GRANT pg_monitor, pg_signal_backend TO {}").format(sql.Identifier(OWNER)))


def ensure_template(cluster: Cluster) -> None:
    """Seed the template unless this very one exists; an outdated or half seeded one is dropped."""
    name = template_name(cluster.settings.scale)
    databases = _databases(cluster)
    if name in databases:
        return
    seeding = "invoices_seeding"
    for outdated in databases:
        if outdated == seeding or outdated.startswith("invoices_template_"):
            _drop(cluster, outdated)
    _create(cluster, seeding)
    with closing(cluster.connect(seeding)) as connection, connection.cursor() as cursor:
        for extension in EXTENSIONS:
            cursor.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(extension)))
    _seed(cluster, seeding)
    with closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(seeding), sql.Identifier(name)))
        cursor.execute(
            sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false").format(sql.Identifier(name))
        )


def ensure_database(cluster: Cluster) -> None:
    """Copy the template unless the database exists."""
    if DATABASE in _databases(cluster):
        return
    copying = f"{DATABASE}_copying"
    _drop(cluster, copying)
    _create(cluster, copying, template_name(cluster.settings.scale))
    with closing(cluster.connect(copying)) as connection, connection.cursor() as cursor:
        # A copy has the rows and the bloat, but no counters of live and dead rows: ANALYZE makes them.
        cursor.execute("ANALYZE")
        cursor.execute("SELECT pg_stat_statements_reset()")
    with closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(copying), sql.Identifier(DATABASE))
        )


def drop_database(cluster: Cluster) -> None:
    """Drop the database, not the template, whoever is connected to it."""
    _drop(cluster, DATABASE)


def answers(url: str) -> bool:
    """Tell whether the database can be reached at this URL."""
    try:
        psycopg2.connect(url, connect_timeout=5).close()
    except psycopg2.OperationalError:
        return False
    return True


def _seed(cluster: Cluster, database: str) -> None:
    for name in BEFORE_THE_MONTH:
        _run_script(cluster, database, name)
    with _old_snapshot(cluster, database), ThreadPoolExecutor() as side_by_side:
        list(side_by_side.map(partial(_run_script, cluster, database), THE_MONTH))
    _run_script(cluster, database, AFTERWARDS)


@contextmanager
def _old_snapshot(cluster: Cluster, database: str) -> Iterator[None]:
    """Hold a snapshot open, so that no row that dies meanwhile can be removed."""
    with closing(cluster.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM tenants")
        yield


def _run_script(cluster: Cluster, database: str, name: str) -> None:
    """Run one of the SQL files as the owner, through psql, so that each statement is a transaction of its own."""
    settings = cluster.settings
    environment = os.environ | {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(settings.postgres_port),
        "PGUSER": OWNER,
        "PGPASSWORD": settings.owner_password,
        "PGDATABASE": database,
        "PGOPTIONS": "-c work_mem=256MB",
    }
    command = [str(INSTALLATION / "bin" / "psql"), "--no-psqlrc", "--quiet", "--output", os.devnull]
    command += ["--set", "ON_ERROR_STOP=1", "--set", f"scale={settings.scale!r}", "--set", f"seed={SEED}"]
    command += ["--file", str(_script(name))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(
            f"seeding the database with {name} ended with status {done.returncode}:\n{done.stderr.strip()}\n"
            "Repair what it names, then run `python -m sandbox up` again: it begins the seeding anew."
        )


def _script(name: str) -> Path:
    return Path(__file__).with_name(name)


def _databases(cluster: Cluster) -> list[str]:
    with closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return [name for (name,) in cursor.fetchall()]


def _create(cluster: Cluster, name: str, template: str = "template0") -> None:
    with closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template)
            )
        )


def _drop(cluster: Cluster, name: str) -> None:
    if name not in _databases(cluster):
        return
    with closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE false").format(sql.Identifier(name)))
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
