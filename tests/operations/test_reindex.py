# SPDX-License-Identifier: GPL-3.0-or-later
"""The rescue that rebuilds indexes, on a live PostgreSQL."""

from __future__ import annotations

from .conftest import RunOperation
from .database_helpers import sql


def test_reindex_keeps_the_indexes_valid(run_operation: RunOperation, bloated_url: str) -> None:
    """The rescue must not make it worse: same indexes, all valid, no leftovers."""
    result = run_operation("pg_reindex", {"tables": ["invoices"], "database_url": bloated_url}).result
    assert result["statements"] == ["REINDEX TABLE CONCURRENTLY public.invoices", "ANALYZE public.invoices"]
    assert sql(
        bloated_url, "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'invoices'::regclass"
    ) == [("invoices_pkey", True)]
