# SPDX-License-Identifier: GPL-3.0-or-later
"""Our session is killed in the middle of its statement: by an administrator, a failover, or a server out of memory."""

from __future__ import annotations

import pytest

from tests.operations.conftest import Performed, RunOperation

from .acts import BUILDING, COMPACTING, REWRITING, assert_intact, killed, rows, somebody, until, value
from .conftest import Place

INDEX = {"name": "orders_amount", "table": "orders", "columns": ["amount"]}


def repair(run_operation: RunOperation, place: Place, remedy: str) -> Performed:
    return run_operation("pg_repair", {"database_url": place.url, "tables": ["orders"], "remedies": {"orders": remedy}})


@pytest.mark.parametrize(("remedy", "statement"), [("vacuum_full", REWRITING), ("compact", COMPACTING)])
def test_a_killed_repair_needs_no_rescue(
    run_operation: RunOperation, everywhere: Place, remedy: str, statement: str
) -> None:
    """A failed VACUUM FULL left the table as it was, a COMPACT keeps what it has moved: both can just be run again."""
    before = value(everywhere.url, "SELECT pg_relation_filenode('orders')")
    with killed(everywhere.superuser_url, everywhere.url, statement) as hit:
        performed = repair(run_operation, everywhere, remedy)
    assert hit
    assert performed.failed
    assert value(everywhere.url, "SELECT pg_relation_filenode('orders')") == before
    assert_intact(everywhere.url)
    again = repair(run_operation, everywhere, remedy)
    assert again.result["tables"][0]["got_back_bytes"] > 0
    assert_intact(everywhere.url)


def test_a_killed_build_ends_with_one_valid_index(run_operation: RunOperation, everywhere: Place) -> None:
    """An invalid index slows each write down and serves no query, and IF NOT EXISTS would keep it for ever."""
    options = {"database_url": everywhere.url, "indexes": [INDEX]}
    with (
        somebody(everywhere.url, "UPDATE orders SET amount = 1 WHERE id = 2") as writer,
        killed(everywhere.superuser_url, everywhere.url, BUILDING, writer.rollback) as hit,
    ):
        performed = run_operation("pg_index", options)
    assert hit
    assert performed.failed
    again = run_operation("pg_index", options)
    assert not again.failed, again.message
    assert rows(
        everywhere.url, "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'orders'::regclass"
    ) == [
        ("orders_pkey",),
        ("orders_tenant",),
        ("orders_amount",),
    ]
    assert_intact(everywhere.url)
    assert run_operation("pg_index", options).result["changed"] is False


def test_a_killed_reindex_leaves_no_copies(run_operation: RunOperation, everywhere: Place) -> None:
    """REINDEX CONCURRENTLY leaves an invalid `_ccnew` or `_ccold`, which doubles the cost of each write."""
    options = {"database_url": everywhere.url, "tables": ["orders"]}
    with (
        somebody(everywhere.url, "UPDATE orders SET amount = 1 WHERE id = 2") as writer,
        killed(everywhere.superuser_url, everywhere.url, BUILDING, writer.rollback) as hit,
    ):
        performed = run_operation("pg_reindex", options)
    assert hit
    assert performed.failed
    until(everywhere.url, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'pitstop%'")
    again = run_operation("pg_reindex", options)
    assert not again.failed, again.message
    assert_intact(everywhere.url)
    leftovers = "SELECT relname FROM pg_class WHERE relname ~ '_cc(new|old)[0-9]*$'"
    assert rows(everywhere.url, leftovers) == []
