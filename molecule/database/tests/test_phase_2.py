# SPDX-License-Identifier: GPL-3.0-or-later
"""What phase 2 promised, asked from the server itself and not from the roles that did the work."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Query = Callable[[str], str]


def test_the_bloated_table_gave_its_space_back_and_kept_its_rows(query: Query) -> None:
    live, size = query("SELECT count(*), pg_table_size('tenant_invoices') FROM tenant_invoices").split("|")
    assert int(live) == 50_000
    assert int(size) < 2 * 45 * int(live)


def test_the_table_that_must_not_be_locked_was_compacted_in_place(query: Query) -> None:
    """COMPACT keeps the table's file: a rewrite, which locks customers out, gives it a new one."""
    file_is_the_first, live, size = query(
        "SELECT pg_relation_filenode('tenant_sessions') = 'tenant_sessions'::regclass, count(*),"
        " pg_relation_size('tenant_sessions') FROM tenant_sessions"
    ).split("|")
    assert file_is_the_first == "t"
    assert int(live) == 20_000
    assert int(size) < 1.3 * 180 * int(live), "three times as much before"


def test_a_table_without_waste_was_not_rewritten(query: Query) -> None:
    """A rewrite gives a table a new file; here it would lock customers out for nothing."""
    assert query("SELECT pg_relation_filenode(oid) = oid FROM pg_class WHERE relname = 'tenant_customers'") == "t"


@pytest.mark.parametrize(
    ("index", "definition"),
    [
        (
            "idx_tenant_customer_search",
            "ON public.tenant_customers USING btree (tenant_id, legal_name text_pattern_ops)",
        ),
        ("idx_tenant_invoice_list", "ON public.tenant_invoices USING btree (tenant_id, created_at DESC)"),
    ],
)
def test_each_index_is_what_was_declared(query: Query, index: str, definition: str) -> None:
    """IF NOT EXISTS would have kept the invalid one and the one in the wrong order."""
    assert query(f"SELECT pg_get_indexdef('{index}'::regclass)") == f"CREATE INDEX {index} {definition}"


def test_no_invalid_index_is_left(query: Query) -> None:
    """One would slow every write down and serve no query."""
    assert query("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid OR NOT indisready") == ""


def test_no_index_was_built_beside_the_declared_ones(query: Query) -> None:
    names = query("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1").split()
    assert names == [
        "idx_tenant_customer_search",
        "idx_tenant_invoice_list",
        "tenant_customers_pkey",
        "tenant_folios_pkey",
        "tenant_invoices_pkey",
        "tenant_sessions_pkey",
    ]


def test_autovacuum_is_as_eager_as_declared(query: Query) -> None:
    options = query("SELECT unnest(reloptions) FROM pg_class WHERE relname = 'tenant_folios' ORDER BY 1").split()
    assert options == ["autovacuum_analyze_scale_factor=0.005", "autovacuum_vacuum_scale_factor=0.01"]


def test_no_session_of_the_run_is_left(query: Query) -> None:
    """A session that stays would hold its snapshot, and with it every dead row."""
    assert query("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pitstop%'") == "0"
