# SPDX-License-Identifier: GPL-3.0-or-later
"""The database has what the runbook repairs, and Pitstop meets it with the rights it has on Heroku."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.fixtures import RunningSandbox

LARGE = ("tenant_customers", "tenant_invoices")
HOT = ("tenant_folios", "user_sessions")


@pytest.fixture(scope="module")
def first_day(sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The sandbox before anybody used it, and again afterwards."""
    sandbox.fresh()
    yield sandbox
    sandbox.fresh()


def test_owner_has_the_rights_of_herokus_owner_and_no_more(first_day: RunningSandbox) -> None:
    """Otherwise Pitstop works in the demo and is refused in production."""
    [rights] = first_day.query(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls "
        "FROM pg_roles WHERE rolname = current_user"
    )
    memberships = first_day.query(
        "SELECT role, pg_has_role(role, 'USAGE') FROM unnest(ARRAY['pg_monitor', 'pg_signal_backend']) AS role"
    )
    owners = first_day.query("SELECT DISTINCT tableowner = current_user FROM pg_tables WHERE schemaname = 'public'")
    assert not any(rights)
    assert memberships == [("pg_monitor", True), ("pg_signal_backend", True)]
    assert owners == [(True,)]


def test_password_is_asked_for(first_day: RunningSandbox) -> None:
    """Otherwise a wrong password in an inventory goes unnoticed until production."""
    [(methods,)] = first_day.query("SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules", as_superuser=True)
    assert methods == ["scram-sha-256"]


def test_owner_may_use_the_measuring_extensions(first_day: RunningSandbox) -> None:
    """Otherwise real bloat and slow statements cannot be measured, only guessed."""
    [(size,)] = first_day.query("SELECT table_len FROM pgstattuple('tenants')")
    statements = first_day.query("SELECT query FROM pg_stat_statements WHERE query LIKE '%pgstattuple%'")
    assert size > 0
    assert statements


@pytest.mark.parametrize("table", LARGE)
def test_large_tables_are_half_air(first_day: RunningSandbox, table: str) -> None:
    """Otherwise there is nothing to win back, and the maintenance phase shows nothing."""
    [(air,)] = first_day.query(f"SELECT dead_tuple_percent + free_percent FROM pgstattuple('{table}')")
    assert 40 < air < 60


@pytest.mark.parametrize("table", HOT)
def test_hot_tables_are_hundreds_of_times_their_live_size(first_day: RunningSandbox, table: str) -> None:
    """Otherwise the worst tables of the story are missing."""
    before = first_day.query(f"SELECT pg_relation_size('{table}')")[0][0]
    first_day.query(f"VACUUM FULL {table}")
    after = first_day.query(f"SELECT pg_relation_size('{table}')")[0][0]
    assert before >= 200 * after


def test_dead_tuple_percentages_mislead_as_in_the_runbook(first_day: RunningSandbox) -> None:
    """Otherwise a tool that trusts the percentage looks as good as one that measures bytes."""
    counters = {
        name: (live, dead)
        for name, live, dead in first_day.query("SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables")
    }
    assert counters["tenant_subscriptions"] == (6, 38)
    assert first_day.query("SELECT pg_relation_size('tenant_subscriptions')") == [(8192,)]
    assert [counters[table][1] for table in LARGE] == [0, 0]


def test_autovacuum_is_on_for_every_table(first_day: RunningSandbox) -> None:
    """Otherwise the runbook's autovacuum settings change nothing."""
    assert first_day.query("SELECT relname FROM pg_class WHERE reloptions::text LIKE '%autovacuum_enabled%'") == []
    assert first_day.query("SHOW autovacuum") == [("on",)]


def test_what_the_runbook_adds_is_not_there_yet(first_day: RunningSandbox) -> None:
    """Otherwise its indexes are created by nobody and the duplicate numbers are impossible."""
    definitions = [definition for (definition,) in first_day.query("SELECT indexdef FROM pg_indexes")]
    assert not [text for text in definitions if "text_pattern_ops" in text or "created_at" in text]
    assert not [text for text in definitions if "tenant_invoices" in text and "folio" in text]
    assert [text for text in definitions if "UNIQUE" in text and "(tenant_id, series)" in text]
