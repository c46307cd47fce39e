# SPDX-License-Identifier: GPL-3.0-or-later
"""What files would need, from the planner's statistics alone. Real servers confirm it in tests/operations."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._estimate import (
    BTree,
    Column,
    btree_bytes,
    data_bytes,
    heap_bytes,
    packed_btree_bytes,
    row_bytes,
    toast_bytes,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._planner_statistics import (
    distinct_keys,
    estimate_heap,
    estimate_index,
    estimate_toast,
    read_groups,
)

PAGE = 8192
INT, BIGINT = Column(4, 4), Column(8, 8)

columns = st.builds(
    Column,
    length=st.sampled_from([1, 2, 4, 8, 16, -1]),
    alignment=st.sampled_from([1, 2, 4, 8]),
    null_fraction=st.floats(0, 1),
    width=st.integers(1, 2000),
    same_length=st.booleans(),
)
trees = st.builds(
    BTree,
    columns=st.tuples(columns),
    rows=st.floats(0, 10**8),
    distinct=st.floats(1, 10**8),
    frequencies=st.lists(st.floats(0, 0.01), max_size=20).map(tuple),
    fillfactor=st.integers(50, 100),
    deduplicates=st.booleans(),
)


def test_padding_depends_on_the_order_of_columns() -> None:
    """A bigint after a smallint costs six bytes a row that an estimate by mean widths takes for free or for waste."""
    small = Column(2, 2)
    assert data_bytes([small, BIGINT, small, BIGINT]) == 32
    assert data_bytes([BIGINT, BIGINT, small, small]) == 24


def test_the_null_bitmap_is_free_up_to_eight_columns() -> None:
    """It fits into the header's own padding; nine columns cost eight bytes more in each row with a NULL."""
    eight = [INT] * 7 + [Column(4, 4, null_fraction=1)]
    assert row_bytes(eight) == 24 + 32
    assert row_bytes([*eight, INT]) == 32 + 32


def test_short_text_needs_no_alignment() -> None:
    """Up to 126 bytes have a header of one byte and begin anywhere; longer ones at multiples of four."""
    text = Column(-1, 4, width=5, same_length=True)
    assert data_bytes([Column(1, 1), text]) == 8
    assert data_bytes([Column(1, 1), dataclasses.replace(text, width=200)]) == 208


def test_a_dropped_column_leaves_a_null() -> None:
    """Rows written anew hold nothing of it but the bit that says so."""
    assert row_bytes([INT, Column(8, 8, null_fraction=1), INT]) == 32


def test_sizes_of_fresh_files() -> None:
    """Measured on PostgreSQL 18: a heap of narrow rows, and a primary key."""
    assert heap_bytes(200_000, row_bytes([INT, INT, BIGINT])) == 8_863_744
    assert btree_bytes(BTree((INT,), 1_000_000, 1_000_000)) == 2745 * PAGE


def test_fillfactor_leaves_room() -> None:
    """Room that was asked for is no waste: a rewrite would leave it again."""
    assert heap_bytes(10_000, 36, 70) > 1.3 * heap_bytes(10_000, 36)
    full = BTree((INT,), 100_000, 100_000)
    assert btree_bytes(dataclasses.replace(full, fillfactor=50)) > 1.6 * btree_bytes(full)


def test_equal_keys_share_their_entry_only_where_the_server_can_do_that() -> None:
    """Since 13 few keys take a third of the room; for a numeric, a unique or a covering index they do not."""
    few = BTree((INT,), 200_000, 50, deduplicates=True)
    assert btree_bytes(few) == pytest.approx(1_433_600, rel=0.03)
    assert btree_bytes(dataclasses.replace(few, deduplicates=False)) == pytest.approx(4_513_792, rel=0.01)


@given(st.lists(columns, min_size=1, max_size=12))
def test_a_row_is_never_smaller_than_its_values(table: list[Column]) -> None:
    """An expected size below what the values need would promise space that does not exist."""
    values = sum((1 - c.null_fraction) * (c.length if c.length > 0 else c.width) for c in table)
    assert values - 1e-6 <= data_bytes(table) <= values + 8 * len(table) + 8
    assert row_bytes(table) >= 24 + values - 1e-6


@given(rows=st.integers(1, 10**9), size=st.floats(24, 2000), fillfactor=st.integers(10, 100))
def test_a_rewritten_heap_holds_all_rows_and_grows_with_them(rows: int, size: float, fillfactor: int) -> None:
    """More rows, longer rows or a smaller fillfactor can never need less."""
    need = heap_bytes(rows, size, fillfactor)
    assert need % PAGE == 0
    assert need >= rows * size
    assert heap_bytes(rows + 1, size, fillfactor) >= need
    assert heap_bytes(rows, size + 8, fillfactor) >= need
    assert heap_bytes(rows, size, max(10, fillfactor - 10)) >= need
    assert heap_bytes(rows, size, fillfactor, left_rows=0.5) >= need * 0.5


@given(trees)
def test_an_index_is_whole_pages_and_more_rows_need_no_less(tree: BTree) -> None:
    """Whatever the statistics say, an index has its first page, and the estimate stays a size."""
    size = btree_bytes(tree)
    assert size >= PAGE
    assert size % PAGE == 0
    assert btree_bytes(dataclasses.replace(tree, deduplicates=False, rows=2 * tree.rows)) >= btree_bytes(
        dataclasses.replace(tree, deduplicates=False)
    )


@given(leaves=st.floats(0, 10**6), inner=st.floats(0, 0.5), fillfactor=st.integers(10, 100))
def test_a_packed_index_needs_no_less_than_its_entries(leaves: float, inner: float, fillfactor: int) -> None:
    """REINDEX cannot fill a page twice."""
    assert packed_btree_bytes(leaves, inner, fillfactor) >= max(1, leaves) * PAGE * 0.99


def test_toast_is_at_most_full_chunks() -> None:
    """Four full chunks fill a page; a table without any needs none."""
    assert (toast_bytes(0), toast_bytes(4), toast_bytes(5), toast_bytes(-1)) == (0, PAGE, 2 * PAGE, 0)


def column(name: str = "a", number: int = 1, **fields: Any) -> dict[str, Any]:
    known = {"null_frac": 0.0, "avg_width": 4, "n_distinct": -1.0, "common_freqs": None, "same_length": False}
    stored = {"length": 4, "alignment": 4, "absent": False, "visible": True}
    return {"name": name, "number": number, **known, **stored, **fields}


TABLE = {"name": "public.t", "heap_bytes": 100 * PAGE, "rows": 1000.0, "dead_rows": 0, "fillfactor": 100}
INDEX = {
    "name": "public.i",
    "method": "btree",
    "size_bytes": 100 * PAGE,
    "rows": 1000.0,
    "table_rows": 1000.0,
    "unique": False,
    "partial": False,
    "valid": True,
    "key_columns": 1,
    "fillfactor": 90,
    "deduplicate_items": True,
    "equal_images": True,
}


@pytest.mark.parametrize(
    ("table", "of", "why"),
    [
        ({"rows": None}, column(), "never analyzed"),
        ({}, column(null_frac=None), "no statistics of a"),
        ({}, column(null_frac=None, visible=False), "may not see the statistics of a"),
    ],
)
def test_where_statistics_are_missing_the_waste_is_unknown(table: dict[str, Any], of: dict[str, Any], why: str) -> None:
    """Columns without statistics look like no data: the table would seem to be waste, and be locked for nothing."""
    measure = estimate_heap({**TABLE, **table}, [of])
    assert (measure.method, measure.wasted_bytes) == ("unknown", 0)
    assert why in measure.why_unknown


def test_a_dropped_column_needs_no_statistics() -> None:
    """It never gets any: the table would stay unknown for ever."""
    assert estimate_heap(TABLE, [column(), column(null_frac=None, absent=True)]).method == "estimate"


@pytest.mark.parametrize(
    ("index", "of", "why"),
    [
        ({"method": "gin"}, column(), "method gin"),
        ({"valid": False}, column(), "not valid"),
        ({"partial": True, "rows": None}, column(), "never analyzed"),
        ({}, column(length=-1, avg_width=900), "stored apart"),
    ],
)
def test_an_index_that_cannot_be_estimated_says_why(index: dict[str, Any], of: dict[str, Any], why: str) -> None:
    """A wrong size of an index would have it rebuilt in every run."""
    measure = estimate_index({**INDEX, **index}, [of], 1000.0, {})
    assert (measure.method, measure.wasted_bytes) == ("unknown", 0)
    assert why in measure.why_unknown


def test_toast_that_was_never_vacuumed_is_unknown() -> None:
    """ANALYZE does not count its rows, so a fresh table would seem to have none."""
    assert estimate_toast({**TABLE, "rows": None}).method == "unknown"


def test_combined_keys_are_counted_where_somebody_counted_them_else_as_many_as_there_may_be() -> None:
    """Too few keys make an index seem to be waste that is none."""
    keys = [column(number=1, n_distinct=50.0), column("b", number=2, n_distinct=40.0)]
    assert distinct_keys(keys, 100_000, {}) == 2000
    assert distinct_keys(keys, 1000, {}) == 1000
    for text in ('{"1, 2": 60}', '[{"attributes": [1, 2], "ndistinct": 60}]'):
        assert distinct_keys(keys, 100_000, read_groups([{"n_distinct": text}])) == 60
