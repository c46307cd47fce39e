# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairing tables on a live PostgreSQL."""

from __future__ import annotations

import threading
import time

import psycopg2

from .conftest import Performed, RunOperation
from .database_helpers import sql


def test_repair_rewrites_what_pays_and_is_idempotent(run_operation: RunOperation, bloated_url: str) -> None:
    """The file must really get smaller, and a second run must find nothing to do."""
    options = {"tables": ["invoices"], "database_url": bloated_url}
    (first,) = run_operation("pg_repair", options).result["tables"]
    assert first["remedy"] == "vacuum_full"
    assert first["size_after_bytes"] < first["size_before_bytes"] / 4
    assert first["got_back_bytes"] == first["size_before_bytes"] - first["size_after_bytes"]
    second = run_operation("pg_repair", options).result
    assert second["changed"] is False
    assert second["tables"][0]["statements"] == []


def test_check_mode_plans_the_same_and_touches_nothing(run_operation: RunOperation, bloated_url: str) -> None:
    """A user decides on what --check prints: it must be the real plan, and must not be carried out."""
    before = sql(bloated_url, "SELECT pg_relation_filenode('invoices'), pg_total_relation_size('invoices')")
    performed: Performed = run_operation("pg_repair", {"tables": ["invoices"], "database_url": bloated_url}, check=True)
    assert performed.result["changed"] is True
    assert any("would: VACUUM (FULL, ANALYZE) public.invoices" in line for line in performed.lines)
    assert sql(bloated_url, "SELECT pg_relation_filenode('invoices'), pg_total_relation_size('invoices')") == before


def test_a_busy_table_is_postponed_with_the_blocker_named(run_operation: RunOperation, bloated_url: str) -> None:
    """A rewrite that waits for its lock makes every query behind it wait: Pitstop has to give way."""
    holder = psycopg2.connect(bloated_url, application_name="somebody's report")
    with holder.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM invoices")
        (table,) = run_operation(
            "pg_repair",
            {"tables": ["invoices"], "database_url": bloated_url, "lock_attempts": 2, "lock_timeout_ms": 20},
        ).result["tables"]
    holder.close()
    assert table["remedy"] == "postponed"
    assert table["changed"] is False
    assert "somebody's report" in table["blocker"]


def test_an_old_snapshot_postpones_the_rewrite(run_operation: RunOperation, bloated_url: str) -> None:
    """VACUUM FULL under an old snapshot copies the dead rows too, and locks the table for nothing."""
    holder = psycopg2.connect(bloated_url)
    holder.set_session(isolation_level="REPEATABLE READ")
    with holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_class LIMIT 1")
        time.sleep(0.3)
        (table,) = run_operation(
            "pg_repair", {"tables": ["invoices"], "database_url": bloated_url, "max_transaction_seconds": 0.1}
        ).result["tables"]
    holder.close()
    assert table["remedy"] == "postponed"
    assert "old transaction" in table["reason"]


def test_our_rewrite_is_cancelled_when_others_wait_too_long(run_operation: RunOperation, bloated_url: str) -> None:
    """The app must not stall for the whole of a rewrite that takes longer than was allowed."""
    sql(bloated_url, "INSERT INTO invoices SELECT -i, 1, now(), repeat('y', 300) FROM generate_series(1, 600000) i")
    sql(bloated_url, "DELETE FROM invoices WHERE id < -300000")
    waits: list[str] = []

    def client() -> None:
        time.sleep(0.4)
        waits.append(str(sql(bloated_url, "SELECT count(*) FROM invoices WHERE id = 10")))

    thread = threading.Thread(target=client)
    thread.start()
    (table,) = run_operation(
        "pg_repair", {"tables": ["invoices"], "database_url": bloated_url, "max_blocking_ms": 50}
    ).result["tables"]
    thread.join()
    assert waits == ["[(1,)]"]
    assert table["remedy"] == "postponed"
    assert table["longest_stall_ms"] >= 50
