# SPDX-License-Identifier: GPL-3.0-or-later
"""Which remedy a table gets."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Kind, Measure, RelationMeasure
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import (
    REMEDIES,
    REWRITES,
    Choice,
    Decision,
    Limits,
    Remedy,
    Situation,
    decide,
)

MIB = 1 << 20
LIMITS = Limits(min_wasted_bytes=MIB, min_wasted_percent=30, max_lock_seconds=1, window_max_lock_seconds=60)
SITUATION = Situation(rewrite_bytes_per_second=50 * MIB)
BY_DEFAULT = Choice()
ALL = Choice(allowed=frozenset(REMEDIES))


def file(name: str, size: int, wasted: int = 0, dead: int = 0, **more: Any) -> RelationMeasure:
    kind: Kind = "index" if name.startswith("i") else "toast" if name == "toast" else "heap"
    return RelationMeasure(name, kind, size, size - wasted, **{"dead_bytes": dead, "method": "pgstattuple", **more})


def table(heap: RelationMeasure, *indexes: RelationMeasure, toast: RelationMeasure | None = None) -> Measure:
    files = [heap, *indexes, *([toast] if toast else [])]
    return Measure("t", 1, heap, toast, indexes, sum(part.size_bytes for part in files))


def decided(measure: Measure, choice: Choice = BY_DEFAULT, **situation: Any) -> Decision:
    return decide(measure, dataclasses.replace(SITUATION, **situation), LIMITS, choice)


SMALL = table(file("heap", 20 * MIB, 10 * MIB))
LARGE = table(file("heap", 2000 * MIB, 1000 * MIB, dead=5 * MIB), file("i", 100 * MIB))
TOASTED = table(file("heap", MIB), toast=file("toast", 2000 * MIB, 1500 * MIB))
INDEXED = table(file("heap", 500 * MIB), file("i_full", 90 * MIB), file("i_empty", 90 * MIB, 60 * MIB))


def test_three_live_rows_and_nineteen_dead_ones_are_left_alone() -> None:
    """A "633 % bloat" in 8 kB: a rewrite would lock a hot table to win nothing."""
    decision = decided(table(file("heap", 8192, 7000)))
    assert decision.remedy == "nothing"
    assert "below the floor" in decision.reason


def test_a_short_rewrite_comes_before_compacting() -> None:
    """A tenth of a second of lock is over sooner, and writes less, than moving every row twice."""
    decision = decided(SMALL)
    assert (decision.remedy, decision.expected_bytes) == ("vacuum_full", 10 * MIB)
    assert decision.lock_seconds == pytest.approx(0.2)


def test_a_long_rewrite_is_not_chosen_where_compacting_does_it_online() -> None:
    """The app would stand still for as long as the rewrite takes."""
    decision = decided(LARGE)
    assert (decision.remedy, decision.expected_bytes, decision.lock_seconds) == ("compact", 1000 * MIB, 0)
    (full,) = [each for each in decision.considered if each.remedy == "vacuum_full"]
    assert "locks the table for about 22 s, above 1.0 s" in full.verdict


def test_the_window_allows_a_longer_lock_only_where_nothing_milder_helps() -> None:
    """Inside the window TOAST comes back by a rewrite; a heap still comes back online."""
    assert decided(TOASTED, window="open").remedy == "vacuum_full"
    assert decided(LARGE, window="open").remedy == "compact"


def test_outside_of_the_window_not_even_a_short_rewrite_is_chosen() -> None:
    """Who declared a window expects no exclusive lock outside of it."""
    assert decided(SMALL, window="closed").remedy == "compact"


def test_only_the_indexes_that_waste_are_rebuilt() -> None:
    """Rebuilding a full index, or a full heap, costs hours of I/O for nothing."""
    decision = decided(INDEXED)
    assert (decision.remedy, decision.indexes, decision.expected_bytes) == ("reindex", ("i_empty",), 60 * MIB)


def test_an_index_that_cannot_be_rebuilt_concurrently_is_left() -> None:
    """REINDEX CONCURRENTLY fails on an exclusion constraint's index; the phase must not."""
    decision = decided(INDEXED, fixed_indexes={"i_empty": "it belongs to an exclusion constraint"})
    assert decision.remedy == "nothing"


def test_toast_comes_back_only_by_a_rewrite() -> None:
    """Compacting the heap moves no TOAST: to choose it would promise space that never comes."""
    decision = decided(TOASTED, choice=ALL)
    assert decision.remedy == "repack"
    refused = decided(TOASTED)
    assert refused.remedy == "nothing"
    assert "the waste of the TOAST stays: vacuum_full: locks the table for about 10" in refused.reason


def test_compacting_rebuilds_the_indexes_that_waste_too() -> None:
    """One decision gives back both."""
    both = table(file("heap", 2000 * MIB, 1000 * MIB), file("i", 900 * MIB, 600 * MIB))
    decision = decided(both)
    assert (decision.remedy, decision.indexes, decision.expected_bytes) == ("compact", ("i",), 1600 * MIB)


def test_where_nothing_gives_all_back_the_most_is_taken() -> None:
    """A heap with triggers cannot be compacted; its indexes can still be rebuilt."""
    both = table(file("heap", 2000 * MIB, 1000 * MIB), file("i", 900 * MIB, 600 * MIB))
    decision = decided(both, obstacles={"compact": ("triggers would fire",)})
    assert decision.remedy == "reindex"
    assert "the waste of the heap stays: compact: triggers would fire" in decision.reason


def test_dead_rows_are_vacuumed_where_nothing_gives_their_space_back() -> None:
    """Left alone they grow further; as free space inside the file they stop that."""
    decision = decided(LARGE, obstacles={"compact": ("triggers would fire",)})
    assert decision.remedy == "vacuum"
    assert "its dead rows become free space" in decision.reason


def test_without_room_on_the_disk_no_copy_is_made() -> None:
    """A full disk in the middle of a rewrite stops the whole database."""
    decision = decided(SMALL, free_bytes=5 * MIB, obstacles={"compact": ("no room inside",)})
    assert decision.remedy == "nothing"
    assert "vacuum_full: needs 24.0 MiB of disk meanwhile, and 5.0 MiB are free" in decision.reason


def test_unknown_waste_counts_as_none() -> None:
    """A restored database has no statistics; guessing would rewrite everything."""
    heap = RelationMeasure.unknown("heap", "heap", 100 * MIB, "it was never analyzed")
    decision = decided(table(heap))
    assert decision.remedy == "nothing"
    assert "its waste is unknown: it was never analyzed" in decision.reason


def test_what_a_person_asks_for_wins_over_thresholds_but_not_over_what_is_impossible() -> None:
    """A forced remedy that cannot be is told, and not replaced by another in silence."""
    assert decided(SMALL, Choice(forced="nothing")).remedy == "nothing"
    assert decided(LARGE, Choice(forced="vacuum_full")).remedy == "vacuum_full"
    forced = decided(LARGE, Choice(forced="compact"), obstacles={"compact": ("triggers would fire",)})
    assert (forced.remedy, forced.obstacle) == ("compact", "triggers would fire")
    assert decided(INDEXED, Choice(forced="reindex")).indexes == ("i_empty",)
    assert decided(SMALL, Choice(forced="reindex")).indexes == ()


@pytest.mark.parametrize("remedy", ["vacuum_full", "compact"])
def test_what_a_person_forbids_is_not_done(remedy: Remedy) -> None:
    """For a table that must never be locked, or whose rows must not move."""
    decision = decided(SMALL, Choice(forbidden=frozenset({remedy})))
    assert decision.remedy == ({"vacuum_full", "compact"} - {remedy}).pop()
    (forbidden,) = [each for each in decision.considered if each.remedy == remedy]
    assert "db_maintenance_forbidden_remedies" in forbidden.verdict


def test_repacking_is_only_for_those_who_asked_for_it() -> None:
    """Young or foreign code touches no table unless somebody allowed it."""
    assert {each.remedy for each in decided(LARGE).considered} == set(REMEDIES)
    refused = {each.remedy: each.verdict for each in decided(LARGE).considered}
    assert "db_maintenance_allowed_remedies" in refused["repack"]
    assert "db_maintenance_allowed_remedies" in refused["pg_repack"]


sizes = st.integers(0, 10**12)


@given(
    heap=sizes,
    wasted=sizes,
    dead=sizes,
    toast=sizes,
    toast_wasted=sizes,
    index=sizes,
    index_wasted=sizes,
    window=st.sampled_from([None, "open", "closed"]),
    allowed=st.sets(st.sampled_from(REMEDIES)),
    forbidden=st.sets(st.sampled_from(REMEDIES)),
    blocked=st.sets(st.sampled_from(REMEDIES)),
    free=st.none() | sizes,
)
def test_a_decision_keeps_to_every_limit_and_explains_all(
    heap: int,
    wasted: int,
    dead: int,
    toast: int,
    toast_wasted: int,
    index: int,
    index_wasted: int,
    window: Any,
    allowed: set[Remedy],
    forbidden: set[Remedy],
    blocked: set[Remedy],
    free: int | None,
) -> None:
    """The remedies that can stop an app must never be chosen outside of what was allowed."""
    measure = table(
        file("heap", max(heap, wasted), wasted, dead),
        file("i", max(index, index_wasted), index_wasted),
        toast=file("toast", max(toast, toast_wasted), toast_wasted),
    )
    choice = Choice(forbidden=frozenset(forbidden), allowed=frozenset(allowed))
    decision = decided(
        measure, choice, window=window, obstacles=dict.fromkeys(blocked, ("impossible",)), free_bytes=free
    )
    assert [each.remedy for each in decision.considered] == list(REMEDIES)
    assert all(each.verdict for each in decision.considered)
    if decision.remedy == "nothing":
        return
    assert decision.remedy in allowed - forbidden - blocked
    assert free is None or decision.disk_bytes <= free
    if decision.remedy != "vacuum":
        assert decision.expected_bytes >= LIMITS.min_wasted_bytes
    if decision.remedy in REWRITES - {"vacuum_full"}:
        assert decision.lock_seconds == 0
    if decision.remedy == "vacuum_full":
        assert window != "closed"
        assert decision.lock_seconds <= (60 if window == "open" else 1)
