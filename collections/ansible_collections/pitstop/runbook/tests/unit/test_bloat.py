# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan of pgstattuple says of a file's waste, in bytes."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import (
    Measure,
    RelationMeasure,
    by_urgency,
    from_pgstatindex,
    from_pgstattuple,
)

PAGE = 8192
MIB = 1 << 20


def heap(size: int, expected: int, **fields: Any) -> RelationMeasure:
    return RelationMeasure("public.t", "heap", size, expected, method="pgstattuple", **fields)


def table(size: int, expected: int, name: str = "public.t", activity: float = 0) -> Measure:
    return Measure(name, 1, heap(size, expected), None, (), size, activity)


def scan(live_rows: int, live_bytes: int, dead_rows: int, dead_bytes: int, free_bytes: int) -> dict[str, Any]:
    return {
        "live_rows": live_rows,
        "live_bytes": live_bytes,
        "dead_rows": dead_rows,
        "dead_bytes": dead_bytes,
        "free_bytes": free_bytes,
        "scanned_percent": 100,
    }


def test_three_live_rows_and_nineteen_dead_ones_waste_nothing() -> None:
    """A "633 % bloat" in 8 kB: a rewrite would lock a hot table to win nothing, since a page is the least there is."""
    measure = from_pgstattuple("t", "heap", PAGE, scan(3, 150, 19, 950, 6900), "pgstattuple")
    assert (measure.wasted_bytes, measure.wasted_percent) == (0, 0)


def test_a_vacuum_that_hid_the_dead_rows_hides_no_waste() -> None:
    """After it no row is dead, and the file is as large as before: only bytes tell."""
    measure = from_pgstattuple("t", "heap", 100 * PAGE, scan(2260, 2260 * 28, 0, 0, 90 * 8168), "pgstattuple")
    assert measure.dead_rows == 0
    assert 85 < measure.wasted_percent <= 90


def test_the_approximate_scan_is_not_fooled_by_pages_that_it_skipped() -> None:
    """Its live bytes hold headers and line pointers of the pages it skipped; counted again, real waste would vanish."""
    rows, pages = 226 * 100, 200
    approximate = scan(rows, pages * PAGE // 2, 0, 0, pages * PAGE // 2)
    measure = from_pgstattuple("t", "heap", pages * PAGE, approximate, "pgstattuple_approx")
    assert 45 < measure.wasted_percent <= 51


def test_toast_chunks_of_many_sizes_are_no_waste() -> None:
    """Full chunks leave more room at a page's end than rows do; as waste, it would have fresh TOAST rewritten."""
    pages, chunks = 4500, 20_000
    free = pages * 900
    used = pages * 8168 - chunks * 4 - free
    fresh = from_pgstattuple("t", "toast", pages * PAGE, scan(chunks, used - chunks * 4 + 1, 0, 0, free), "pgstattuple")
    assert fresh.wasted_percent < 3


@given(
    pages=st.integers(0, 10**6),
    rows=st.integers(0, 10**8),
    live=st.integers(0, 10**10),
    dead_rows=st.integers(0, 10**8),
    dead=st.integers(0, 10**10),
    free=st.integers(0, 10**10),
    fillfactor=st.integers(10, 100),
)
def test_waste_is_never_negative_nor_more_than_the_file(
    pages: int, rows: int, live: int, dead_rows: int, dead: int, free: int, fillfactor: int
) -> None:
    """A table that changes while it is scanned gives figures that do not fit each other; a promise must stay sane."""
    figures = scan(rows, live, dead_rows, dead, free)
    for method in ("pgstattuple", "pgstattuple_approx"):
        measure = from_pgstattuple("t", "heap", pages * PAGE, figures, method, fillfactor)
        assert 0 <= measure.expected_bytes <= measure.size_bytes
        assert 0 <= measure.wasted_percent <= 100


@given(
    leaves=st.integers(0, 10**6),
    inner=st.integers(0, 10**4),
    other=st.integers(0, 10**6),
    density=st.one_of(st.floats(0, 100), st.just(float("nan"))),
    live_share=st.floats(0, 1),
)
def test_an_index_wastes_never_more_than_it_has(
    leaves: int, inner: int, other: int, density: float, live_share: float
) -> None:
    """An empty index has no leaf and no density: NaN must not reach the evidence."""
    figures = {
        "leaf_pages": leaves,
        "internal_pages": inner,
        "empty_pages": other,
        "deleted_pages": 0,
        "avg_leaf_density": density,
    }
    size = (1 + leaves + inner + other) * PAGE
    measure = from_pgstatindex("i", size, figures, rows=1, live_share=live_share)
    assert 0 <= measure.wasted_bytes < size


def test_a_fresh_index_wastes_nothing_and_a_half_empty_one_half() -> None:
    """REINDEX again and again of an index that is as small as it gets would be load for nothing."""
    figures = {"leaf_pages": 2733, "internal_pages": 11, "empty_pages": 0, "deleted_pages": 0}
    size = 2745 * PAGE
    fresh = from_pgstatindex("i", size, {**figures, "avg_leaf_density": 90.06}, rows=10**6, live_share=1)
    half = from_pgstatindex("i", size, {**figures, "avg_leaf_density": 45}, rows=10**6, live_share=1)
    assert fresh.wasted_percent < 0.2
    assert 49 < half.wasted_percent < 51


def test_entries_of_dead_rows_count_as_waste() -> None:
    """Until VACUUM they fill the index like live ones: pgstatindex alone would say that it is full."""
    figures = {"leaf_pages": 1000, "internal_pages": 4, "empty_pages": 0, "deleted_pages": 0, "avg_leaf_density": 90}
    assert from_pgstatindex("i", 1005 * PAGE, figures, rows=1, live_share=0.5).wasted_percent > 45


def test_unknown_waste_counts_as_none_and_says_why() -> None:
    """A restored database has no statistics; guessing would rewrite everything."""
    unknown = RelationMeasure.unknown("t", "heap", 100 * MIB, "never analyzed: ANALYZE it")
    assert (unknown.wasted_bytes, unknown.method) == (0, "unknown")
    assert "ANALYZE" in unknown.as_dict()["why_unknown"]


def test_the_evidence_keeps_its_keys() -> None:
    """Reports of older runs, and of newer ones, read the same names."""
    measured = Measure("t", 1, heap(100, 60), None, (heap(10, 5),), 120)
    kept = measured.as_dict()
    assert kept.keys() >= {
        *("name", "total_bytes", "heap_bytes", "index_bytes", "toast_bytes", "live_bytes", "dead_bytes"),
        *("wasted_bytes", "live_rows", "dead_rows", "method", "scanned_percent", "wasted_percent", "toast", "indexes"),
    }
    assert (kept["wasted_percent"], kept["index_bytes"], kept["indexes"][0]["wasted_bytes"]) == (40, 10, 5)


def test_small_hot_tables_come_first() -> None:
    """They lock shortest, they are what users wait for, and the window may end before the large ones are done."""
    large, small = table(100 * MIB, 50 * MIB, "large"), table(5 * MIB, MIB, "small")
    hot = dataclasses.replace(small, name="small and hot", activity=10_000.0)
    assert [m.name for m in by_urgency([large, small, hot])] == ["small and hot", "small", "large"]
