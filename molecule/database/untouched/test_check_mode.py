# SPDX-License-Identifier: GPL-3.0-or-later
"""After `--check`: whoever looks before he leaps must find everything where it was."""

from __future__ import annotations

from collections.abc import Callable

Query = Callable[[str], str]


def test_the_bloated_table_is_as_large_as_before(query: Query) -> None:
    live, size = query("SELECT count(*), pg_table_size('tenant_invoices') FROM tenant_invoices").split("|")
    assert int(size) > 4 * 45 * int(live), "250 000 rows' worth of file holds 50 000"


def test_the_sessions_are_where_they_were(query: Query) -> None:
    live, size = query("SELECT count(*), pg_relation_size('tenant_sessions') FROM tenant_sessions").split("|")
    assert int(size) > 2.5 * 160 * int(live)


def test_the_broken_and_the_different_index_are_still_there(query: Query) -> None:
    assert query("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid") == "idx_tenant_customer_search"
    assert query("SELECT pg_get_indexdef('idx_tenant_invoice_list'::regclass)").endswith("(tenant_id, created_at)")


def test_no_storage_parameter_was_set(query: Query) -> None:
    assert query("SELECT count(*) FROM pg_class WHERE relname LIKE 'tenant%' AND reloptions IS NOT NULL") == "0"
