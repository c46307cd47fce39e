# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairing tables on a live PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from .conftest import Performed, RunOperation
from .database_helpers import Client, bloat, sql

FILES_SQL = "SELECT pg_relation_filenode('invoices'), pg_total_relation_size('invoices')"
QUICK = {"lock_attempts": 2, "gate_wait_seconds": 0.2}


def closed_window() -> str:
    """A window that opens for a minute, half a day from now."""
    opens = datetime.now(UTC) + timedelta(hours=12)
    return f"{opens:%H:%M}-{opens + timedelta(minutes=1):%H:%M} UTC"


@contextmanager
def held(url: str, statement: str, name: str = "somebody's report") -> Iterator[None]:
    """A transaction of somebody else that has run ``statement`` and stays open."""
    holder = psycopg2.connect(url, application_name=name)
    with holder.cursor() as cursor:
        cursor.execute(statement)
        yield
    holder.close()


@pytest.fixture
def repair(run_operation: RunOperation) -> Callable[..., dict[str, Any]]:
    """``repair(url, option=…)`` repairs ``invoices`` and gives its entry of the evidence."""

    def perform(url: str, **options: Any) -> dict[str, Any]:
        result = run_operation("pg_repair", {"tables": ["invoices"], "database_url": url, **options}).result
        (table,) = result["tables"]
        return dict(table)

    return perform


Repairing = Callable[..., dict[str, Any]]


def test_repair_rewrites_what_pays_and_is_idempotent(repair: Repairing, every_major_owner_url: str) -> None:
    """The file must really get smaller, a second run must find nothing to do, and index-only scans must work."""
    bloat(every_major_owner_url)
    first = repair(every_major_owner_url)
    assert (first["remedy"], first["outcome"]) == ("vacuum_full", "done")
    assert first["size_after_bytes"] < first["size_before_bytes"] / 4
    assert first["got_back_bytes"] == first["size_before_bytes"] - first["size_after_bytes"]
    assert {each["remedy"] for each in first["considered"]} > {"compact", "reindex", "repack", "pg_repack"}
    second = repair(every_major_owner_url)
    assert (second["outcome"], second["changed"], second["statements"]) == ("nothing", False, [])
    explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(id) FROM invoices WHERE id < 300"
    plan = "\n".join(line for (line,) in sql(every_major_owner_url, explain))
    assert "Index Only Scan" in plan
    assert "Heap Fetches: 0" in plan


def test_where_a_lock_is_too_dear_the_space_comes_back_online(repair: Repairing, every_major_owner_url: str) -> None:
    """A table that may not be locked: its space comes back all the same, in the same file, and its indexes' too."""
    bloat(every_major_owner_url)
    (before,) = sql(every_major_owner_url, FILES_SQL)
    table = repair(every_major_owner_url, max_lock_seconds=0.0)
    assert (table["remedy"], table["outcome"]) == ("compact", "done")
    assert table["compaction"]["moved_rows"] > 0
    assert table["size_after_bytes"] < table["size_before_bytes"] / 3
    assert sql(every_major_owner_url, FILES_SQL)[0][0] == before[0]
    assert sql(every_major_owner_url, "SELECT count(*) FROM invoices") == [(4000,)]
    again = repair(every_major_owner_url, max_lock_seconds=0.0)
    assert (again["outcome"], again["changed"], again["statements"]) == ("nothing", False, [])


def test_only_a_bloated_index_is_rebuilt(repair: Repairing, every_major_owner_url: str) -> None:
    """The heap is full: to rewrite it would be hours of I/O for nothing."""
    sql(
        every_major_owner_url,
        "CREATE TABLE invoices (id int, tenant_id int, note text) WITH (autovacuum_enabled = false, fillfactor = 100)",
        "CREATE INDEX airy ON invoices (id) WITH (fillfactor = 10)",
        "INSERT INTO invoices SELECT i, i % 50, repeat('x', 100) FROM generate_series(1, 40000) i",
        "CREATE INDEX full_one ON invoices (tenant_id)",
        "ALTER INDEX airy SET (fillfactor = 90)",
        "VACUUM ANALYZE invoices",
    )
    (before,) = sql(every_major_owner_url, FILES_SQL)
    table = repair(every_major_owner_url)
    assert (table["remedy"], table["outcome"], table["indexes"]) == ("reindex", "done", ["public.airy"])
    assert table["statements"] == ["REINDEX INDEX CONCURRENTLY public.airy"]
    assert table["got_back_bytes"] > 1 << 20
    assert sql(every_major_owner_url, FILES_SQL)[0][0] == before[0]


def test_an_index_that_cannot_be_rebuilt_concurrently_is_left(repair: Repairing, bloated_url: str) -> None:
    """REINDEX CONCURRENTLY fails on exclusion constraints; an invalid index is somebody's decision to make."""
    sql(bloated_url, "ALTER TABLE invoices ADD CONSTRAINT one_id EXCLUDE (id WITH =)")
    table = repair(bloated_url, remedies={"invoices": "reindex"})
    assert table["outcome"] == "done"
    assert table["indexes"] == ["public.invoices_pkey"]


def test_toast_comes_back_by_a_rewrite(repair: Repairing, every_major_owner_url: str) -> None:
    """Documents of many pages: the heap is small and full, and all the waste is in TOAST."""
    sql(
        every_major_owner_url,
        "CREATE TABLE invoices (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = false)",
        "ALTER TABLE invoices ALTER note SET STORAGE EXTERNAL",
        "INSERT INTO invoices SELECT i, repeat('x', 20000) FROM generate_series(1, 300) i",
        "UPDATE invoices SET note = repeat('y', 100) WHERE id % 10 <> 0",
    )
    table = repair(every_major_owner_url, min_wasted_percent=50)
    assert (table["remedy"], table["outcome"]) == ("vacuum_full", "done")
    assert "TOAST: " in table["reason"]
    assert table["got_back_bytes"] > 3 << 20


def test_check_mode_plans_the_same_and_touches_nothing(run_operation: RunOperation, bloated_url: str) -> None:
    """A user decides on what --check prints: it must be the real plan, and must not be carried out."""
    before = sql(bloated_url, FILES_SQL)
    performed: Performed = run_operation("pg_repair", {"tables": ["invoices"], "database_url": bloated_url}, check=True)
    assert performed.result["changed"] is True
    assert performed.result["tables"][0]["outcome"] == "planned"
    assert any("would: VACUUM (FULL, SKIP_LOCKED) public.invoices" in line for line in performed.lines)
    assert sql(bloated_url, FILES_SQL) == before


def test_a_long_select_stalls_nobody_behind_us(run_operation: RunOperation, bloated_url: str) -> None:
    """A rewrite that queues behind a SELECT stops every customer for as long as that SELECT runs."""
    options = {"lock_attempts": 8, "max_transaction_seconds": 60.0}
    with held(bloated_url, "SELECT count(*) FROM invoices"), Client(bloated_url) as client:
        (table,) = run_operation("pg_repair", {"tables": ["invoices"], "database_url": bloated_url, **options}).result[
            "tables"
        ]
    assert client.longest_ms < 1500
    assert (table["remedy"], table["outcome"], table["changed"]) == ("vacuum_full", "postponed", False)
    assert (table["attempts"], "somebody's report" in table["blocker"]) == (8, True)


def test_a_table_that_gets_free_is_repaired_after_all(repair: Repairing, bloated_url: str) -> None:
    """A report of a few seconds must not cost the table its repair."""
    holder = psycopg2.connect(bloated_url)
    with holder.cursor() as cursor, Client(bloated_url) as client:
        cursor.execute("SELECT count(*) FROM invoices")
        threading.Timer(1.5, holder.close).start()
        table = repair(bloated_url, max_transaction_seconds=60.0)
    assert table["outcome"] == "done"
    assert table["attempts"] > 1
    assert client.longest_ms < 1500


def test_a_vacuum_that_was_skipped_is_no_vacuum(repair: Repairing, every_major_owner_url: str) -> None:
    """SKIP_LOCKED ends with success and a warning: whoever believes it has dead rows for ever."""
    bloat(every_major_owner_url)
    with held(every_major_owner_url, "LOCK TABLE invoices IN SHARE UPDATE EXCLUSIVE MODE"):
        table = repair(every_major_owner_url, remedies={"invoices": "vacuum"}, lock_attempts=2)
    assert table["outcome"] == "postponed"
    assert "somebody's report" in table["blocker"]
    assert repair(every_major_owner_url, remedies={"invoices": "vacuum"})["outcome"] == "done"


def test_an_old_snapshot_postpones_the_rewrite(repair: Repairing, bloated_url: str) -> None:
    """VACUUM FULL under an old snapshot copies the dead rows too, and locks the table for nothing."""
    with held(bloated_url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1"):
        table = repair(bloated_url, max_transaction_seconds=0.1, gate_wait_seconds=0.5)
    assert table["outcome"] == "postponed"
    assert "somebody's report" in table["blocker"]


def test_our_rewrite_is_cancelled_when_others_wait_too_long(repair: Repairing, bloated_url: str) -> None:
    """The app must not stall for the whole of a rewrite that takes longer than was allowed."""
    sql(bloated_url, "INSERT INTO invoices SELECT -i, 1, now(), repeat('y', 300) FROM generate_series(1, 600000) i")
    sql(bloated_url, "DELETE FROM invoices WHERE id < -300000")
    before = sql(bloated_url, FILES_SQL)
    with Client(bloated_url) as client:
        table = repair(bloated_url, max_blocking_ms=50, remedies={"invoices": "vacuum_full"})
    assert client.longest_ms < 1500
    assert (table["outcome"], table["changed"]) == ("postponed", False)
    assert table["longest_stall_ms"] >= 50
    assert sql(bloated_url, FILES_SQL) == before


def test_a_closed_window_is_kept(repair: Repairing, bloated_url: str) -> None:
    """Who declares a window expects no exclusive lock outside of it, not even one that somebody asked for."""
    chosen = repair(bloated_url, window=closed_window(), allowed_remedies=["vacuum", "vacuum_full"])
    assert chosen["remedy"] == "vacuum"
    assert "the window is closed" in chosen["reason"]
    forced = repair(bloated_url, window=closed_window(), remedies={"invoices": "vacuum_full"})
    assert forced["outcome"] == "postponed"
    assert "the window opens" in forced["blocker"]
    assert repair(bloated_url, window=closed_window(), ignore_window=True)["remedy"] == "vacuum_full"


def test_what_is_forbidden_is_not_done(repair: Repairing, bloated_url: str) -> None:
    """A person knows what the catalogue does not."""
    table = repair(bloated_url, forbidden_remedies={"invoices": ["vacuum_full", "compact"]})
    assert table["remedy"] == "vacuum"
    assert "forbidden for this table" in table["reason"]


def test_what_is_asked_for_and_impossible_is_postponed_with_the_reason(repair: Repairing, bloated_url: str) -> None:
    """A person's choice is never replaced in silence, nor tried where it cannot be."""
    table = repair(bloated_url, remedies={"invoices": "pg_repack"})
    assert (table["remedy"], table["outcome"], table["changed"]) == ("pg_repack", "postponed", False)
    assert table["blocker"] == "the extension pg_repack is not installed"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"remedies": {"invoices": "vacuum_ful"}}, "'vacuum_ful' in db_maintenance_remedies, invoices does not exist"),
        ({"forbidden_remedies": {"invoices": ["all"]}}, "'all' in db_maintenance_forbidden_remedies"),
        ({"remedies": {"invoice": "nothing"}}, "names invoice, which is not among the tables"),
        ({"window": "23:00-02:00"}, "cannot be used"),
    ],
)
def test_a_typo_is_refused_before_anything_is_touched(
    operation_error: Callable[..., str], bloated_url: str, options: dict[str, Any], named: str
) -> None:
    """A typo must not let a table be locked that somebody had decided to leave."""
    assert named in operation_error("pg_repair", {"tables": ["invoices"], "database_url": bloated_url, **options})


@pytest.mark.parametrize("parallel", [1, 2])
def test_one_failure_is_no_loss_to_the_others(run_operation: RunOperation, bloated_url: str, parallel: int) -> None:
    """A failed VACUUM FULL has rolled itself back; the other tables are repaired, and the phase fails at the end."""
    sql(
        bloated_url,
        "CREATE TABLE folios AS SELECT * FROM invoices",
        "INSERT INTO folios SELECT i.* FROM invoices i, generate_series(1, 9)",
        "DELETE FROM folios WHERE ctid > '(50,0)'",
        "CREATE FUNCTION picky(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END'",
        "CREATE INDEX picky_one ON invoices (picky(id))",
        "CREATE OR REPLACE FUNCTION picky(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN RAISE EXCEPTION ''no more''; END'",
    )
    before = sql(bloated_url, FILES_SQL)
    performed = run_operation(
        "pg_repair",
        {
            "tables": ["invoices", "folios"],
            "database_url": bloated_url,
            "remedies": {"invoices": "vacuum_full", "folios": "vacuum_full"},
            "parallel": parallel,
        },
    )
    assert performed.failed
    assert "1 of 2 tables failed: public.invoices" in performed.message
    assert "no more" in performed.message
    tables = {table["name"]: table for table in performed.result["tables"]}
    assert tables["public.invoices"]["outcome"] == "failed"
    assert (tables["public.folios"]["outcome"], tables["public.folios"]["changed"]) == ("done", True)
    assert sql(bloated_url, FILES_SQL) == before


def test_several_at_a_time_never_lock_two(run_operation: RunOperation, bloated_url: str) -> None:
    """Two tables locked at once can stop an app that one locked table only slows down; online work may overlap."""
    names = [f"copy_{number}" for number in range(4)]
    for name in names:
        sql(bloated_url, f"CREATE TABLE {name} (LIKE invoices INCLUDING ALL)")
        sql(bloated_url, f"INSERT INTO {name} SELECT i, 1, now(), repeat('x', 200) FROM generate_series(1, 40000) i")
        sql(bloated_url, f"DELETE FROM {name} WHERE id % 10 <> 0")
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        locks = (
            "SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_class c ON c.oid = relation"
            " WHERE mode = 'AccessExclusiveLock' AND granted AND relname LIKE 'copy%' AND relkind = 'r'"
        )
        while not stop.wait(0.005):
            seen.append(int(sql(bloated_url, locks)[0][0]))

    thread = threading.Thread(target=watch)
    thread.start()
    result = run_operation(
        "pg_repair",
        {
            "tables": names,
            "database_url": bloated_url,
            "remedies": {**dict.fromkeys(names, "vacuum_full"), "copy_3": "compact"},
            "parallel": 4,
        },
    ).result
    stop.set()
    thread.join()
    assert [table["outcome"] for table in result["tables"]] == ["done"] * 4
    assert max(seen) <= 1


@pytest.mark.needs("PostgreSQL 19")
def test_repack_is_used_where_it_is_there_and_asked_for(repair: Repairing, with_repack_url: str) -> None:
    """On 19 a table's whole waste comes back online, by the server's own command."""
    bloat(with_repack_url)
    sql(with_repack_url, "ANALYZE invoices")
    with Client(with_repack_url) as client:
        table = repair(with_repack_url, allowed_remedies=["repack"])
    assert (table["remedy"], table["outcome"]) == ("repack", "done")
    assert table["size_after_bytes"] < table["size_before_bytes"] / 4
    assert client.longest_ms < 1500


@pytest.mark.needs("PostgreSQL 19")
def test_repack_is_refused_where_the_server_would_refuse_it(repair: Repairing, with_repack_url: str) -> None:
    """Without a key that identifies rows it fails; the reason has to stand in the evidence, not in the server's log."""
    bloat(with_repack_url)
    sql(with_repack_url, "ALTER TABLE invoices DROP CONSTRAINT invoices_pkey", "ANALYZE invoices")
    table = repair(with_repack_url, remedies={"invoices": "repack"})
    assert table["outcome"] == "postponed"
    assert "neither a primary key" in table["blocker"]
