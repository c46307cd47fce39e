# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way is no lock: a lagging replica, a server in recovery, a vacuum that must not wait, a pooler."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from tests.operations.conftest import Performed, RunOperation
from tests.operations.postgres_server import execute, free_port, ordinary_user, running_server

from . import acts
from .acts import assert_intact, until, value
from .conftest import Place

OWNER = ("CREATE ROLE app LOGIN PASSWORD 'app'", "CREATE DATABASE app OWNER app", "GRANT pg_monitor TO app")


def app_url(server_url: str) -> str:
    """The URL of the owner of database `app`."""
    url = urlsplit(server_url)
    return url._replace(netloc=f"app:app@{url.hostname}:{url.port}", path="/app").geturl()


def rewrite(run_operation: RunOperation, url: str, **options: object) -> Performed:
    """Have `orders` rewritten, and wait no longer than a second for what is in the way."""
    common = {"database_url": url, "tables": ["orders"], "remedies": {"orders": "vacuum_full"}, "gate_wait_seconds": 1}
    return run_operation("pg_repair", {**common, **options})


@pytest.fixture(scope="module")
def primary() -> Iterator[str]:
    """A server of its own, with database `app`; its superuser's URL."""
    with running_server() as url:
        execute(url, *OWNER)
        acts.bloat(app_url(url))
        yield url


@pytest.fixture(scope="module")
def replica(primary: str) -> Iterator[str]:
    """A server that follows it."""
    with running_server(replica_of=primary) as url:
        until(primary, "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'")
        yield url


def test_a_lagging_replica_postpones_a_rewrite(run_operation: RunOperation, primary: str, replica: str) -> None:
    """A rewrite sends the whole table once more to a replica that does not keep up as it is."""
    url = app_url(primary)
    before = value(url, "SELECT pg_relation_filenode('orders')")
    execute(replica, "SELECT pg_wal_replay_pause()")
    execute(primary, "CREATE TABLE much AS SELECT repeat('x', 500) FROM generate_series(1, 20000)")
    performed = rewrite(run_operation, url, max_replica_lag_bytes=1_000_000)
    execute(replica, "SELECT pg_wal_replay_resume()")
    [table] = performed.result["tables"]
    assert table["outcome"] == "postponed"
    assert "walreceiver" in table["blocker"]
    assert value(url, "SELECT pg_relation_filenode('orders')") == before
    until(primary, "SELECT bool_and(replay_lsn = pg_current_wal_lsn()) FROM pg_stat_replication")
    [table] = rewrite(run_operation, url).result["tables"]
    assert table["outcome"] == "done"
    assert_intact(url)


def test_a_replica_is_not_repaired(run_operation: RunOperation, primary: str, replica: str) -> None:
    """A URL that leads to the replica is a mistake to be named, not an error from deep inside."""
    performed = rewrite(run_operation, app_url(replica))
    assert performed.failed or performed.result["tables"][0]["outcome"] == "postponed"
    told = " ".join([performed.message, *performed.lines])
    assert "recovery" in told
    assert "read-only" not in told, "that is PostgreSQL's own refusal, too late"


def test_a_vacuum_that_prevents_wraparound_is_left_alone(run_operation: RunOperation) -> None:
    """Who cancels that one, again and again, will one day have a database that takes no writes."""
    slow = ("autovacuum_vacuum_cost_delay=100", "autovacuum_vacuum_cost_limit=1")
    thresholds = ("autovacuum_vacuum_threshold", "autovacuum_vacuum_insert_threshold", "autovacuum_analyze_threshold")
    for_no_other_reason = [f"{name}=1000000000" for name in thresholds]
    with running_server(None, "autovacuum=on", "autovacuum_naptime=1", *slow, *for_no_other_reason) as server:
        execute(server, *OWNER)
        url = app_url(server)
        acts.bloat(url)
        before = value(url, "SELECT pg_relation_filenode('orders')")
        execute(url, "UPDATE orders SET amount = 0", "ALTER TABLE orders SET (autovacuum_freeze_max_age = 100000)")
        execute(url, "DO $$ BEGIN FOR n IN 1..100001 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
        preventing = "FROM pg_stat_activity WHERE query LIKE '%orders (to prevent wraparound)'"
        until(server, f"SELECT count(*) = 1 {preventing}")
        performed = rewrite(run_operation, url)
        assert value(server, f"SELECT count(*) {preventing}") == 1
        [table] = performed.result["tables"]
        assert table["outcome"] == "postponed"
        assert "wraparound" in table["blocker"]
        assert value(url, "SELECT pg_relation_filenode('orders')") == before


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """The database at ``url`` through a PgBouncer that pools transactions."""
    parts, port = urlsplit(url), free_port()
    with tempfile.TemporaryDirectory(prefix="pitstop-pgbouncer-") as folder:
        Path(folder, "users").write_text(f'"{parts.username}" "{parts.password}"\n')
        Path(folder, "settings").write_text(
            f"[databases]\n* = host={parts.hostname} port={parts.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {folder}/users\n"
            "pool_mode = transaction\n"
        )
        Path(folder).chmod(0o755)
        process = subprocess.Popen(
            ["pgbouncer", "--quiet", f"{folder}/settings"], user=ordinary_user(), stderr=subprocess.DEVNULL
        )
        try:
            pooled = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
            _until_it_answers(pooled)
            yield pooled
        finally:
            process.terminate()
            process.wait()


def _until_it_answers(url: str) -> None:
    deadline = time.monotonic() + acts.DEADLINE_S
    while True:
        try:
            return psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.needs("PgBouncer")
def test_a_pooler_is_refused(run_operation: RunOperation, place: Place) -> None:
    """Behind a pooler our timeouts end on somebody else's session, and cancelling hits nobody or the wrong one."""
    before = value(place.url, "SELECT pg_relation_filenode('orders')")
    with pgbouncer(place.url) as pooled:
        performed = run_operation("postgresql_probe", {"database_url": pooled})
    assert performed.failed
    assert "pooler" in performed.message
    assert value(place.url, "SELECT pg_relation_filenode('orders')") == before
