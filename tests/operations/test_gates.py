# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities and gates on live servers: each obstacle is really put in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import Gate, GateLimits, Obstacle
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import identity, probe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._safety import Gates
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

from .conftest import RunOperation
from .postgres_server import execute, running_server

STRICT = GateLimits(
    max_transaction_s=0.2, max_snapshot_age=10, max_replica_lag_bytes=1 << 20, max_replica_lag_s=60, wait_s=1.0
)
SOON_S = 20.0
# Without autovacuum its launcher looks for wraparound only once in 65536 transactions.
PREPARES = "max_prepared_transactions=5"
EAGER = ("autovacuum=on", "autovacuum_freeze_max_age=100000", "autovacuum_naptime=1")


@contextmanager
def held(url: str, *statements: str, name: str = "worker") -> Iterator[int]:
    """Another session with an open transaction in which it ran ``statements``; its pid."""
    connection = psycopg2.connect(url, application_name=name)
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        yield connection.info.backend_pid
    finally:
        connection.close()


@contextmanager
def waiting(url: str, statement: str) -> Iterator[int]:
    """Another session that waits for what ``statement`` needs; its pid."""
    connection = psycopg2.connect(url, application_name="queue")

    def run() -> None:
        with connection.cursor() as cursor:
            try:
                cursor.execute(statement)
            except psycopg2.Error:
                connection.rollback()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield connection.info.backend_pid
    finally:
        connection.cancel()
        thread.join()
        connection.close()


class Site:
    """A table ``invoices`` on a server, and a look at its gates."""

    def __init__(self, database: Database, limits: GateLimits = STRICT) -> None:
        self.database = database
        self.capabilities = probe(database, None)
        self.lines: list[str] = []
        self.gates = Gates(database, self.capabilities, limits, self.lines.append)
        # Read beforehand: the size of a table cannot be asked for while somebody waits for it.
        self.table: dict[str, Any] = read_table(database, "invoices")

    def obstacles(self, needed_bytes: int = 0) -> list[Obstacle]:
        return self.gates.before_table(self.table, needed_bytes=needed_bytes)

    def the(self, gate: Gate) -> list[str]:
        return [obstacle.what for obstacle in self.obstacles() if obstacle.gate == gate]

    def once(self, gate: Gate) -> str:
        """What is said of ``gate``, as soon as it shows."""
        until(lambda: bool(self.the(gate)))
        return self.the(gate)[0]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


@contextmanager
def site_at(url: str, limits: GateLimits = STRICT) -> Iterator[Site]:
    execute(url, "CREATE TABLE IF NOT EXISTS invoices (id int PRIMARY KEY, note text)")
    with Database(url, "pitstop:run") as database:
        yield Site(database, limits)


@pytest.fixture
def everywhere(every_major_owner_url: str) -> Iterator[Site]:
    """A site on each major in turn, as its owner."""
    with site_at(every_major_owner_url) as site:
        yield site


class TestTransactions:
    def test_one_that_is_open_is_named_and_left_alone(self, everywhere: Site, every_major_owner_url: str) -> None:
        """CREATE INDEX CONCURRENTLY would wait for it, for hours. Its values are nobody's business."""
        url = every_major_owner_url
        assert everywhere.obstacles() == []
        with held(url, "INSERT INTO invoices VALUES (42, 'secret of Ada')") as pid:
            said = everywhere.once("transaction")
            assert f"pid {pid} (worker, {urlsplit(url).username}, idle in transaction for " in said
            assert "INSERT INTO invoices VALUES (?, ?)" in said
            assert everywhere.gates.before_run()[0].gate == "transaction"
            found = everywhere.gates.wait_before_table(everywhere.table, needed_bytes=0)
            assert found
            assert str(pid) in found.what
            assert everywhere.database.rows("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,))
        assert len(everywhere.lines) == 1
        assert everywhere.gates.waited[0]["gate"] == "transaction"

    def test_one_that_ends_is_waited_for(self, database_url: str) -> None:
        """A table that needs a moment's patience would be postponed to the next night."""
        with site_at(database_url, replace(STRICT, wait_s=SOON_S)) as site, held(database_url, "SELECT 1") as pid:
            site.once("transaction")
            execute_later = threading.Timer(1, execute, (database_url, f"SELECT pg_terminate_backend({pid})"))
            execute_later.start()
            assert site.gates.wait_before_table(site.table, needed_bytes=0) is None
            execute_later.join()
            assert site.gates.waited[0]["seconds"] > 0
            assert f"waiting up to {SOON_S:.0f} s more, since pid {pid}" in site.lines[0]

    def test_waiting_ends_when_the_run_is_stopped(self, database_url: str) -> None:
        """Ctrl-C would seem to do nothing."""
        with site_at(database_url, replace(STRICT, wait_s=3600)) as site, held(database_url, "SELECT 1"):
            site.once("transaction")
            stop = threading.Event()
            stop.set()
            assert site.gates.wait_before_table(site.table, needed_bytes=0, stop=stop)

    def test_the_runs_own_sessions_are_not_in_its_way(self, database_url: str) -> None:
        """Two tables that are repaired at once would wait for each other."""
        with site_at(database_url) as site, held(database_url, "SELECT 1", name="pitstop:run"):
            time.sleep(2 * STRICT.max_transaction_s)
            assert site.obstacles() == []

    def test_only_the_gates_that_matter_are_looked_at(self, database_url: str) -> None:
        """An old transaction does not matter to everything."""
        with site_at(database_url) as site, held(database_url, "SELECT 1"):
            site.once("transaction")
            look = frozenset[Gate]({"lock_queue", "free_space"})
            assert site.gates.before_table(site.table, needed_bytes=0, gates=look) == []


class TestTable:
    def test_a_queue_for_its_lock_is_named_with_who_is_at_its_head(
        self, everywhere: Site, every_major_owner_url: str
    ) -> None:
        """One more in the queue, and every customer waits."""
        url = every_major_owner_url
        with held(url, "LOCK invoices IN ROW EXCLUSIVE MODE") as head, waiting(url, "LOCK invoices") as pid:
            said = everywhere.once("lock_queue")
            assert f"pid {pid} (queue" in said
            assert f"waits for a lock on the table, behind pid {head} (worker" in said

    def test_what_a_killed_pg_repack_left(
        self, everywhere: Site, every_major_url: str, every_major_owner_url: str
    ) -> None:
        """Its trigger goes on to write each change into a log that nobody reads."""
        own = urlsplit(every_major_url)._replace(path=urlsplit(every_major_owner_url).path).geturl()
        oid = everywhere.table["oid"]
        execute(
            own,
            "CREATE SCHEMA repack",
            f"CREATE TYPE repack.pk_{oid} AS (id int)",
            f"CREATE TABLE repack.log_{oid} (id int)",
            f"CREATE TABLE repack.table_{oid} (id int)",
            "CREATE TRIGGER repack_trigger BEFORE UPDATE ON invoices FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        )
        [found] = everywhere.obstacles()
        assert (found.gate, found.waits) == ("leftovers", False)
        _, _, drops = found.next_step.partition(": ")
        assert drops == (
            f"DROP TRIGGER repack_trigger ON invoices; DROP TABLE repack.log_{oid};"
            f" DROP TYPE repack.pk_{oid}; DROP TABLE repack.table_{oid};"
        )
        with held(own, f"SELECT pg_advisory_lock(16185446, CAST(-2147483648 + {oid}::bigint AS integer))"):
            assert "pg_repack is at work on the table" in everywhere.the("leftovers")
        until(lambda: everywhere.obstacles() == [found])
        execute(own, drops)
        assert everywhere.obstacles() == []

    def test_room_is_looked_for_where_the_table_is(self, postgres_url: str, database_url: str) -> None:
        """A rewrite that fills the disk stops the whole database."""
        superuser = urlsplit(postgres_url)._replace(path=urlsplit(database_url).path).geturl()
        with site_at(superuser) as site:
            assert site.capabilities.free_bytes_source == "file system"
            [found] = site.obstacles(1 << 60)
            assert (found.gate, found.waits) == ("free_space", False)
            assert site.obstacles(1) == []

    def test_on_heroku_the_plans_limit_is_the_room(self, database_url: str) -> None:
        """There is no disk to look at; above the limit the database becomes read-only."""
        with site_at(database_url) as site:
            limit = site.database.row("SELECT pg_database_size(current_database()) AS bytes")["bytes"] + (100 << 20)
            capabilities = probe(site.database, {"limit_bytes": limit})
            assert capabilities.free_bytes == 100 << 20
            gates = Gates(site.database, capabilities, STRICT, print)
            [found] = gates.before_table(site.table, needed_bytes=200 << 20)
            assert "upgrade the plan" in found.next_step

    @pytest.mark.parametrize("privileged", [True, False])
    def test_an_autovacuum_that_prevents_wraparound_is_waited_for(self, privileged: bool) -> None:
        """It does not yield: a lock would queue behind it, and all customers behind that lock."""
        with running_server(None, *EAGER) as url:
            execute(
                url,
                "CREATE TABLE invoices (id int, note text)"
                " WITH (autovacuum_enabled = false,"
                " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)",
                "INSERT INTO invoices SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i",
                "CREATE ROLE ada LOGIN PASSWORD 'ada'",
                "ALTER TABLE invoices OWNER TO ada",
                "DO 'BEGIN FOR i IN 1 .. 100500 LOOP PERFORM txid_current(); COMMIT; END LOOP; END'",
            )
            parts = urlsplit(url)
            as_ada = parts._replace(netloc=f"ada:ada@{parts.hostname}:{parts.port}").geturl()
            with Database(url if privileged else as_ada, "pitstop:run") as database:
                said = Site(database).once("wraparound")
            assert "autovacuum worker" in said
            assert "prevents wraparound, with 100," in said


@pytest.fixture(scope="module")
def primary_url() -> Iterator[str]:
    """The superuser's URL of a server that replicates, and prepares transactions."""
    with running_server(None, PREPARES, "wal_level=logical") as url:
        yield url


@pytest.fixture(scope="module")
def replica_url(primary_url: str) -> Iterator[str]:
    """Its replica, which tells it each second what it still sees."""
    told = ("hot_standby_feedback=on", "wal_receiver_status_interval=1", PREPARES)
    with running_server(None, *told, replica_of=primary_url) as url:
        yield url


@pytest.fixture
def primary(primary_url: str) -> Iterator[Site]:
    with site_at(primary_url) as site:
        yield site


class TestBeyondSessions:
    def test_a_prepared_transaction(self, primary: Site, primary_url: str) -> None:
        """It keeps locks and dead rows for ever, without a session that anybody could see."""
        with held(primary_url, "SELECT 1", "INSERT INTO invoices VALUES (1)", "PREPARE TRANSACTION 'order ''7'"):
            assert "transaction 'order ''7' of postgres was prepared " in primary.once("prepared")
        [found] = [obstacle for obstacle in primary.obstacles() if obstacle.gate == "prepared"]
        execute(primary_url, found.next_step.split("or ")[1])
        assert primary.the("prepared") == []

    def test_a_replica_that_still_sees_old_rows(self, primary: Site, replica_url: str, primary_url: str) -> None:
        """A report that runs on the replica makes a rewrite here useless; only the server knows of it."""
        with held(replica_url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM pg_class"):
            execute(primary_url, *["SELECT pg_current_xact_id()"] * 20)
            assert "(walreceiver, postgres, active" in primary.once("snapshot")
            assert primary.the("slot") == []

    def test_a_slot_keeps_what_its_replica_saw(self, primary: Site, replica_url: str, primary_url: str) -> None:
        """Also after the replica has gone: then for ever."""
        execute(primary_url, "SELECT pg_create_physical_replication_slot('standby_1')")
        execute(replica_url, "ALTER SYSTEM SET primary_slot_name = 'standby_1'", "SELECT pg_reload_conf()")
        try:
            with held(replica_url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM pg_class"):
                until(lambda: bool(primary.database.rows("SELECT FROM pg_replication_slots WHERE xmin IS NOT NULL")))
                execute(primary_url, *["SELECT pg_current_xact_id()"] * 20)
                assert "replication slot standby_1, used by pid " in primary.once("slot")
                execute(replica_url, "ALTER SYSTEM RESET primary_slot_name", "SELECT pg_reload_conf()")
                until(lambda: "used by nobody" in primary.once("slot"))
        finally:
            execute(replica_url, "ALTER SYSTEM RESET primary_slot_name", "SELECT pg_reload_conf()")
            until(lambda: not primary.database.rows("SELECT FROM pg_replication_slots WHERE active"))
            execute(primary_url, "SELECT pg_drop_replication_slot('standby_1')")

    def test_a_logical_slot_holds_back_the_catalogue_only(self, primary: Site, primary_url: str) -> None:
        """Waiting for it would postpone work for nothing: the rows of a table go all the same."""
        execute(
            primary_url,
            "SELECT pg_create_logical_replication_slot('feed', 'test_decoding')",
            "INSERT INTO invoices SELECT i FROM generate_series(100, 1000) i",
            "DELETE FROM invoices",
            *["SELECT pg_current_xact_id()"] * 20,
        )
        try:
            age = primary.database.row("SELECT age(catalog_xmin) AS age FROM pg_replication_slots")["age"]
            assert age > STRICT.max_snapshot_age
            assert primary.the("slot") == []
            until(lambda: primary.the("snapshot") == [])
            execute(primary_url, "VACUUM invoices")
            assert read_table(primary.database, "invoices")["heap_bytes"] == 0
        finally:
            execute(primary_url, "SELECT pg_drop_replication_slot('feed')")

    def test_a_replica_that_is_behind(self, primary: Site, replica_url: str, primary_url: str) -> None:
        """A rewrite would send it the whole table on top, and its readers would see yesterday."""
        execute(replica_url, "SELECT pg_wal_replay_pause()")
        try:
            execute(primary_url, "CREATE TABLE noise AS SELECT md5(i::text) FROM generate_series(1, 100000) i")
            assert "replica walreceiver (pid " in primary.once("replica_lag")
            assert primary.the("replica_lag")[0].partition("behind by ")[2]
            parts = urlsplit(primary_url)
            execute(primary_url, "CREATE ROLE ada LOGIN PASSWORD 'ada'")
            with Database(parts._replace(netloc=f"ada:ada@{parts.hostname}:{parts.port}").geturl(), "x") as database:
                blind = Site(database)
                assert blind.capabilities.replicas == 1
                assert "how far replicas are" in blind.capabilities.unknown()[0]
                assert blind.gates.before_run() == []
        finally:
            execute(replica_url, "SELECT pg_wal_replay_resume()")
        until(lambda: primary.the("replica_lag") == [])

    def test_a_replica_takes_no_changes(self, replica_url: str) -> None:
        """After a failover the old URL leads to one."""
        with Database(replica_url, "pitstop:run") as database:
            capabilities = probe(database, None)
            [found] = Gates(database, capabilities, STRICT, print).before_run()
        assert capabilities.in_recovery
        assert (found.gate, found.waits) == ("recovery", False)


class TestCapabilities:
    def test_are_told_on_every_major(self, every_major_url: str, every_major_owner_url: str) -> None:
        """What is guessed from a version fails where somebody patched it, took it away, or lent it."""
        with Database(every_major_owner_url, "pitstop:run") as database:
            found = probe(database, None)
            major = database.server_version // 10_000
            assert found.identity == identity(database)
        assert ("tid_range_scan" in found.commands) is (major >= 14)
        assert ("generic_plan" in found.commands) is (major >= 16)
        assert ("repack_concurrently" in found.commands) is (major >= 19)
        assert found.has_maintain is (major >= 17)
        assert found.pgstattuple_schema == "public"
        assert "pg_monitor" in found.member_of
        assert (found.pooled, found.in_recovery, found.is_superuser) == (False, False, False)
        assert found.settings["deadlock_timeout"] == "1s"
        assert ("transaction_timeout" in found.settings) is (major >= 17)
        assert found.free_bytes_source == "file system"

    def test_room_is_unknown_where_nobody_tells(self, database_url: str) -> None:
        """A guess would let a rewrite fill the disk, or forbid it for nothing."""
        with Database(database_url, "pitstop:run") as database:
            found = probe(database, None)
        assert (found.free_bytes, found.free_bytes_source) == (None, "unknown")

    def test_are_read_once_for_a_run(self, run_operation: RunOperation, run: Run, database_url: str) -> None:
        """Each operation would ask Heroku and the server again; and what the run relied on would not be on record."""
        args = {"database_url": database_url, "evidence": "preflight.database"}
        done = run_operation("postgresql_probe", args, run=run)
        assert not done.failed, done.message
        kept = _run.state_of(run)["capabilities"]
        again = Capabilities.from_dict(kept)
        assert again
        with Database(database_url, "pitstop:run") as database:
            assert again.identity == identity(database)
        assert {key: done.result[key] for key in kept} == kept

    def test_preflight_shows_what_may_pass_and_goes_on(self, run_operation: RunOperation, database_url: str) -> None:
        """A report that runs at noon is no reason to refuse a run at night, but good to know."""
        with held(database_url, "SELECT 1") as pid:
            time.sleep(0.5)
            args = {"database_url": database_url, "max_transaction_seconds": 0.2}
            done = run_operation("postgresql_probe", args)
        assert not done.failed, done.message
        assert [obstacle["gate"] for obstacle in done.result["obstacles"]] == ["transaction"]
        assert any(f"pid {pid} (worker" in line for line in done.lines)
        assert any("GRANT pg_monitor" in line for line in done.lines)
