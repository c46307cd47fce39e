# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans looked at and asserted, on a live PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import RunOperation
from .database_helpers import sql


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
    assert sql(bloated_url, "SELECT count(*) FROM invoices WHERE note = 'touched'") == [(0,)]
    listing = {"name": "list", "sql": "SELECT * FROM invoices WHERE tenant_id = 1", "no_sequential_scan_on": "invoices"}
    assert "no index serves" in operation_error("pg_plans", {"statements": [listing], "database_url": bloated_url})
