# SPDX-License-Identifier: GPL-3.0-or-later
"""The database phase's operations against a live PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from .conftest import Performed, RunOperation

INDEX = {"name": "idx_list", "table": "invoices", "columns": ["tenant_id", "created_at DESC"]}


@pytest.fixture
def bloated_url(database_url: str, postgres_url: str) -> str:
    """A table ``invoices`` of which nine rows in ten are gone, and the extension that can tell."""
    as_superuser = urlsplit(postgres_url)._replace(path=urlsplit(database_url).path).geturl()
    _sql(as_superuser, "CREATE EXTENSION pgstattuple")
    _sql(as_superuser, f"GRANT pg_monitor TO {urlsplit(database_url).username}")
    _sql(
        database_url,
        "CREATE TABLE invoices (id int PRIMARY KEY, tenant_id int NOT NULL, created_at timestamptz, note text)"
        " WITH (autovacuum_enabled = false)",
        "INSERT INTO invoices SELECT i, i % 50, now() - i * interval '1 minute', repeat('x', 200)"
        " FROM generate_series(1, 40000) i",
        "DELETE FROM invoices WHERE id % 10 <> 0",
    )
    return database_url


@pytest.fixture
def operation_error(run_operation: RunOperation) -> Callable[..., str]:
    """The message of an operation that has to fail."""

    def perform(name: str, args: dict[str, Any]) -> str:
        performed = run_operation(name, args)
        assert performed.failed
        return performed.message

    return perform


def _sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def test_bloat_is_measured_in_bytes_although_a_vacuum_hid_it(run_operation: RunOperation, bloated_url: str) -> None:
    """After a plain VACUUM the dead-tuple percentage is 0; a user who trusts it would leave the air in place."""
    _sql(bloated_url, "VACUUM invoices")
    result = run_operation("pg_bloat", {"tables": ["invoices"], "database_url": bloated_url}).result
    (table,) = result["tables"]
    assert table["method"] == "pgstattuple"
    assert table["dead_rows"] == 0
    assert 85 < table["wasted_percent"] < 95


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
    before = _sql(bloated_url, "SELECT pg_relation_filenode('invoices'), pg_total_relation_size('invoices')")
    performed: Performed = run_operation("pg_repair", {"tables": ["invoices"], "database_url": bloated_url}, check=True)
    assert performed.result["changed"] is True
    assert any("would: VACUUM (FULL, ANALYZE) public.invoices" in line for line in performed.lines)
    assert _sql(bloated_url, "SELECT pg_relation_filenode('invoices'), pg_total_relation_size('invoices')") == before


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
    _sql(bloated_url, "INSERT INTO invoices SELECT -i, 1, now(), repeat('y', 300) FROM generate_series(1, 600000) i")
    _sql(bloated_url, "DELETE FROM invoices WHERE id < -300000")
    waits: list[str] = []

    def client() -> None:
        time.sleep(0.4)
        waits.append(str(_sql(bloated_url, "SELECT count(*) FROM invoices WHERE id = 10")))

    thread = threading.Thread(target=client)
    thread.start()
    (table,) = run_operation(
        "pg_repair", {"tables": ["invoices"], "database_url": bloated_url, "max_blocking_ms": 50}
    ).result["tables"]
    thread.join()
    assert waits == ["[(1,)]"]
    assert table["remedy"] == "postponed"
    assert table["longest_stall_ms"] >= 50


def test_an_unknown_table_is_refused_with_the_nearest_name(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A typo must not cost a run: the error says what was meant."""
    message = operation_error("pg_bloat", {"tables": ["invoice"], "database_url": bloated_url})
    assert "did you mean invoices?" in message or "did you mean public.invoices?" in message


@pytest.mark.parametrize(
    ("present", "found", "action"),
    [
        (None, "absent", "create"),
        ("CREATE INDEX idx_list ON invoices (tenant_id, created_at DESC)", "valid_same", "none"),
        ("CREATE INDEX idx_list ON invoices (tenant_id, created_at)", "valid_different", "replace"),
        ("CREATE UNIQUE INDEX idx_list ON invoices (tenant_id, created_at DESC)", "valid_different", "replace"),
    ],
)
def test_an_index_in_each_state_ends_valid_and_as_declared(
    run_operation: RunOperation, bloated_url: str, present: str | None, found: str, action: str
) -> None:
    """IF NOT EXISTS would be content with the name; users would keep an index that does not serve their query."""
    if present:
        _sql(bloated_url, present)
    options = {"indexes": [INDEX], "database_url": bloated_url}
    (entry,) = run_operation("pg_index", options).result["indexes"]
    assert (entry["found"], entry["action"]) == (found, action)
    rows = _sql(
        bloated_url,
        "SELECT indisvalid, indisunique, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = 'invoices'::regclass AND NOT indisprimary",
    )
    assert rows == [(True, False, "CREATE INDEX idx_list ON public.invoices USING btree (tenant_id, created_at DESC)")]
    assert run_operation("pg_index", options).result["changed"] is False


def test_an_invalid_index_is_rebuilt(run_operation: RunOperation, bloated_url: str) -> None:
    """What a cancelled build left is maintained on every write and serves no read."""
    holder = psycopg2.connect(bloated_url)
    with holder.cursor() as cursor:
        cursor.execute("UPDATE invoices SET note = 'z' WHERE id = 10")
        with pytest.raises(psycopg2.Error):
            _sql(
                bloated_url + "?options=-clock_timeout%3D100ms",
                "CREATE INDEX CONCURRENTLY idx_list ON invoices (tenant_id, created_at DESC)",
            )
    holder.rollback()
    holder.close()
    assert _sql(bloated_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_list'::regclass") == [(False,)]
    (entry,) = run_operation("pg_index", {"indexes": [INDEX], "database_url": bloated_url}).result["indexes"]
    assert entry["found"] == "invalid"
    assert _sql(bloated_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_list'::regclass") == [(True,)]


def test_an_index_that_cannot_be_built_leaves_none_behind(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A failed unique build leaves an INVALID index that may enforce uniqueness on the app's writes."""
    unique = {"name": "one_per_tenant", "table": "invoices", "columns": ["tenant_id"], "unique": True}
    message = operation_error("pg_index", {"indexes": [unique], "database_url": bloated_url})
    assert "one_per_tenant" in message
    assert "was removed" in message
    assert _sql(bloated_url, "SELECT to_regclass('one_per_tenant')") == [(None,)]


def test_a_wrong_declaration_is_refused_before_anything_is_built(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A mistake in the last index must not be found after an hour of building the first."""
    wrong = {"name": "idx_wrong", "table": "invoices", "columns": ["tenant"]}
    message = operation_error("pg_index", {"indexes": [INDEX, wrong], "database_url": bloated_url})
    assert 'column "tenant" does not exist' in message
    assert _sql(bloated_url, "SELECT to_regclass('idx_list')") == [(None,)]


def test_reindex_keeps_the_indexes_valid(run_operation: RunOperation, bloated_url: str) -> None:
    """The rescue must not make it worse: same indexes, all valid, no leftovers."""
    result = run_operation("pg_reindex", {"tables": ["invoices"], "database_url": bloated_url}).result
    assert result["statements"] == ["REINDEX TABLE CONCURRENTLY public.invoices", "ANALYZE public.invoices"]
    assert _sql(
        bloated_url, "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'invoices'::regclass"
    ) == [("invoices_pkey", True)]


def test_storage_parameters_are_compared_and_set(run_operation: RunOperation, bloated_url: str) -> None:
    """Declared once, they stay: a second run must not take a lock for nothing."""
    options = {"tables": {"invoices": {"autovacuum_vacuum_scale_factor": 0.01}}, "database_url": bloated_url}
    first = run_operation("pg_storage_parameters", options).result
    assert first["changes"][0]["before"] is None
    assert ("autovacuum_vacuum_scale_factor=0.01",) in _sql(
        bloated_url, "SELECT unnest(reloptions) FROM pg_class WHERE relname = 'invoices'"
    )
    assert run_operation("pg_storage_parameters", options).result["changed"] is False


def test_plans_are_asserted_without_changing_a_row(
    run_operation: RunOperation, operation_error: Callable[..., str], bloated_url: str
) -> None:
    """An EXPLAIN ANALYZE of the folio update must not hand out a number; a missing index must be told."""
    update = {
        "name": "touch",
        "sql": "UPDATE invoices SET note = 'touched' WHERE id = %s",
        "params": [10],
        "analyze": True,
        "uses_index": "invoices_pkey",
    }
    (plan,) = run_operation("pg_plans", {"statements": [update], "database_url": bloated_url}).result["statements"]
    assert plan["met"] is True
    assert plan["shared_buffers"] > 0
    assert _sql(bloated_url, "SELECT count(*) FROM invoices WHERE note = 'touched'") == [(0,)]
    listing = {"name": "list", "sql": "SELECT * FROM invoices WHERE tenant_id = 1", "no_sequential_scan_on": "invoices"}
    assert "no index serves" in operation_error("pg_plans", {"statements": [listing], "database_url": bloated_url})
