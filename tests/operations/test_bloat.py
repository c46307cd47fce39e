# SPDX-License-Identifier: GPL-3.0-or-later
"""What a table wastes, measured on a live PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import RunOperation
from .database_helpers import sql


def test_bloat_is_measured_in_bytes_although_a_vacuum_hid_it(run_operation: RunOperation, bloated_url: str) -> None:
    """After a plain VACUUM the dead-tuple percentage is 0; a user who trusts it would leave the air in place."""
    sql(bloated_url, "VACUUM invoices")
    result = run_operation("pg_bloat", {"tables": ["invoices"], "database_url": bloated_url}).result
    (table,) = result["tables"]
    assert table["method"] == "pgstattuple"
    assert table["dead_rows"] == 0
    assert 85 < table["wasted_percent"] < 95


def test_an_unknown_table_is_refused_with_the_nearest_name(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A typo must not cost a run: the error says what was meant."""
    message = operation_error("pg_bloat", {"tables": ["invoice"], "database_url": bloated_url})
    assert "did you mean invoices?" in message or "did you mean public.invoices?" in message
