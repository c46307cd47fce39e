# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of a probe and times taken by hand, as an inventory gives them: what is refused before anything is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._http_answer import Answer, Duration, NotAsExpected
from ansible_collections.pitstop.runbook.plugins.module_utils._http_probe import http_probe, without_secrets
from ansible_collections.pitstop.runbook.plugins.module_utils._manual_times import manual_times
from ansible_collections.pitstop.runbook.plugins.module_utils._placeholders import filled, names_in

NOW = datetime.fromisoformat("2026-11-24T02:30:00+01:00")
BEGAN = datetime.fromisoformat("2026-11-24T00:50:30+00:00")
STEP: dict[str, Any] = {
    "method": "GET",
    "url": "http://bot",
    "headers": {},
    "body": None,
    "json": None,
    "expect": None,
    "until": None,
}
PROBE: dict[str, Any] = {"name": "bot", "cleanup": [], "warmup": None, "iterations": None, "interval": 0, "timeout": 9}


def probe(step: dict[str, Any] | None = None, **options: Any) -> Any:
    steps = [{**STEP, "interval": 0.2, "timeout": 30, **(step or {})}]
    others = {"failure_limit": None, "duration": None, "distinct": None}
    return http_probe({**PROBE, **others, "steps": steps, **options})


@pytest.mark.parametrize(
    ("step", "options", "complaint"),
    [
        ({"url": "bot.example.com"}, {}, "let it begin with https://"),
        ({"body": "x", "json": 1}, {}, "both body and json"),
        ({"expect": {}, "until": {}}, {}, "both expect and until"),
        ({"expect": {"body": "("}}, {}, "is no pattern"),
        ({"json": ["$[uniqe]"]}, {}, r"use one of $[iteration], $[unique]"),
        ({"url": "http://bot/$[env:]"}, {}, "There is no placeholder $[env:]"),
        ({"body": "$[file:/etc/passwd]"}, {}, "leads out of the repository"),
        ({"timeout": 0}, {}, "timeout is 0"),
        ({}, {"iterations": 2}, "iterations is 2"),
        ({}, {"steps": []}, "it has no steps"),
        ({}, {"duration": {"json": None, "header": None, "unit": "ms"}}, "one of json and header"),
    ],
)
def test_a_probe_that_makes_no_sense_is_refused(step: dict[str, Any], options: dict[str, Any], complaint: str) -> None:
    """Before the window, in check mode, and not at three in the morning."""
    with pytest.raises(PitstopError) as refused:
        probe(step, **options)
    assert complaint in str(refused.value)


@given(st.text())
def test_a_literal_text_can_always_be_written(text: str) -> None:
    """Nobody's JSON or regular expression is taken for a placeholder against their will."""
    written = text.replace("$[", "$$[")
    if "$$$[" not in written:
        assert names_in(written) == []
        assert filled(written, {}) == text


@pytest.mark.parametrize("said", ["null", "true", '"soon"', "-1", "NaN", "1e999", "{}"])
def test_what_is_no_time_is_a_failure(said: str) -> None:
    """One NaN in the samples would make every figure of the report one."""
    answer = Answer(200, {}, f'{{"took": {said}}}'.encode(), 0.0)
    with pytest.raises(NotAsExpected, match="no time"):
        Duration("took", None, "ms").of(answer)


def test_a_secret_is_hidden_before_the_text_is_cut() -> None:
    """Half a secret at the end of a message is half a secret too many."""
    assert "hunter" not in without_secrets("x" * 195 + "hunter2-and-more", ["hunter2-and-more"])


def entry(**options: Any) -> dict[str, Any]:
    given_by = {"unit": "s", "by": "Ana", "at": "2026-11-24 02:10"}
    return {"metric": "Bot Total", "point": "after", "times": [8.9, 9.4], **given_by, **options}


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([entry(by=" ")], "by is missing"),
        ([entry(at=None)], "at is missing"),
        ([entry(at="ten past two")], "at is 'ten past two'"),
        ([entry(at="2026-11-24 03:10")], "in the future"),
        ([entry(at="2025-11-24 02:10", point="before")], "more than 30 days ago"),
        ([entry(at="2026-11-24 01:40")], "before this run began"),
        ([entry(times=[8.9, 0])], "0 is no time"),
        ([entry(times=[float("nan")])], "nan is no time"),
        ([entry(), entry()], "it is there twice"),
        ([entry(point="before"), entry(unit="ms")], "in ms and in s"),
    ],
)
def test_times_by_hand_that_cannot_be_right_are_refused(entries: list[dict[str, Any]], complaint: str) -> None:
    """A mistyped year, or milliseconds beside seconds, would be a verdict on the app."""
    with pytest.raises(PitstopError) as refused:
        manual_times(entries, NOW, BEGAN)
    assert complaint in str(refused.value)


def test_times_by_hand_become_milliseconds_with_their_moment() -> None:
    """Those that are not taken yet are no failure; the controller's time zone is meant where none is said."""
    [taken] = manual_times([entry(), entry(point="before", times=[], by=None, at=None)], NOW, BEGAN)
    assert (taken.samples, taken.at) == ((8900.0, 9400.0), "2026-11-24T02:10:00+01:00")
