# SPDX-License-Identifier: GPL-3.0-or-later
"""What failed, foreign or ill-declared builds leave, and what becomes of it."""

from __future__ import annotations

import threading

import psycopg2.errors
import pytest

from tests.operations.conftest import Performed, RunOperation
from tests.operations.postgres_server import execute

from .acts import assert_intact, ended_after, rows, somebody, until, value
from .conftest import Place

AMOUNT = {"name": "orders_amount", "table": "orders", "columns": ["amount"]}
DEFINITION_SQL = "SELECT pg_get_indexdef('orders_amount'::regclass)"


def build(run_operation: RunOperation, place: Place, **index: object) -> Performed:
    return run_operation("pg_index", {"database_url": place.url, "indexes": [{**AMOUNT, **index}]})


def test_an_invalid_index_of_that_name_is_no_index(run_operation: RunOperation, everywhere: Place) -> None:
    """IF NOT EXISTS goes by the name alone: it would report success for ever, and no query would be faster."""
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(everywhere.url, "CREATE UNIQUE INDEX CONCURRENTLY orders_amount ON orders (tenant_id)")
    assert (
        value(everywhere.url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_amount'::regclass") is False
    )
    execute(everywhere.url, "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_amount ON orders (amount)")  # the trap
    performed = build(run_operation, everywhere)
    assert not performed.failed, performed.message
    assert value(everywhere.url, DEFINITION_SQL) == "CREATE INDEX orders_amount ON public.orders USING btree (amount)"
    assert_intact(everywhere.url)


def test_a_unique_index_that_cannot_be_leaves_nothing(run_operation: RunOperation, everywhere: Place) -> None:
    """An invalid unique index refuses the app's next rows although nobody asked for it any more."""
    performed = build(run_operation, everywhere, columns=["tenant_id"], unique=True)
    assert performed.failed
    assert "keys of (tenant_id)" in performed.message
    assert value(everywhere.url, "SELECT to_regclass('orders_amount')") is None
    execute(everywhere.url, "INSERT INTO orders VALUES (1, 1)", "DELETE FROM orders WHERE id = 1")
    assert_intact(everywhere.url)


def test_somebody_elses_build_is_left_alone(run_operation: RunOperation, place: Place) -> None:
    """Its index is invalid until it is done: a tidy mind that drops it destroys an hour of a colleague's work."""
    failures: list[str] = []

    def build_theirs() -> None:
        try:
            execute(place.url, "CREATE INDEX CONCURRENTLY orders_theirs ON orders (amount, tenant_id)")
        except psycopg2.Error as error:
            failures.append(str(error))

    theirs = threading.Thread(target=build_theirs)
    with somebody(place.url, "UPDATE orders SET amount = 0 WHERE id = 2") as writer:
        theirs.start()
        until(place.url, "SELECT count(*) = 1 FROM pg_stat_progress_create_index")
        with ended_after(writer, 2.0):
            first = build(run_operation, place)
        theirs.join()
    assert failures == []
    again = build(run_operation, place) if first.failed else first
    assert not again.failed, again.message
    assert value(place.url, "SELECT to_regclass('orders_theirs') IS NOT NULL")
    assert_intact(place.url)


def test_an_old_transaction_elsewhere_does_not_break_a_build(run_operation: RunOperation, place: Place) -> None:
    """CREATE INDEX CONCURRENTLY waits for every older transaction of the database, whatever table it is about."""
    execute(place.url, "CREATE TABLE elsewhere (id integer)")
    with (
        somebody(place.url, "SELECT count(*) FROM elsewhere", isolation="REPEATABLE READ") as reader,
        ended_after(reader, 1.0),
    ):
        performed = build(run_operation, place)
    assert not performed.failed, performed.message
    assert_intact(place.url)


def test_reindex_goes_round_what_it_cannot_rebuild(run_operation: RunOperation, place: Place) -> None:
    """An exclusion constraint's index cannot be rebuilt concurrently; the others must be all the same."""
    execute(
        place.url,
        "CREATE TABLE rooms (id integer PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&))",
        "INSERT INTO rooms SELECT n, int4range(n, n + 1) FROM generate_series(1, 1000) AS n",
    )
    files = "SELECT relname, pg_relation_filenode(oid) FROM pg_class WHERE relname LIKE 'rooms%' AND relkind = 'i'"
    before = dict(rows(place.url, files))
    performed = run_operation("pg_reindex", {"database_url": place.url, "tables": ["rooms"]})
    assert not performed.failed, performed.message
    after = dict(rows(place.url, files))
    assert [name for name in before if after[name] != before[name]] == ["rooms_pkey"]


@pytest.mark.parametrize("leftover", ["orders_tenant_ccnew", "orders_tenant_ccold1"])
def test_leftovers_of_a_reindex_are_removed(run_operation: RunOperation, place: Place, leftover: str) -> None:
    """Each is another index that every write has to maintain."""
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(place.url, f"CREATE UNIQUE INDEX CONCURRENTLY {leftover} ON orders (tenant_id)")
    performed = run_operation("pg_reindex", {"database_url": place.url, "tables": ["orders"]})
    assert not performed.failed, performed.message
    assert value(place.url, f"SELECT to_regclass('{leftover}')") is None
    assert_intact(place.url)


def test_leftovers_of_pg_repack_are_named(run_operation: RunOperation, place: Place) -> None:
    """Its trigger writes into a table that may be gone; to drop it takes an exclusive lock, and a person's decision."""
    execute(
        place.url,
        "CREATE SCHEMA repack",
        "CREATE TABLE repack.log_1 (id bigint)",
        "CREATE FUNCTION repack.repack_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER repack_trigger AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION repack.repack_trigger()",
    )
    before = value(place.url, "SELECT pg_relation_filenode('orders')")
    options = {"database_url": place.url, "tables": ["orders"], "remedies": {"orders": "vacuum_full"}}
    [table] = run_operation("pg_repair", options).result["tables"]
    assert table["outcome"] == "postponed"
    assert "repack" in table["blocker"]
    assert value(place.url, "SELECT pg_relation_filenode('orders')") == before
    assert value(place.url, "SELECT count(*) FROM pg_trigger WHERE tgname = 'repack_trigger'") == 1
