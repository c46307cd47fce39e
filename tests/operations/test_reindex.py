# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes rebuilt because the database is slow now, or on request, on a live PostgreSQL of every major."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run

from .conftest import Performed, RunOperation
from .database_helpers import sql

INDEXES_SQL = """
SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'items'::regclass ORDER BY 1
"""
BOTH_VALID = [("items_note", True), ("items_pkey", True)]
SLOW = ["the plan of list is worse"]

Reindex = Callable[..., Performed]


@pytest.fixture
def url(every_major_owner_url: str) -> str:
    """A table ``items`` whose two indexes are nine tenths air."""
    sql(
        every_major_owner_url,
        "CREATE TABLE items (id int PRIMARY KEY, note text)",
        "CREATE INDEX items_note ON items (note)",
        "INSERT INTO items SELECT i, 'note ' || i FROM generate_series(1, 30000) i",
        "DELETE FROM items WHERE id % 10 <> 0",
        "VACUUM items",
    )
    return every_major_owner_url


@pytest.fixture
def reindex(run_operation: RunOperation, url: str) -> Reindex:
    """``reindex(tables=…, run=…)`` runs the operation."""

    def perform(run: Run | None = None, *, check: bool = False, **options: Any) -> Performed:
        return run_operation("pg_reindex", {**options, "database_url": url}, run=run, check=check)

    return perform


def touched(run: Run, **changed: bool) -> None:
    """Write the evidence of a repair, as the database phase does."""
    tables = [{"name": f"public.{name}", "changed": flag} for name, flag in changed.items()]
    run.write("maintenance.tables", {"tables": tables}, "2026-11-24T06:00:00.000+00:00")


def test_the_indexes_are_rebuilt_one_by_one_and_stay_valid(reindex: Reindex, url: str) -> None:
    """The rescue must not make it worse: same indexes, all valid, smaller, nothing left behind."""
    result = reindex(tables=["items"]).result
    assert sorted(result["statements"]) == [
        "ANALYZE public.items",
        "REINDEX INDEX CONCURRENTLY public.items_note",
        "REINDEX INDEX CONCURRENTLY public.items_pkey",
    ]
    assert result["statements"][-1] == "ANALYZE public.items"
    assert all(index["size_after_bytes"] < index["size_before_bytes"] / 3 for index in result["indexes"])
    assert len(result["undone"]) == 1
    assert sql(url, INDEXES_SQL) == BOTH_VALID


def test_check_mode_says_the_sql_and_touches_nothing(reindex: Reindex, url: str) -> None:
    """What --check prints is what users decide on."""
    files = "SELECT pg_relation_filenode('items_pkey'), pg_relation_filenode('items_note')"
    before = sql(url, files)
    performed = reindex(tables=["items"], check=True)
    assert any("would: REINDEX INDEX CONCURRENTLY public.items_pkey" in line for line in performed.lines)
    assert performed.result["changed"] is True
    assert set(performed.result) == set(reindex(tables=["items"]).result)
    assert sql(url, files) != before  # the second one did it


def test_a_phase_that_failed_for_another_reason_needs_no_reindexing(reindex: Reindex, run: Run) -> None:
    """A VACUUM FULL that failed has rolled itself back: an hour of rebuilding would be for nothing."""
    touched(run, items=True)
    performed = reindex(run, evidence="rollback.reindex")
    assert performed.result["changed"] is False
    assert performed.result["undone"] == []
    assert any("rolled itself back" in line for line in performed.lines)
    assert "rolled itself back" in (run.read("rollback") or {})["reindex"]["note"]


def test_a_slow_database_has_the_touched_tables_reindexed(reindex: Reindex, run: Run) -> None:
    """Those that were repaired and those whose indexes were changed; not the others."""
    assert reindex(run, because=SLOW).result["note"] == "this run has touched no table"
    touched(run, items=True, other=False)
    assert reindex(run, because=SLOW).result["tables"] == ["public.items"]
    touched(run, items=False)
    index = {"name": "i", "table": "public.items", "changed": True}
    run.write("indexes", {"indexes": [index, {**index, "table": "x", "changed": False}]}, "2026-11-24T06:00:00+00:00")
    assert reindex(run, because=SLOW).result["tables"] == ["public.items"]


def test_nothing_to_do_is_said(reindex: Reindex) -> None:
    """An empty list in an inventory must not look like a rebuilt database."""
    performed = reindex(tables=[])
    assert performed.result["changed"] is False
    assert any("no table is given" in line for line in performed.lines)


def test_a_misspelt_table_is_refused_before_anything_is_rebuilt(reindex: Reindex, url: str) -> None:
    """A typo in the second table must not be found after an hour with the first."""
    before = sql(url, "SELECT pg_relation_filenode('items_pkey')")
    performed = reindex(tables=["items", "item"])
    assert "did you mean" in performed.message
    assert sql(url, "SELECT pg_relation_filenode('items_pkey')") == before


def test_a_rebuild_that_is_cancelled_leaves_nothing_behind(reindex: Reindex, url: str) -> None:
    """`_ccnew` costs every write and serves no read; the old index has to serve on."""
    with closing(psycopg2.connect(url)) as holder, holder.cursor() as cursor:
        cursor.execute("UPDATE items SET note = 'held' WHERE id = 10")
        cancelled = threading.Thread(target=cancel_when_it_waits, args=(url,))
        cancelled.start()
        threading.Thread(target=end_after_cancel, args=(cancelled, holder)).start()
        performed = reindex(tables=["items"])
        cancelled.join()
    assert performed.failed
    assert "was not rebuilt" in performed.message
    assert sql(url, INDEXES_SQL) == BOTH_VALID


def cancel_when_it_waits(url: str) -> None:
    """Cancel the first REINDEX that waits for somebody, as a person at a console would."""
    for _ in range(200):
        time.sleep(0.05)
        if sql(
            url,
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'REINDEX INDEX CONC%' AND wait_event_type = 'Lock'",
        ):
            return


def end_after_cancel(cancelled: threading.Thread, holder: psycopg2.extensions.connection) -> None:
    """End the transaction in the way once the REINDEX is cancelled: dropping its leftover waits for it too."""
    cancelled.join()
    time.sleep(0.2)
    holder.rollback()


def test_what_an_earlier_rebuild_left_is_removed(reindex: Reindex, url: str) -> None:
    """A controller that was killed in the middle leaves an invalid `_ccnew` on the table."""
    with closing(psycopg2.connect(url)) as holder, holder.cursor() as cursor:
        cursor.execute("UPDATE items SET note = 'held' WHERE id = 10")
        with pytest.raises(psycopg2.Error):
            sql(url, "SET statement_timeout = '300ms'", "REINDEX INDEX CONCURRENTLY items_note")
    assert len(sql(url, INDEXES_SQL)) == 3
    performed = reindex(tables=["items"])
    assert any("an earlier rebuild had left it" in line for line in performed.lines)
    assert sql(url, INDEXES_SQL) == BOTH_VALID


def test_an_exclusion_constraint_is_left_and_said(reindex: Reindex, url: str) -> None:
    """It can only be rebuilt under a lock that stops the app, so nobody does that in passing."""
    sql(url, "ALTER TABLE items ADD COLUMN span int4range", "ALTER TABLE items ADD EXCLUDE USING gist (span WITH &&)")
    performed = reindex(tables=["items"])
    assert performed.failed is False
    assert len(performed.result["indexes"]) == 2
    assert any("exclusion constraint" in line for line in performed.lines)


def test_a_table_that_somebody_works_on_for_long_is_not_begun(reindex: Reindex, url: str) -> None:
    """CONCURRENTLY would wait behind it for as long as it takes, and autovacuum behind both."""
    with closing(psycopg2.connect(url, application_name="somebody's report")) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM items")
        time.sleep(0.3)  # older than the limit, or the rebuild would be begun, and wait for this very test
        performed = reindex(tables=["items"], max_transaction_seconds=0.1, gate_wait_seconds=1)
    assert performed.failed
    assert "somebody's report" in performed.message
    assert performed.result["indexes"] == []


def test_a_partitioned_tables_indexes_are_rebuilt_in_its_partitions(reindex: Reindex, url: str) -> None:
    """REINDEX of a partitioned index is not for every major, and would not go index by index."""
    sql(
        url,
        "CREATE TABLE events (id int, at date) PARTITION BY RANGE (at)",
        "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "CREATE INDEX ON events (id)",
    )
    assert reindex(tables=["events"]).result["statements"] == [
        "REINDEX INDEX CONCURRENTLY public.events_2026_id_idx",
        "ANALYZE public.events_2026",
    ]
