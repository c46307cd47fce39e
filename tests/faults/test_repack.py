# SPDX-License-Identifier: GPL-3.0-or-later
"""REPACK (CONCURRENTLY), on PostgreSQL 19, while customers go on writing."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg2
import pytest

from benchmarks.clients import WRITE, Client
from tests.operations.conftest import Performed, RunOperation

from . import acts
from .acts import IDS, STALL_S, alive, assert_intact, killed, somebody, value
from .conftest import Place

REPACKING = "SELECT pid FROM pg_stat_progress_repack"


@pytest.fixture
def place(with_repack_url: str, server_of_major: acts.Servers) -> Place:
    """The place on PostgreSQL 19."""
    acts.bloat(with_repack_url)
    return Place(with_repack_url, server_of_major(19))


def repack(run_operation: RunOperation, place: Place, **options: object) -> Performed:
    common = {"database_url": place.url, "tables": ["orders"], "allowed_remedies": ["repack"]}
    return run_operation("pg_repair", {**common, **options})


@pytest.mark.needs("PostgreSQL 19")
def test_repack_gives_the_space_back_while_a_client_writes(run_operation: RunOperation, place: Place) -> None:
    """It is chosen because nobody has to wait; so nobody must, no write may be lost, and its progress must be seen."""
    before = value(place.url, "SELECT pg_total_relation_size('orders')")
    writer = Client(place.url, WRITE.format("orders"), IDS, 50)
    phases: set[str] = set()
    over = threading.Event()

    def look() -> None:
        with closing(psycopg2.connect(place.superuser_url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not over.wait(0.002):
                cursor.execute("SELECT phase FROM pg_stat_progress_repack WHERE command = 'REPACK'")
                phases.update(row[0] for row in cursor.fetchall())

    looker = threading.Thread(target=look)
    looker.start()
    writer.start()
    performed = repack(run_operation, place)
    writer.stop()
    over.set()
    looker.join()
    assert not performed.failed, performed.message
    [table] = performed.result["tables"]
    assert (table["remedy"], table["outcome"]) == ("repack", "done")
    assert value(place.url, "SELECT pg_total_relation_size('orders')") < before * 0.75
    assert phases & {"seq scanning heap", "rebuilding index", "catch-up"}
    assert max(writer.latencies_s) < STALL_S
    assert value(place.url, "SELECT sum(amount) FROM orders") == len(writer.latencies_s)
    assert value(place.url, "SELECT count(*) FROM pg_replication_slots") == 0
    assert_intact(place.url)


@pytest.mark.needs("PostgreSQL 19")
def test_a_killed_repack_leaves_the_table_and_no_slot(run_operation: RunOperation, place: Place) -> None:
    """A slot that stays keeps all WAL from then on, until the disk is full."""
    before = value(place.url, "SELECT pg_relation_filenode('orders')")
    with (
        somebody(place.url, "UPDATE orders SET amount = 0 WHERE id = 2") as writer,
        killed(place.superuser_url, place.url, REPACKING) as hit,
    ):
        performed = repack(run_operation, place, max_transaction_seconds=600)
        assert alive(writer)
    assert hit
    assert performed.failed
    assert value(place.url, "SELECT pg_relation_filenode('orders')") == before
    acts.until(place.url, "SELECT count(*) = 0 FROM pg_replication_slots")
    assert_intact(place.url)
