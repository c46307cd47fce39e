# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage parameters as declared state, on a live PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import psycopg2

from .conftest import RunOperation
from .database_helpers import sql

OPTIONS_SQL = "SELECT unnest(reloptions) FROM pg_class WHERE oid = {oid} ORDER BY 1"
TABLE = "'invoices'::regclass"
TOAST = "(SELECT reltoastrelid FROM pg_class WHERE oid = 'invoices'::regclass)"


def test_storage_parameters_are_compared_and_set(run_operation: RunOperation, every_major_owner_url: str) -> None:
    """Declared once, they stay: a second run must not take a lock for nothing, the TOAST table's included."""
    sql(every_major_owner_url, "CREATE TABLE invoices (id int, note text) WITH (autovacuum_enabled = false)")
    wanted = {"autovacuum_vacuum_scale_factor": 0.01, "autovacuum_enabled": True, "user_catalog_table": False}
    toast = {"toast.autovacuum_vacuum_threshold": 100}
    options = {"tables": {"invoices": {**wanted, **toast}}, "database_url": every_major_owner_url}
    first = run_operation("pg_storage_parameters", options).result
    before = {change["parameter"]: change["before"] for change in first["changes"]}
    assert before == {**dict.fromkeys({**wanted, **toast}), "autovacuum_enabled": "false"}
    assert "invoices.autovacuum_enabled = false" in first["diff"]["before"]
    assert sql(every_major_owner_url, OPTIONS_SQL.format(oid=TABLE)) == [
        ("autovacuum_enabled=true",),
        ("autovacuum_vacuum_scale_factor=0.01",),
        ("user_catalog_table=false",),
    ]
    assert sql(every_major_owner_url, OPTIONS_SQL.format(oid=TOAST)) == [("autovacuum_vacuum_threshold=100",)]
    second = run_operation("pg_storage_parameters", options).result
    assert (second["changed"], second["changes"]) == (False, [])


def test_check_mode_says_the_sql_and_sets_nothing(run_operation: RunOperation, bloated_url: str) -> None:
    """A user decides on what --check prints."""
    options = {"tables": {"invoices": {"fillfactor": 90}}, "database_url": bloated_url}
    before = sql(bloated_url, OPTIONS_SQL.format(oid=TABLE))
    performed = run_operation("pg_storage_parameters", options, check=True)
    assert performed.result["changed"] is True
    assert any("would: ALTER TABLE public.invoices SET (fillfactor = 90)" in line for line in performed.lines)
    assert sql(bloated_url, OPTIONS_SQL.format(oid=TABLE)) == before


def test_an_exclusive_parameter_gives_way_and_names_who_is_there(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """ALTER TABLE that queues for an exclusive lock stops every query behind it."""
    holder = psycopg2.connect(bloated_url, application_name="somebody's report")
    with holder.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM invoices")
        message = operation_error(
            "pg_storage_parameters",
            {
                "tables": {"invoices": {"user_catalog_table": True}},
                "database_url": bloated_url,
                "lock_attempts": 2,
                "lock_timeout_ms": 20,
            },
        )
    holder.close()
    assert "somebody's report" in message


def test_a_toast_parameter_without_a_toast_table_is_refused(
    operation_error: Callable[..., str], database_url: str
) -> None:
    """PostgreSQL takes it and forgets it: the run would report a change for ever."""
    sql(database_url, "CREATE TABLE small (id int)")
    options = {"tables": {"small": {"toast.autovacuum_enabled": False}}, "database_url": database_url}
    message = operation_error("pg_storage_parameters", options)
    assert "has no TOAST table" in message
