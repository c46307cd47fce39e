# SPDX-License-Identifier: GPL-3.0-or-later
"""COMPACT on live servers: the space comes back, nothing else changes, and nobody is stopped for long."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.errors
import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._compaction import CompactionPolicy, CompactionResult
from ansible_collections.pitstop.runbook.plugins.plugin_utils._compact import Compaction
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

from .compacting import Console, compact, copied_bytes, measured
from .database_helpers import sql
from .postgres_server import running_server

STALL_LIMIT_S = 0.5
"""What issue 3 allows the longest stall of other clients to be."""


FINGERPRINT = "SELECT count(*), sum(hashtextextended({table}::text, 0)::numeric) FROM {table}"

SHAPES = {
    "every second row deleted": (
        "CREATE TABLE t (id int PRIMARY KEY, body text)",
        "INSERT INTO t SELECT g, md5(g::text) || md5(g::text) FROM generate_series(1, 60000) g",
        "DELETE FROM t WHERE id % 2 = 0",
    ),
    "98 % empty, evenly": (
        "CREATE TABLE t (id int PRIMARY KEY, body text)",
        "INSERT INTO t SELECT g, md5(g::text) || md5(g::text) FROM generate_series(1, 60000) g",
        "DELETE FROM t WHERE id % 50 <> 0",
    ),
    "a hole in the middle": (
        "CREATE TABLE t (id int PRIMARY KEY, body text)",
        "INSERT INTO t SELECT g, md5(g::text) || md5(g::text) FROM generate_series(1, 60000) g",
        "DELETE FROM t WHERE id BETWEEN 10000 AND 50000",
    ),
    "updated again and again, fillfactor 70": (
        "CREATE TABLE t (id int PRIMARY KEY, body text, n int) WITH (fillfactor = 70)",
        "INSERT INTO t SELECT g, md5(g::text), 0 FROM generate_series(1, 20000) g",
        *["UPDATE t SET n = n + 1"] * 3,
    ),
    "TOAST-heavy rows": (
        "CREATE TABLE t (id int PRIMARY KEY, body text, big text)",
        "ALTER TABLE t ALTER COLUMN big SET STORAGE EXTERNAL",
        "INSERT INTO t SELECT g, repeat(md5(g::text), 10), repeat(md5(g::text), 100) FROM generate_series(1, 6000) g",
        "DELETE FROM t WHERE id % 3 <> 0",
    ),
    "rows of a third of a page": (
        "CREATE TABLE t (id int PRIMARY KEY, body text)",
        "ALTER TABLE t ALTER COLUMN body SET STORAGE PLAIN",
        "INSERT INTO t SELECT g, repeat(md5(g::text), 75) FROM generate_series(1, 3000) g",
        "DELETE FROM t WHERE id % 2 = 0",
    ),
    "many indexes, columns that cannot be set": (
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text, b text, base int)",
        "ALTER TABLE t ADD twice int GENERATED ALWAYS AS (base * 2) STORED",
        "ALTER TABLE t ADD CONSTRAINT later UNIQUE (b) DEFERRABLE INITIALLY DEFERRED",
        "INSERT INTO t (a, b, base) SELECT md5(g::text), g::text, g FROM generate_series(1, 40000) g",
        "CREATE INDEX ON t (a)",
        "CREATE INDEX ON t (lower(a))",
        "CREATE INDEX ON t (base) WHERE base % 4 = 0",
        "CREATE INDEX ON t (twice, b)",
        "CREATE INDEX ON t USING brin (base)",
        "CREATE INDEX ON t USING gin (string_to_array(a, 'a'))",
        "DELETE FROM t WHERE base % 4 <> 0",
    ),
    "a leaf of a partitioned table": (
        "CREATE TABLE parent (id int, body text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
        "CREATE TABLE t PARTITION OF parent FOR VALUES FROM (0) TO (100000)",
        "CREATE TABLE other PARTITION OF parent FOR VALUES FROM (100000) TO (200000)",
        "INSERT INTO parent SELECT g, md5(g::text) || md5(g::text) FROM generate_series(1, 120000, 2) g",
        "DELETE FROM t WHERE id % 4 = 1",
    ),
    "vacuum_truncate off": (
        "CREATE TABLE t (id int PRIMARY KEY, body text) WITH (vacuum_truncate = off)",
        "INSERT INTO t SELECT g, md5(g::text) || md5(g::text) FROM generate_series(1, 60000) g",
        "DELETE FROM t WHERE id % 2 = 0",
    ),
}


def make(url: str, *statements: str) -> None:
    sql(url, *statements)
    sql(url, "VACUUM ANALYZE")


@pytest.fixture
def half_empty_url(database_url: str) -> str:
    make(database_url, *SHAPES["every second row deleted"])
    return database_url


@contextmanager
def session(url: str, name: str = "somebody") -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Somebody else's open transaction, as a function that runs statements in it."""
    connection = psycopg2.connect(url, application_name=name)

    def run(statement: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    try:
        yield run
        connection.commit()
    finally:
        connection.close()


def size(url: str, table: str = "public.t") -> int:
    return int(sql(url, f"SELECT pg_relation_size('{table}')")[0][0])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_space_comes_back_and_nothing_else_changes(every_major_owner_url: str, shape: str) -> None:
    """A user would lose rows, or views, keys and grants, or wait for nothing while the file stays as large."""
    url = every_major_owner_url
    make(
        url,
        *SHAPES[shape],
        "CREATE VIEW seen AS SELECT * FROM t",
        "CREATE TABLE child (t int REFERENCES t, n int)",
        "INSERT INTO child SELECT id, 0 FROM t WHERE id % 10 = 0",
        "GRANT SELECT ON t TO PUBLIC",
    )
    identity = (
        "SELECT oid, relfilenode, relacl::text, reltoastrelid, (SELECT count(*) FROM seen),"
        " (SELECT array_agg(conname || convalidated ORDER BY conname) FROM pg_constraint)"
        " FROM pg_class WHERE relname = 't'"
    )
    before = sql(url, FINGERPRINT.format(table="t")), sql(url, identity)
    result = compact(url)
    assert (sql(url, FINGERPRINT.format(table="t")), sql(url, identity)) == before
    assert result.reached, result
    assert result.size_after_bytes == size(url) < result.size_before_bytes
    sql(url, "VACUUM FULL t")
    # VACUUM leaves a tail alone that is less than a sixteenth; fragments take another few percent.
    assert result.size_after_bytes <= size(url) * 1.12 + 3 * 8192, (result, size(url))
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        sql(url, "INSERT INTO child VALUES (-1, 0)")


def test_indexes_find_every_row_afterwards(half_empty_url: str) -> None:
    """Moved rows need new index entries: an index that misses some answers wrongly, without a word."""
    sql(half_empty_url, "CREATE INDEX ON t (md5(body))")
    compact(half_empty_url)
    through_indexes = "SELECT count(*) FROM generate_series(1, 60000) g JOIN t ON t.id = g"
    settings = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
    assert sql(half_empty_url, settings, through_indexes) == [(30000,)]
    assert sql(half_empty_url, settings, "SELECT count(*) FROM t WHERE md5(body) > ''") == [(30000,)]


def test_others_are_hardly_stopped(every_major_owner_url: str) -> None:
    """Clients at 50 statements a second each, in open loop: the longest stall is what their users see.

    They update the table's rows, insert children of them, insert and delete, several rows a transaction.
    """
    url = every_major_owner_url
    make(
        url,
        "CREATE TABLE tenant (id int PRIMARY KEY, n int DEFAULT 0)",
        "INSERT INTO tenant SELECT generate_series(0, 9)",
        "CREATE TABLE t (id int PRIMARY KEY, tenant int NOT NULL REFERENCES tenant, body text, n int DEFAULT 0)",
        "INSERT INTO t SELECT g, g % 10, md5(g::text) || md5(g::text) FROM generate_series(1, 80000) g",
        "CREATE INDEX ON t (tenant)",
        "CREATE TABLE child (t int REFERENCES t)",
        "DELETE FROM t WHERE id % 4 <> 0",
    )
    fixed = FINGERPRINT.format(table="t") + " WHERE id % 8 = 0"
    before = sql(url, fixed)

    def statements(chance: random.Random) -> tuple[str, ...]:
        row, new = chance.randrange(4, 80000, 8), chance.randrange(1 << 30) * 8 + 4
        return chance.choice(
            (
                (f"UPDATE t SET n = n + 1 WHERE id = {row}", f"UPDATE t SET n = n + 1 WHERE id = {row + 8}"),
                (f"INSERT INTO child VALUES ({row})", f"UPDATE tenant SET n = n + 1 WHERE id = {row % 10}"),
                (f"INSERT INTO t VALUES ({new % (1 << 31)}, 1, 'new') ON CONFLICT DO NOTHING",),
                (f"SELECT * FROM t WHERE id = {row} FOR UPDATE",),
            )
        )

    elsewhere = "SELECT 1"
    with clients(url, lambda _: (elsewhere,), count=1) as bystander, clients(url, statements) as stalls:
        result = compact(url, policy=CompactionPolicy())
    assert sql(url, fixed) == before
    assert result.reached, result
    assert len(stalls) > 20
    # A bystander that asks nothing of the table tells how long the machine itself stood still.
    assert max(stalls) - max(bystander) < STALL_LIMIT_S
    assert sql(url, "SELECT count(*) FROM child WHERE t NOT IN (SELECT id FROM t)") == [(0,)]


@contextmanager
def clients(
    url: str, statements: Callable[[random.Random], tuple[str, ...]], count: int = 2, per_s: int = 50
) -> Iterator[list[float]]:
    """Sessions that work to a timetable; yields by how many seconds each transaction ended after it was due."""
    late: list[float] = []
    failed: list[BaseException] = []
    end = threading.Event()

    def work(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - which row, no secret
        done = 0
        try:
            with session(url, "client") as run:
                began = time.monotonic()
                while not end.is_set():
                    done += 1
                    due = began + done / per_s
                    end.wait(max(0.0, due - time.monotonic()))
                    for statement in statements(chance):
                        run(statement)
                    run("COMMIT")
                    late.append(time.monotonic() - due)
        except psycopg2.Error as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield late
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert not failed, failed


def test_it_stops_at_any_moment_and_goes_on_later(half_empty_url: str) -> None:
    """A window that closes must not cost what was done, and the next run must not begin anew."""
    before = sql(half_empty_url, FINGERPRINT.format(table="t"))
    stop = threading.Event()
    console = Console(lambda: stop.set() if len(console.lines) >= 2 else None)
    stopped = compact(half_empty_url, stop=stop, console=console, policy=CompactionPolicy(target_batch_ms=5))
    assert not stopped.reached
    assert "stopped on request" in stopped.stopped
    assert 0 < stopped.moved_rows < 15000
    assert sql(half_empty_url, FINGERPRINT.format(table="t")) == before
    resumed = compact(half_empty_url)
    assert resumed.reached
    assert resumed.moved_rows + stopped.moved_rows < 20000
    assert sql(half_empty_url, FINGERPRINT.format(table="t")) == before


def test_a_killed_session_leaves_nothing_behind(postgres_url: str, half_empty_url: str) -> None:
    """A server that restarts in the middle: no row lost, no lock held, no object left; a new run finishes."""
    before = sql(half_empty_url, FINGERPRINT.format(table="t"))
    relations = "SELECT count(*) FROM pg_class"
    count = sql(half_empty_url, relations)

    def kill() -> None:
        kill_ours = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'pitstop:test'"
        )
        sql(postgres_url, kill_ours)

    with pytest.raises(psycopg2.OperationalError):
        compact(half_empty_url, console=Console(kill))
    assert sql(half_empty_url, relations) == count
    assert sql(half_empty_url, FINGERPRINT.format(table="t")) == before
    assert compact(half_empty_url).reached


def test_a_locked_row_makes_ours_give_way(half_empty_url: str) -> None:
    """Somebody edits a row for minutes: theirs wins, the report names them, and what is free is still given back."""
    policy = CompactionPolicy(duty=1.0, attempts=8, target_batch_ms=10)
    with session(half_empty_url, "an editor") as run:
        console = Console(lambda: run("UPDATE t SET body = 'edited' WHERE id = 39999"))
        result = compact(half_empty_url, policy=policy, console=console)
        run("UPDATE t SET body = 'edited again' WHERE id = 39999")
    assert not result.reached
    assert result.moved_rows > 0
    assert "rows stayed locked through 8 tries" in result.stopped
    assert "an editor" in result.stopped
    assert "edited" not in result.stopped
    assert result.repeated_batches >= 8
    assert compact(half_empty_url).reached
    assert sql(half_empty_url, "SELECT body FROM t WHERE id = 39999") == [("edited again",)]


def test_a_server_that_stands_still_makes_ours_give_way(half_empty_url: str) -> None:
    """While the disk hangs, a batch must not keep its rows locked until it is done: others would hang with it."""
    result = compact(half_empty_url, policy=CompactionPolicy(duty=1.0, lock_ms=1, target_batch_ms=0.2, attempts=3))
    assert not result.reached
    assert "a batch was cut short 3 times" in result.stopped
    assert result.longest_batch_ms <= 1


def test_a_replica_that_falls_behind_stops_it() -> None:
    """A replica serves readers, or takes over: it must not be buried under our WAL."""
    with running_server() as primary, running_server(replica_of=primary) as replica:
        make(primary, *SHAPES["every second row deleted"])
        sql(replica, "SELECT pg_wal_replay_pause()")
        policy = CompactionPolicy(duty=1.0, max_replica_lag_bytes=100_000, wait_s=0.5)
        result = compact(primary, policy=policy)
        assert "a replica cannot keep up: " in result.stopped
        assert result.moved_rows < 15000
        sql(replica, "SELECT pg_wal_replay_resume()")


def test_no_client_becomes_a_deadlocks_victim(half_empty_url: str) -> None:
    """Two sessions that lock each other's rows: the server aborts one of them, and it must not be theirs."""
    moving = threading.Event()
    results: list[CompactionResult] = []

    def work() -> None:
        policy = CompactionPolicy(duty=1.0, attempts=5, wait_s=0.1)
        results.append(compact(half_empty_url, policy=policy, console=Console(moving.set)))

    worker = threading.Thread(target=work)
    worker.start()
    moving.wait(10)
    with session(half_empty_url, "a transfer") as run:
        for row in (40001, *range(45001, 30001, -10)):
            run(f"UPDATE t SET body = 'theirs' WHERE id = {row}")
        worker.join()
    assert results[0].repeated_batches
    assert "a transfer" in results[0].stopped
    assert compact(half_empty_url).reached
    assert sql(half_empty_url, "SELECT count(*) FROM t WHERE body = 'theirs'") == [(1500,)]


def test_an_old_snapshot_stops_it_with_its_owner_named(half_empty_url: str) -> None:
    """Whoever reads an old state needs the old versions: VACUUM could cut nothing off, the moves would be in vain."""
    with session(half_empty_url, "a long report") as run:
        run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        seen = run(FINGERPRINT.format(table="t"))
        result = compact(half_empty_url, policy=CompactionPolicy(duty=1.0, wait_s=0.3))
        assert run(FINGERPRINT.format(table="t")) == seen
    assert not result.reached
    assert "an older transaction" in result.stopped
    assert "a long report" in result.stopped
    assert result.moved_rows == 0
    assert compact(half_empty_url).reached


def test_it_waits_for_a_snapshot_that_ends(half_empty_url: str) -> None:
    """A report that begins in the middle and ends soon is no reason to give the table up."""
    opened = psycopg2.connect(half_empty_url, application_name="a short report")
    opened.set_session(isolation_level="REPEATABLE READ")
    looked: list[float] = []

    def hook() -> None:
        if not looked:
            with opened.cursor() as cursor:
                cursor.execute("SELECT 1 FROM t LIMIT 1")
            looked.append(time.monotonic())
        elif any("an older transaction" in line for line in console.lines):
            opened.close()

    console = Console(hook)
    result = compact(half_empty_url, console=console)
    assert result.reached
    assert any("a short report" in line for line in console.lines)


def test_a_vacuum_of_others_in_the_middle_does_no_harm(half_empty_url: str) -> None:
    """Autovacuum comes when it likes, and puts emptied pages back into use."""
    vacuums = iter(range(3))

    def vacuum() -> None:
        if next(vacuums, None) is not None:
            sql(half_empty_url, "VACUUM t")

    console = Console(vacuum)
    before = sql(half_empty_url, FINGERPRINT.format(table="t"))
    result = compact(half_empty_url, console=console, policy=CompactionPolicy(duty=1.0, target_batch_ms=10))
    assert result.reached, result
    assert result.size_after_bytes < 0.6 * result.size_before_bytes
    assert sql(half_empty_url, FINGERPRINT.format(table="t")) == before


def test_too_small_a_measure_ends_at_what_fits(half_empty_url: str) -> None:
    """An estimate that is too low must not make the table grow, or strand rows behind the emptied pages."""
    result = compact(half_empty_url, expected_bytes=copied_bytes(half_empty_url, "t") // 2)
    assert result.stopped == "reached what fits: rows need more than was measured"
    sql(half_empty_url, "VACUUM FULL t")
    assert result.size_after_bytes <= 1.12 * size(half_empty_url)


def test_a_constraint_that_old_rows_break_stops_it_without_showing_them(half_empty_url: str) -> None:
    """A CHECK that has come to be false refuses the row: the table stays as it is, and no value is shown."""
    sql(
        half_empty_url,
        "CREATE FUNCTION fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "ALTER TABLE t ADD CONSTRAINT fine CHECK (fine(body))",
        "CREATE OR REPLACE FUNCTION fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
    )
    before = sql(half_empty_url, FINGERPRINT.format(table="t"))
    result = compact(half_empty_url)
    assert 'check constraint "fine"' in result.stopped
    assert "Failing row" not in result.stopped
    assert sql(half_empty_url, FINGERPRINT.format(table="t")) == before


def test_nothing_is_done_where_nothing_is_to_be_gained(database_url: str) -> None:
    """Moving rows for a tail that VACUUM would not cut off is work for nothing."""
    make(
        database_url,
        "CREATE TABLE t (id int, body text)",
        "INSERT INTO t SELECT g, 'x' FROM generate_series(1, 9999) g",
    )
    result = compact(database_url)
    assert "too little room inside" in result.stopped
    assert (result.batches, result.vacuums) == (0, 0)


def test_the_plan_touches_nothing(half_empty_url: str) -> None:
    """A user decides on what --check prints: it has the statements, and carries none of them out."""
    state = "SELECT xmin::text, ctid::text FROM t ORDER BY id"
    before = sql(half_empty_url, state)
    with Database(half_empty_url, "pitstop:test") as database:
        planned = Compaction.planned_sql(database, measured(half_empty_url, "public.t"))
    assert planned[0] == planned[2] == "VACUUM (TRUNCATE ON, INDEX_CLEANUP ON) public.t"
    assert planned[1].startswith("UPDATE ONLY public.t SET body = body WHERE ctid >= '(")
    assert sql(half_empty_url, state) == before


def test_a_parent_that_somebody_holds_is_waited_for_and_named(database_url: str) -> None:
    """A foreign key is checked again for versions that a batch itself wrote, and that locks the parent's row."""
    make(
        database_url,
        "CREATE TABLE tenant (id int PRIMARY KEY, n int DEFAULT 0)",
        "INSERT INTO tenant VALUES (1)",
        "CREATE TABLE t (id int PRIMARY KEY, tenant int REFERENCES tenant, body text)",
        "INSERT INTO t SELECT g, 1, md5(g::text) || md5(g::text) FROM generate_series(1, 60000) g",
        "DELETE FROM t WHERE id % 2 = 0",
    )
    policy = CompactionPolicy(duty=1.0, attempts=8, target_batch_ms=10, wait_s=0.1)
    with session(database_url, "a tenant's deletion") as run:
        console = Console(lambda: run("SELECT 1 FROM tenant FOR UPDATE"))
        result = compact(database_url, policy=policy, console=console)
    with session(database_url, "a tenant's form") as run:
        console = Console(lambda: run("UPDATE tenant SET n = n + 1"))
        unhindered = compact(database_url, policy=policy, console=console)
    assert (unhindered.repeated_batches, unhindered.moved_rows > 5000) == (0, True)
    assert "rows stayed locked through 8 tries; in the way: " in result.stopped
    assert "a tenant's deletion" in result.stopped
