# SPDX-License-Identifier: GPL-3.0-or-later
"""Bloat in bytes, and the remedy that pays."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import (
    Limits,
    Measure,
    TableSize,
    by_urgency,
    decide,
    measure_from_pgstattuple,
    measure_from_statistics,
    rewritten_bytes,
)

MIB = 1 << 20
LIMITS = Limits(min_wasted_bytes=MIB, min_wasted_percent=30, max_lock_seconds=60, rewrite_bytes_per_second=50 * MIB)


def measure(heap: int, live: int, dead: int = 0, index: int = 0) -> Measure:
    return Measure("t", heap + index, heap, index, 0, live, dead, heap - live, 1, 1, "pgstattuple", 100)


def test_three_live_rows_and_nineteen_dead_ones_are_left_alone() -> None:
    """A "633 % bloat" in 8 kB: a rewrite would lock a hot table to win nothing."""
    size = TableSize("t", 8192, 16384, 0, 24576)
    scan = {"live_rows": 3, "live_bytes": 150, "dead_rows": 19, "dead_bytes": 950, "scanned_percent": 100}
    decision = decide(measure_from_pgstattuple(size, scan, "pgstattuple"), LIMITS)
    assert decision.remedy == "nothing"
    assert "below the floor" in decision.reason


def test_a_half_empty_table_is_rewritten() -> None:
    """Without it the space that users pay for never comes back."""
    decision = decide(measure(100 * MIB, 50 * MIB), LIMITS)
    assert (decision.remedy, decision.expected_bytes) == ("vacuum_full", 50 * MIB)


def test_a_rewrite_that_locks_too_long_is_not_chosen() -> None:
    """The app would stand still for longer than was allowed."""
    decision = decide(measure(20_000 * MIB, 8_000 * MIB, dead=100 * MIB), LIMITS)
    assert decision.remedy == "vacuum"
    assert "above the limit" in decision.reason


def test_unknown_waste_counts_as_none() -> None:
    """A restored database has no statistics; guessing would rewrite everything."""
    unknown = measure_from_statistics(
        TableSize("t", 100 * MIB, 0, 0, 100 * MIB), rows=None, row_width=None, dead_rows=0
    )
    assert unknown.method == "unknown"
    assert decide(unknown, LIMITS).remedy == "nothing"


def test_a_person_decides_last() -> None:
    """What the user forces or forbids must win over the thresholds."""
    assert decide(measure(100 * MIB, 50 * MIB), LIMITS, "nothing").remedy == "nothing"
    assert decide(measure(8192, 8192), LIMITS, "vacuum_full").remedy == "vacuum_full"


@given(rows=st.integers(1, 10**7), width=st.integers(1, 2000), fillfactor=st.integers(10, 100))
def test_a_rewritten_heap_holds_all_rows_and_grows_with_them(rows: int, width: int, fillfactor: int) -> None:
    """An expected size below what the rows need would promise space that does not exist."""
    size = rewritten_bytes(rows, width, fillfactor)
    assert size % 8192 == 0
    assert size >= rows * width
    assert rewritten_bytes(rows + 1, width, fillfactor) >= size


@given(heap=st.integers(0, 10**12), live=st.integers(0, 10**12), index=st.integers(0, 10**12))
def test_a_rewrite_always_pays_and_never_locks_too_long(heap: int, live: int, index: int) -> None:
    """The one remedy that stops an app must never be chosen outside of its limits."""
    subject = measure(max(heap, live), live, index=index)
    decision = decide(subject, LIMITS)
    if decision.remedy == "vacuum_full":
        assert subject.wasted_bytes >= LIMITS.min_wasted_bytes
        assert subject.wasted_percent >= LIMITS.min_wasted_percent
        assert decision.lock_seconds <= LIMITS.max_lock_seconds


def test_small_tables_come_first() -> None:
    """The hot ones: they lock shortest, and the window may end before the large ones are done."""
    large, small = measure(100 * MIB, 50 * MIB), dataclasses.replace(measure(5 * MIB, MIB), name="s")
    assert [m.name for m in by_urgency([large, small])] == ["s", "t"]
