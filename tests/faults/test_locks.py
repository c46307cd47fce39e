# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody works on the table: we give way, and nobody waits for us."""

from __future__ import annotations

import pytest

from benchmarks.clients import READ, WRITE, Client
from tests.operations.conftest import RunOperation
from tests.operations.postgres_server import execute

from .acts import IDS, LIVE_ROWS, STALL_S, alive, assert_intact, ended_after, somebody, value
from .conftest import Place


@pytest.mark.parametrize("remedy", ["vacuum_full", "compact"])
def test_a_long_query_stalls_nobody(run_operation: RunOperation, everywhere: Place, remedy: str) -> None:
    """Behind a VACUUM FULL that queues for its lock everybody waits, for as long as the query ahead of it takes."""
    clients = [Client(everywhere.url, statement.format("orders"), IDS, 50) for statement in (READ, WRITE)]
    options = {
        "database_url": everywhere.url,
        "tables": ["orders"],
        "remedies": {"orders": remedy},
        "lock_attempts": 4,
        "max_transaction_seconds": 600,  # not this gate, but the lock itself
    }
    with (
        somebody(everywhere.url, "SELECT count(*) FROM orders") as reader,
        ended_after(reader, 4.0),
    ):
        for client in clients:
            client.start()
        performed = run_operation("pg_repair", options)
        for client in clients:
            client.stop()
        assert alive(reader), "nobody else's session is ever killed"
    assert not performed.failed, performed.message
    [table] = performed.result["tables"]
    assert max(latency for client in clients for latency in client.latencies_s) < STALL_S
    assert table["outcome"] in {"done", "postponed"}
    if table["outcome"] == "postponed":
        assert "somebody's report" in table["blocker"]
    assert value(everywhere.url, "SELECT sum(amount) FROM orders") == len(clients[1].latencies_s)
    assert_intact(everywhere.url)


def test_an_idle_transaction_postpones_a_rewrite(run_operation: RunOperation, place: Place) -> None:
    """A rewrite under an old snapshot copies the dead rows, too: a lock for nothing."""
    before = value(place.url, "SELECT pg_relation_filenode('orders')")
    with somebody(place.url, "SELECT 1", isolation="REPEATABLE READ") as idle:
        performed = run_operation(
            "pg_repair",
            {
                "database_url": place.url,
                "tables": ["orders"],
                "remedies": {"orders": "vacuum_full"},
                "max_transaction_seconds": 0,
                "gate_wait_seconds": 1,
            },
        )
        assert alive(idle)
    [table] = performed.result["tables"]
    assert table["outcome"] == "postponed"
    assert "somebody's report" in table["blocker"]
    assert value(place.url, "SELECT pg_relation_filenode('orders')") == before


def test_vacuum_leaves_the_empty_end_to_others(run_operation: RunOperation, place: Place) -> None:
    """To cut the empty end off, VACUUM takes an exclusive lock for which everybody would wait."""
    execute(place.url, f"DELETE FROM orders WHERE id > {LIVE_ROWS}")
    pages = value(place.url, "SELECT pg_relation_size('orders')")
    with somebody(place.url, "SELECT 1 FROM orders LIMIT 1"):
        performed = run_operation(
            "pg_repair", {"database_url": place.url, "tables": ["orders"], "remedies": {"orders": "vacuum"}}
        )
    assert not performed.failed, performed.message
    assert value(place.url, "SELECT pg_relation_size('orders')") == pages


def test_the_roles_own_timeouts_do_not_break_a_build(run_operation: RunOperation, place: Place) -> None:
    """A role's short lock_timeout ends CREATE INDEX CONCURRENTLY while it waits for others, and leaves it invalid."""
    role = value(place.url, "SELECT current_user")
    for timeout in ("lock_timeout", "statement_timeout"):
        execute(place.superuser_url, f"ALTER ROLE {role} SET {timeout} = '100ms'")
    options = {
        "database_url": place.url,
        "indexes": [{"name": "orders_amount", "table": "orders", "columns": ["amount"]}],
    }
    with (
        somebody(place.url, "UPDATE orders SET amount = 1 WHERE id = 2") as writer,
        ended_after(writer, 1.0),
    ):
        performed = run_operation("pg_index", options)
    assert not performed.failed, performed.message
    execute(place.superuser_url, f"ALTER ROLE {role} RESET ALL")
    assert_intact(place.url)
