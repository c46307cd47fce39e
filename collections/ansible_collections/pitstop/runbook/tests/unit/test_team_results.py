# SPDX-License-Identifier: GPL-3.0-or-later
"""The team's JSON, whole, broken and hostile: a verdict may only be built on what adds up."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import Metric
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._team_results import parse_team_results, team_comparison

RESULT: dict[str, Any] = {
    "operation": "getNextFolio",
    "iterations": 20,
    "successful": 20,
    "failed": 0,
    "min": 10.1,
    "max": 30.5,
    "avg": 21.3,
    "median": 20.9,
    "p95": 29.0,
    "stdDev": 4.2,
}


def document(*results: Any, phase: str = "BEFORE") -> str:
    return json.dumps({"phase": phase, "timestamp": "2026-11-24T03:00:00Z", "results": list(results)})


def parsed(text: str, phase: str = "before") -> list[Metric]:
    return parse_team_results(text, phase=phase, probe="team", source="benchmark-results-before-1.json")


def test_the_teams_file_is_read_as_it_is() -> None:
    """The numbers in the verdict are those in the team's file."""
    [metric] = parsed(document(RESULT))
    assert (metric.name, metric.probe, metric.provider, metric.iterations) == ("getNextFolio", "team", "command", 20)
    assert metric.times is not None
    assert (metric.times.mean, metric.times.median, metric.times.stddev) == (21.3, 20.9, 4.2)
    assert (metric.samples, metric.duplicates) == (None, None)


def test_samples_and_duplicates_are_kept_where_the_script_writes_them() -> None:
    """With samples the judgement needs no assumption; duplicates are a metric of their own."""
    [metric] = parsed(document({**RESULT, "samples": [20.0] * 20, "duplicates": 3}))
    assert metric.samples == (20.0,) * 20
    assert metric.duplicates == 3


def test_an_operation_that_always_fails_has_no_times() -> None:
    """Such a script divides by zero and writes null: that is a finding for the gate, not a broken file."""
    dead = {"operation": "findCustomer", "iterations": 20, "successful": 0, "failed": 20}
    [metric] = parsed(document({**dead, "avg": None, "min": None}, phase="AFTER"), phase="after")
    assert metric.times is None
    assert Metric.from_evidence(metric.as_evidence()) == metric


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it is empty"),
        ('{"phase": "BEFORE", "results": [{"operation": "getNe', "no whole JSON document"),
        ("[" * 100_000, "no whole JSON document"),
        ("[]", "no object"),
        ("{}", "no 'phase'"),
        ('{"phase": "BEFORE"}', "no 'results'"),
        (document(), "no results"),
        ('{"phase": "BEFORE", "results": {"a": 1}}', "no results"),
        (document("fast"), "no object"),
        (document(RESULT, phase="AFTER"), "its phase is 'AFTER' where 'BEFORE' was asked for"),
        (document(RESULT, RESULT), "more than once"),
        (document({**RESULT, "operation": " "}), "no name"),
        (document({**RESULT, "avg": float("nan")}), "NaN is not JSON"),
        (document({**RESULT, "max": float("inf")}), "Infinity is not JSON"),
        (document(RESULT).replace("30.5", "1e999"), "max is inf"),
        (document(RESULT).replace("30.5", "1" + "0" * 400), "number of milliseconds"),
        (document({**RESULT, "min": -0.1}), "min is -0.1"),
        (document({**RESULT, "avg": "21.3"}), "avg is '21.3'"),
        (document({**RESULT, "avg": None}), "avg is None"),
        (document({**RESULT, "avg": True}), "avg is True"),
        (document({**RESULT, "avg": [1]}), "avg is [1]"),
        (document({key: value for key, value in RESULT.items() if key != "p95"}), "no 'p95'"),
        (document({**RESULT, "iterations": 0, "successful": 0}), "do not make 0 iterations"),
        (document({**RESULT, "failed": 3}), "20 successful and 3 failed do not make 20"),
        (document({**RESULT, "failed": -1, "successful": 21}), "failed is -1"),
        (document({**RESULT, "iterations": 20.5}), "iterations is 20.5"),
        (document({**RESULT, "median": 40}), "its median of 40 is above its p95"),
        (document({**RESULT, "avg": 5}), "its min of 10.1 is above its mean"),
        (document({**RESULT, "duplicates": -2}), "duplicates is -2"),
        (document({**RESULT, "samples": [1.0]}), "1 of them for 20"),
        (document({**RESULT, "samples": "many"}), "no list for 20"),
        (document({**RESULT, "samples": [1.0] * 19 + [-1.0]}), "a sample is -1.0"),
    ],
)
def test_what_does_not_add_up_is_refused_by_name(text: str, complaint: str) -> None:
    """A wrong number that passes here becomes a wrong verdict on production."""
    with pytest.raises(PitstopError) as refused:
        parsed(text)
    assert complaint in str(refused.value)
    assert "benchmark-results-before-1.json" in str(refused.value)
    assert "Next: " in str(refused.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_whatever_stands_in_a_field_ends_in_a_metric_or_a_clear_error(value: Any) -> None:
    """A stack trace in the middle of a maintenance window helps nobody."""
    for key in RESULT:
        with suppress(PitstopError):
            [metric] = parsed(document({**RESULT, key: value}))
            assert metric.iterations == metric.successful + metric.failed


def test_the_comparison_is_written_in_the_teams_form() -> None:
    """Their own tools go on reading benchmark-comparison files."""
    before = parsed(document(RESULT, {**RESULT, "operation": "gone"}))
    after = parsed(document({**RESULT, "min": 5, "avg": 10.65}, phase="AFTER"), phase="after")
    written = team_comparison(before, after, timestamp="now", before_file="b.json", after_file="a.json")
    row = {"before": 21.3, "after": 10.65, "improvement": pytest.approx(10.65), "improvementPct": 50.0}
    assert written["improvements"] == [{"operation": "getNextFolio", **row}]
    assert written["totalImprovement"] == row
    assert (written["before"], written["after"]) == ("b.json", "a.json")
