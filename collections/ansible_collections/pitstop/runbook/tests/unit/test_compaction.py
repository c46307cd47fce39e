# SPDX-License-Identifier: GPL-3.0-or-later
"""Compaction: where it would be wrong, which pages come next, and how its batches keep out of the way."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._compaction import (
    OBSTACLES,
    CompactionPolicy,
    cut_pages,
    goal_pages,
    next_chunk,
    no_room,
    obstacles,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._compaction_batches import (
    BUDGET_MIN_MS,
    GROUP_PAGES_MAX,
    Batch,
    Throttle,
    batch_sql,
    update_sql,
)

FINE = {"relkind": "r", "relpersistence": "p", "system": False, **dict.fromkeys(OBSTACLES, False)}

BATCH = Batch(
    upper=100, moved=50, written=100, milliseconds=40, slowest_group_ms=4, heap_bytes=8192_000, wal_bytes=1_000_000
)


def test_a_plain_table_has_no_obstacle() -> None:
    """A user with the simplest of tables would be left with VACUUM FULL."""
    assert obstacles(FINE) == ()


@pytest.mark.parametrize("fact", OBSTACLES)
def test_each_obstacle_says_what_to_do_instead(fact: str) -> None:
    """A refusal without a way out leaves the user where he was."""
    (reason,) = obstacles({**FINE, fact: ["one", "two", "three", "four"] if "{names}" in OBSTACLES[fact] else True})
    assert ":" in reason
    assert ("one, two, three and 1 more" in reason) == ("{names}" in OBSTACLES[fact])


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"relkind": "m"}, "a materialized view"),
        ({"relkind": "p"}, "a partitioned table"),
        ({"relkind": "f"}, "a foreign table"),
        ({"relkind": "S"}, "a relation of kind S"),
        ({"relpersistence": "t"}, "a temporary table"),
        ({"system": True}, "a system table"),
    ],
)
def test_only_ordinary_tables_are_compacted(facts: dict[str, object], kind: str) -> None:
    """An update of anything else would fail half way, or go to another server."""
    assert obstacles({**FINE, **facts})[0].startswith(f"{kind} cannot be compacted")


@given(pages=st.integers(0, 10_000_000), goal=st.integers(1, 10_000_000))
def test_a_chunk_is_worth_a_vacuum_and_keeps_what_is_needed(pages: int, goal: int) -> None:
    """A chunk that VACUUM does not cut off is work for nothing; one that is too large has nowhere to put its rows."""
    lower = next_chunk(pages, goal)
    if lower is None:
        assert pages - goal < cut_pages(pages)
    else:
        assert goal <= lower <= pages - cut_pages(pages)
        # No remainder is left that a VACUUM of its own would not cut off.
        assert lower == goal or next_chunk(lower, goal) is not None


@given(pages=st.integers(1, 50_000_000))
def test_a_large_table_takes_few_vacuums(pages: int) -> None:
    """Each VACUUM reads every index: a hundred of them on a large table would take the night."""
    count, left = 0, pages
    while (lower := next_chunk(left, pages // 10)) is not None:
        assert lower < left
        count, left = count + 1, lower
    assert count <= 20


def test_no_room_says_how_much_there_is() -> None:
    """A refusal without figures cannot be checked."""
    assert no_room(1000 * 8192, 500 * 8192) is None
    why = no_room(1000 * 8192, 960 * 8192)
    assert why == (
        "too little room inside: 88.0 KiB of 7.8 MiB could be emptied, and VACUUM cuts off no less than 504.0 KiB here"
    )


def test_the_goal_allows_for_fragments() -> None:
    """Pages are never filled to the last byte: a goal of exactly the rows' size is never reached."""
    assert goal_pages(1000 * 8192, 8192) == 1030
    assert goal_pages(0, 8192) == 1


@given(
    milliseconds=st.lists(st.floats(0, 5000), min_size=1, max_size=30),
    slowed_ms=st.floats(0, 5000),
    group_share=st.floats(0, 1),
)
def test_the_throttle_stays_within_its_bounds(milliseconds: list[float], slowed_ms: float, group_share: float) -> None:
    """Whatever the server does: no batch is planned beyond the target, none of nothing, and pauses end."""
    policy = CompactionPolicy()
    throttle = Throttle(policy)
    for took in milliseconds:
        batch = dataclasses.replace(BATCH, milliseconds=took, slowest_group_ms=took * group_share)
        pause = throttle.after(batch, slowed_ms)
        assert 0 <= pause < 30
        assert BUDGET_MIN_MS <= throttle.budget_ms <= policy.target_batch_ms
        assert 1 <= throttle.group_pages <= GROUP_PAGES_MAX


def test_batches_pause_as_long_as_they_work() -> None:
    """Others need the disk and the processor, too."""
    assert Throttle(CompactionPolicy(duty=0.5)).after(BATCH, 0) == pytest.approx(0.04)
    assert Throttle(CompactionPolicy(duty=0.2)).after(BATCH, 0) == pytest.approx(0.16)
    assert Throttle(CompactionPolicy(duty=1.0, max_wal_bytes_per_s=0)).after(BATCH, 0) == 0


def test_wal_is_written_no_faster_than_allowed() -> None:
    """Replicas and archives have to keep up."""
    policy = CompactionPolicy(duty=1.0, max_wal_bytes_per_s=1_000_000)
    assert Throttle(policy).after(BATCH, 0) == pytest.approx(0.96)


def test_a_slow_probe_makes_batches_shorter_and_pauses_longer() -> None:
    """Somebody else's query takes longer than before: the compaction is what can wait."""
    throttle, calm = Throttle(CompactionPolicy(max_probe_latency_ms=20)), Throttle(CompactionPolicy())
    assert throttle.after(BATCH, 30) > calm.after(BATCH, 0)
    assert throttle.budget_ms < calm.budget_ms


def test_batches_grow_again_when_all_is_well() -> None:
    """One slow moment must not make the rest of the work slow."""
    throttle = Throttle(CompactionPolicy(target_batch_ms=50))
    for _ in range(10):
        throttle.after(dataclasses.replace(BATCH, milliseconds=400, slowest_group_ms=200), 0)
    assert (throttle.budget_ms, throttle.group_pages) == (BUDGET_MIN_MS, 1)
    for _ in range(20):
        throttle.after(dataclasses.replace(BATCH, milliseconds=10, slowest_group_ms=0.1), 0)
    assert (throttle.budget_ms, throttle.group_pages) == (37.5, GROUP_PAGES_MAX)


def test_after_a_refusal_as_few_rows_as_possible_are_held() -> None:
    """Who waits for a lock with a hundred locks in its hands makes others wait for all of them."""
    throttle = Throttle(CompactionPolicy())
    throttle.after(BATCH, 0)
    throttle.after_refusal()
    assert (throttle.budget_ms, throttle.group_pages) == (BUDGET_MIN_MS, 1)


@pytest.mark.parametrize("tid_range_scan", [True, False])
def test_a_batch_is_one_transaction_that_changes_nothing(tid_range_scan: bool) -> None:
    """The one statement that touches a user's rows sets a column to itself, in its own pages only."""
    sql = batch_sql(
        'public."T"',
        4711,
        '"C"',
        lower=10,
        upper=20,
        throttle=Throttle(CompactionPolicy()),
        tid_range_scan=tid_range_scan,
    )
    assert sql.count("UPDATE ") == 1
    assert 'UPDATE ONLY public."T" SET "C" = "C" WHERE ctid ' in sql
    assert "upper bigint := 20" in sql
    assert ("ctid >= batch.from_tid AND ctid < batch.to_tid" in sql) is tid_range_scan
    assert sql.count("$pitstop$") == 2


def test_the_plan_is_a_statement_that_can_be_run() -> None:
    """Whoever checks by hand what --check printed runs exactly this."""
    shown, _, note = update_sql("public.t", "n", 10, 20).partition(" -- ")
    assert shown == "UPDATE ONLY public.t SET n = n WHERE ctid >= '(10,0)' AND ctid < '(20,0)'"
    assert "in one transaction" in note
