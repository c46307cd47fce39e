# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage parameters as declared state, on a live PostgreSQL."""

from __future__ import annotations

from .conftest import RunOperation
from .database_helpers import sql


def test_storage_parameters_are_compared_and_set(run_operation: RunOperation, bloated_url: str) -> None:
    """Declared once, they stay: a second run must not take a lock for nothing."""
    options = {"tables": {"invoices": {"autovacuum_vacuum_scale_factor": 0.01}}, "database_url": bloated_url}
    first = run_operation("pg_storage_parameters", options).result
    assert first["changes"][0]["before"] is None
    assert ("autovacuum_vacuum_scale_factor=0.01",) in sql(
        bloated_url, "SELECT unnest(reloptions) FROM pg_class WHERE relname = 'invoices'"
    )
    assert run_operation("pg_storage_parameters", options).result["changed"] is False
