# SPDX-License-Identifier: GPL-3.0-or-later
"""How a test makes trouble: a table worth repairing, somebody who holds a lock, a hand that kills our session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg2

from tests.operations.postgres_server import execute

DEADLINE_S = 60
STALL_S = 1.5
"""What a customer may wait at most (issue 3)."""
LIVE_ROWS = 100_000
IDS = range(2, 2 * LIVE_ROWS + 1, 2)
TABLE_SQL = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id integer NOT NULL, amount integer DEFAULT 0, note text)",
    f"INSERT INTO orders SELECT i, i % 50, 0, repeat(md5(i::text), 2) FROM generate_series(1, {2 * LIVE_ROWS}) AS i",
    "CREATE INDEX orders_tenant ON orders (tenant_id)",
    "DELETE FROM orders WHERE id % 2 = 1",
    "VACUUM ANALYZE orders",
)

Servers = Callable[[int], str]

REWRITING = "SELECT pid FROM pg_stat_progress_cluster"
BUILDING = "SELECT pid FROM pg_stat_progress_create_index WHERE command LIKE '%%CONCURRENTLY'"
COMPACTING = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%%<<batch>>%%'"


def bloat(url: str) -> None:
    """Make the table `orders`, of which half is free space; its even ids are there."""
    execute(url, *TABLE_SQL)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """What a query gives, on a session of its own."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def value(url: str, query: str) -> Any:
    """The one value of a query."""
    [(only,)] = rows(url, query)
    return only


def assert_intact(url: str) -> None:
    """All rows of `orders` are there, its index agrees, no index is invalid, and no session of ours is left."""
    assert value(url, "SELECT count(*) FROM orders") == LIVE_ROWS
    by_index = "SET enable_seqscan = off; SELECT count(*) FROM orders WHERE tenant_id >= 0"
    assert value(url, by_index) == LIVE_ROWS
    assert rows(url, "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid OR NOT indisready") == []
    assert rows(url, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pitstop%'") == []


@contextmanager
def somebody(url: str, statement: str, *, isolation: str | None = None) -> Iterator[Any]:
    """Another session, named so, that has run a statement and keeps its transaction open; its connection."""
    with closing(psycopg2.connect(url, application_name="somebody's report")) as connection:
        connection.set_session(isolation_level=isolation)
        connection.cursor().execute(statement)
        yield connection


@contextmanager
def killed(
    superuser_url: str, database_url: str, doing: str, and_then: Callable[[], None] | None = None
) -> Iterator[list[int]]:
    """While the block runs, terminate the first session of ours that is ``doing`` it; yields whom it hit."""
    hit: list[int] = []
    over = threading.Event()
    query = f"""
        SELECT pg_terminate_backend(pid), pid FROM pg_stat_activity
         WHERE application_name LIKE 'pitstop%%' AND datname = %s AND state <> 'idle' AND pid IN ({doing})
    """

    def kill() -> None:
        with closing(psycopg2.connect(superuser_url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not over.wait(0.001) and not hit:
                cursor.execute(query, (psycopg2.extensions.parse_dsn(database_url)["dbname"],))
                hit.extend(row[1] for row in cursor.fetchall())
        if and_then:
            and_then()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield hit
    finally:
        over.set()
        thread.join()


@contextmanager
def ended_after(connection: Any, seconds: float) -> Iterator[None]:
    """End somebody's transaction while the block runs."""
    timer = threading.Timer(seconds, connection.rollback)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def until(url: str, query: str) -> None:
    """Wait for a query to say true."""
    deadline = time.monotonic() + DEADLINE_S
    while not value(url, query):
        assert time.monotonic() < deadline, query
        time.sleep(0.05)


def alive(connection: Any) -> bool:
    """Whether somebody's session still works."""
    with suppress(psycopg2.Error):
        connection.cursor().execute("SELECT 1")
        return True
    return False
