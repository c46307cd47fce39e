# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes as declared state, on a live PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import psycopg2
import pytest

from .conftest import RunOperation
from .database_helpers import sql

INDEX = {"name": "idx_list", "table": "invoices", "columns": ["tenant_id", "created_at DESC"]}


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
        sql(bloated_url, present)
    options = {"indexes": [INDEX], "database_url": bloated_url}
    (entry,) = run_operation("pg_index", options).result["indexes"]
    assert (entry["found"], entry["action"]) == (found, action)
    rows = sql(
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
            sql(
                bloated_url + "?options=-clock_timeout%3D100ms",
                "CREATE INDEX CONCURRENTLY idx_list ON invoices (tenant_id, created_at DESC)",
            )
    holder.rollback()
    holder.close()
    assert sql(bloated_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_list'::regclass") == [(False,)]
    (entry,) = run_operation("pg_index", {"indexes": [INDEX], "database_url": bloated_url}).result["indexes"]
    assert entry["found"] == "invalid"
    assert sql(bloated_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_list'::regclass") == [(True,)]


def test_an_index_that_cannot_be_built_leaves_none_behind(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A failed unique build leaves an INVALID index that may enforce uniqueness on the app's writes."""
    unique = {"name": "one_per_tenant", "table": "invoices", "columns": ["tenant_id"], "unique": True}
    message = operation_error("pg_index", {"indexes": [unique], "database_url": bloated_url})
    assert "one_per_tenant" in message
    assert "was removed" in message
    assert sql(bloated_url, "SELECT to_regclass('one_per_tenant')") == [(None,)]


def test_a_wrong_declaration_is_refused_before_anything_is_built(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A mistake in the last index must not be found after an hour of building the first."""
    wrong = {"name": "idx_wrong", "table": "invoices", "columns": ["tenant"]}
    message = operation_error("pg_index", {"indexes": [INDEX, wrong], "database_url": bloated_url})
    assert 'column "tenant" does not exist' in message
    assert sql(bloated_url, "SELECT to_regclass('idx_list')") == [(None,)]
