# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a whole benchmark: shares of the phases, totals, right results, goals, gates, the sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import (
    Metric,
    Times,
    require_success,
    table_of,
    time_text,
    totals_of,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._comparison import Comparison, compare, keyed
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._gates import (
    gates_of,
    goals_of,
    require_known,
    sentence_of,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._statistics import Rule

RULE = Rule(noise_percent=2)
"""A quiet machine."""


def metric(name: str, mean: float, *, failed: int = 0, duplicates: int | None = None, probe: str = "team") -> Metric:
    times = Times(min=mean * 0.9, max=mean * 1.1, mean=mean, median=mean, p95=mean * 1.05, stddev=mean * 0.05)
    return Metric(name, probe, "command", 20, 20 - failed, failed, duplicates, None, times)


def compared(before: list[Metric], after: list[Metric], after_db: list[Metric] | None = None) -> Comparison:
    return compare(keyed(before), None if after_db is None else keyed(after_db), keyed(after), RULE)


def of(comparison: Comparison, name: str) -> dict[str, Any]:
    return next(item.as_dict() for item in comparison.metrics if item.name == name)


def test_the_database_and_the_deploy_get_their_own_shares() -> None:
    """One number for "after" cannot tell whether the database work or the new code brought it."""
    folio = [[metric("getNextFolio", mean)] for mean in (40.0, 39.0, 15.0)]
    item = of(compared(folio[0], folio[2], folio[1]), "getNextFolio")
    assert item["verdict"] == "improved"
    assert item["by_database"]["verdict"] == "unchanged"
    assert item["by_deploy"]["verdict"] == "improved"
    assert item["after_db"]["mean"] == 39.0


def test_two_points_are_enough() -> None:
    """A run without database work is judged as well."""
    comparison = compared([metric("getNextFolio", 40)], [metric("getNextFolio", 15)])
    item = of(comparison, "getNextFolio")
    assert (item["verdict"], item["after_db"], item["by_database"], item["by_deploy"]) == ("improved", None, None, None)
    assert comparison.totals[0].after_db is None


@pytest.mark.parametrize(
    ("before", "after", "verdict", "why"),
    [
        (metric("x", 40), metric("x", 15, failed=1), "worse", "failed iterations 0 → 1"),
        (metric("x", 40, failed=2), metric("x", 40), "improved", "failed iterations 2 → 0"),
        (metric("x", 40, duplicates=0), metric("x", 15, duplicates=1), "worse", "duplicates 0 → 1"),
        (metric("x", 40, duplicates=12), metric("x", 40, duplicates=0), "improved", "duplicates 12 → 0"),
        (metric("x", 40, duplicates=12), metric("x", 90, duplicates=0), "worse", "duplicates 12 → 0"),
        (metric("x", 40, duplicates=2), metric("x", 40, duplicates=15), "worse", "duplicates 2 → 15"),
        (metric("x", 40, duplicates=8), metric("x", 40, duplicates=9), "unchanged", "within 10 %"),
        (metric("x", 40, duplicates=8), metric("x", 40), "unchanged", "within 10 %"),
    ],
)
def test_right_results_come_before_fast_ones(before: Metric, after: Metric, verdict: str, why: str) -> None:
    """Duplicate invoice numbers are a failure, however fast they are drawn."""
    item = of(compared([before], [after]), "x")
    assert item["verdict"] == verdict
    assert why in item["why"]


def test_an_operation_that_only_fails_now_is_worse_and_gates() -> None:
    """The new code's crash has no time to compare; it must not pass for want of numbers."""
    dead = Metric("x", "team", "command", 20, 0, 20)
    comparison = compared([metric("x", 40)], [dead])
    assert comparison.verdict == "worse"
    assert gates_of(comparison, [], 20) == ["x: failed iterations 0 → 20"]


def test_the_database_work_is_not_blamed_for_the_old_codes_race() -> None:
    """A faster database draws more duplicates from code that has a race: refusing the deploy would keep the race."""
    before, after = metric("x", 40, duplicates=2), metric("x", 40, duplicates=15)
    assert gates_of(compared([before], [after]), [], 20) == ["x: duplicates 2 → 15"]
    assert gates_of(compared([before], [after]), [], 20, same_code=True) == []
    appeared = compared([metric("x", 40, duplicates=0)], [after])
    assert gates_of(appeared, [], 20, same_code=True) == ["x: duplicates 0 → 15"]


def test_a_metric_of_one_point_only_is_doubted() -> None:
    """An operation that vanished from the script has not become infinitely fast."""
    comparison = compared([metric("old", 40), metric("same", 40)], [metric("same", 40), metric("new", 1)])
    assert [of(comparison, name)["verdict"] for name in ("old", "same", "new")] == [
        "inconclusive",
        "unchanged",
        "inconclusive",
    ]
    assert comparison.totals[0].before == 40


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ([(40, 15), (40, 90)], "worse"),
        ([(40, 15), (40, 40)], "improved"),
        ([(40, 40), (40, 40)], "unchanged"),
        ([(40, 40), (40, 47)], "inconclusive"),
    ],
)
def test_the_worst_news_gives_the_verdict(means: list[tuple[float, float]], verdict: str) -> None:
    """An improvement does not buy off a regression."""
    before, after = ([metric(f"m{place}", pair[side]) for place, pair in enumerate(means)] for side in (0, 1))
    assert compared(before, after).verdict == verdict


def test_a_gate_names_the_metric_and_the_limit() -> None:
    """Whoever reads why the deploy was rolled back needs the figures."""
    comparison = compared([metric("x", 40), metric("y", 40)], [metric("x", 80), metric("y", 40)])
    assert gates_of(comparison, [], 20) == [
        "x 40.0 → 80.0 ms (+100 %), where 20 % is the limit",
        "total 80.0 → 120 ms (+50 %), where 20 % is the limit",
    ]
    assert gates_of(comparison, ["y"], 20) == []
    assert gates_of(comparison, [], 150) == []


def test_improvements_and_doubts_pass_the_gate() -> None:
    """A gate that fires on doubt undoes good work."""
    assert gates_of(compared([metric("x", 40)], [metric("x", 15)]), [], 20) == []
    assert gates_of(compared([metric("x", 40)], [metric("x", 46)]), [], 20) == []


def test_a_name_that_nothing_has_is_refused() -> None:
    """A misspelt critical metric would be a gate that never closes."""
    comparison = compared([metric("getNextFolio", 40)], [metric("getNextFolio", 15)])
    require_known(["getNextFolio", "total"], comparison, "critical")
    with pytest.raises(PitstopError, match="names 'getNextFoli', which was not measured") as refused:
        require_known(["getNextFoli"], comparison, "critical")
    assert refused.value.next_step == "use one of: getNextFolio, total"


def test_goals_are_met_or_not_with_their_numbers() -> None:
    """The window had goals: total at most 4,200 ms, 46 % better."""
    comparison = compared([metric("x", 40), metric("y", 20)], [metric("x", 15), metric("y", 20)])
    goals = [
        {"metric": "x", "max_ms": 15, "min_improvement_percent": 70},
        {"metric": "total", "max_ms": 50, "min_improvement_percent": None},
    ]
    assert goals_of(comparison, goals) == [
        {"metric": "x", "goal": "at most 15.0 ms", "max_ms": 15, "value": 15, "reached": "15.0 ms", "met": True}
        | {"probe": "team"},
        {"metric": "x", "goal": "at least 70 % better", "min_improvement_percent": 70}
        | {"probe": "team", "value": 62.5, "reached": "62.5 % better", "met": False},
        {"metric": "total", "goal": "at most 50.0 ms", "max_ms": 50, "value": 35, "reached": "35.0 ms", "met": True}
        | {"probe": "team"},
    ]


def test_the_sentence_has_the_key_figures() -> None:
    """It is all that most people will read."""
    before = [metric("getNextFolio", 21.3, duplicates=92), metric("findCustomer", 40)]
    after = [metric("getNextFolio", 10.9, duplicates=0), metric("findCustomer", 40)]
    assert sentence_of(compared(before, after)) == (
        "improved: getNextFolio 21.3 → 10.9 ms (-49 %), total 61.3 → 50.9 ms (-17 %); getNextFolio: duplicates 92 → 0"
    )


def test_a_total_says_its_own_verdict_where_it_is_another() -> None:
    """The sentence may not lend the certainty of one metric to the sum of all."""
    before = [metric("getNextFolio", 21.3), metric("slow", 400), metric("one", 7, probe="bot")]
    after = [metric("getNextFolio", 10.9), metric("slow", 400), metric("one", 7, probe="bot")]
    assert sentence_of(compared(before, after)) == (
        "improved: getNextFolio 21.3 → 10.9 ms (-49 %), total 421 → 411 ms (-2 %, inconclusive)"
    )


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=50), st.integers(0, 3))
def test_a_metric_comes_back_from_evidence_as_it_went(samples: list[float], failed: int) -> None:
    """The comparison reads what the measurement wrote, hours and processes apart."""
    taken = Metric.from_samples("x", probe="db", provider="sql", samples=samples, failed=failed)
    assert Metric.from_evidence(taken.as_evidence()) == taken
    assert taken.as_evidence()["unit"] == "ms"
    assert taken.times is not None
    assert taken.times.min <= taken.times.median <= taken.times.max


def test_a_first_point_that_only_fails_is_refused() -> None:
    """Found before anything is changed, not after."""
    with pytest.raises(PitstopError, match="failed in all 20 iterations before any change"):
        require_success([metric("x", 40), Metric("y", "team", "command", 20, 0, 20)])


def test_totals_are_of_the_teams_script_alone() -> None:
    """Statements timed one by one are no part of what the team's script adds up."""
    statement = Metric.from_samples("s", probe="db", provider="sql", samples=[1.0, 2.0])
    assert totals_of([metric("x", 40), metric("y", 2), statement]) == {"team": {"mean": 42.0}}


def test_the_table_is_aligned() -> None:
    """It is read at night, on a terminal."""
    lines = table_of([metric("getNextFolio", 21.3, duplicates=3), Metric("dead", "team", "command", 20, 0, 20)])
    assert lines == [
        "metric         n   median     mean      p95  failed  duplicates",
        "getNextFolio  20  21.3 ms  21.3 ms  22.4 ms       0           3",
        "dead           0        –        –        –      20",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 ms"), (0.01234, "0.0123 ms"), (9.994, "9.99 ms"), (10.94, "10.9 ms"), (3400.4, "3,400 ms"), (None, "–")],
)
def test_times_have_three_digits_that_mean_something(value: float | None, text: str) -> None:
    """More digits would claim a precision that nothing here has."""
    assert time_text(value) == text
