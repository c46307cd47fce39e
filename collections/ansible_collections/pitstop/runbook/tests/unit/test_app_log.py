# SPDX-License-Identifier: GPL-3.0-or-later
"""What an app's log says, and when it is worse than before a deploy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom  # type: ignore[attr-defined] # SciPy exports it at run time

from ansible_collections.pitstop.runbook.plugins.module_utils._app_log import (
    ALPHA,
    CODES,
    CRASHED,
    MAX_SAMPLES,
    NOT_JUDGED,
    Judgement,
    Tally,
    binomial_tail,
    fatal_news,
    is_code,
    judge,
    parse,
)
from ansible_collections.pitstop.runbook.plugins.modules.heroku_log import ARGUMENT_SPEC

FATAL = ARGUMENT_SPEC["codes"]["default"]
START = "2026-11-24T02:53:01.637121+00:00"
ROUTER = 'method=POST path="/hook?token=abc" host=a.example request_id={id} fwd="203.0.113.7, 10.0.0.1" dyno=web.1'


def router(rest: str, request_id: str = "0" * 20) -> str:
    head, _, tail = rest.partition(" … ")
    return f"{START} heroku[router]: {head} {ROUTER.format(id=request_id)} connect=1ms {tail} bytes=0 protocol=https"


def numbers(requests: int, seconds: float = 60.0, errors: int = 0, median: float = 12, **codes: int) -> dict[str, Any]:
    service = {"median": median, "p95": median}
    return {"seconds": seconds, "requests": requests, "errors_5xx": errors, "codes": codes, "service_ms": service}


def judged(before: dict[str, Any], after: dict[str, Any], complete: bool = True) -> Judgement:
    return judge(before, after, FATAL, complete=complete)


TIMEOUT = router('at=error code=H12 desc="Request timeout" … service=30001ms status=503')


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TIMEOUT, "H12"),
        (router("at=info … service=12ms status=200"), None),
        (f'{START} heroku[router]: at=error code=H10 desc="App crashed" method=GET path=/ dyno= status=503', "H10"),
        (f"{START} heroku[web.1]: Error R14 (Memory quota exceeded)", "R14"),
        (f"{START} heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind to $PORT", "R10"),
        (f"{START} heroku[logplex]: Error L10 (output buffer overflow): 1 messages dropped", "L10"),
        (f"{START} heroku[web.1]: State changed from up to crashed", CRASHED),
        (f"{START} heroku[worker.2]: State changed from starting to crashed", CRASHED),
        (f"{START} heroku[scheduler.4711]: State changed from up to crashed", None),
        (f"{START} heroku[web.1]: State changed from starting to up", None),
        (f"{START} app[web.1]: Error R14 (Memory quota exceeded)", None),
        (f"{START} app[web.1]: at=error code=H10 method=GET", None),
        (f'{START} heroku[router]: at=info method=GET path="/a code=H10 x" status=200', None),
        ("Error R14", None),
    ],
)
def test_only_the_platform_s_own_codes_are_codes(text: str, code: str | None) -> None:
    """What an app prints, or a client asks for, must not take a deploy back."""
    assert parse(text).code == code


@given(
    st.one_of(
        st.text(),
        st.text().map(lambda text: f"{START} heroku[router]: {text}"),
        st.from_regex(r"\S+ heroku\[router\]: (\w+=\S* )*"),
    )
)
def test_any_text_is_a_line(text: str) -> None:
    """The log is somebody else's text; none of it may end a deploy with a traceback."""
    tally = Tally()
    tally.add(parse(START + " heroku[web.1]: x"))
    tally.add(parse(text))
    assert tally.lines == 2
    assert tally.span_s(datetime.now(UTC)) >= 0
    judged({}, tally.result(1.0))


def test_a_line_of_great_length_is_read_in_no_time() -> None:
    """Ten thousand letters without a field: a slow pattern would stop the watch."""
    assert parse(f"{START} heroku[router]: {'a' * 200_000}").fields == {}


def test_what_lines_add_up_to() -> None:
    tally = Tally(own="pitstop-1234-")
    for service in range(1, 101):
        tally.add(parse(router(f"at=info … service={service}ms status=200")))
    tally.add(parse(router("at=info … service=9999ms status=200", request_id="pitstop-1234-7")))
    tally.add(parse(router("at=info … service=5ms status=500")))
    tally.add(parse(router('at=error code=H80 desc="Maintenance mode" … service= status=503')))
    tally.add(parse(TIMEOUT))
    tally.add(parse(f"{START} app[web.1]: hello"))
    found = tally.result(120)
    assert (found["lines"], found["requests"], found["errors_5xx"]) == (105, 104, 2)
    assert found["codes"] == {"H12": 1, "H80": 1}
    assert found["per_minute"] == {"requests": 52.0, "errors_5xx": 1.0, "H12": 0.5, "H80": 0.5}
    assert found["service_ms"] == {"median": 50.5, "p95": 96}
    assert len(found["samples"]) == 3
    assert "H80" in found["samples"][-1], "what is not judged comes last"


def test_samples_show_neither_clients_nor_queries_and_are_few() -> None:
    """Evidence is kept for years and read by many; a customer's address and token are not ours to keep."""
    tally = Tally()
    for code in CODES:
        for _ in range(10):
            tally.add(parse(TIMEOUT.replace("H12", code)))
    tally.add(parse(f"{START} heroku[web.1]: Error R14 at postgres://app:s3cr3ts3cr3t@db.example/x"))
    samples = tally.result(60)["samples"]
    assert len(samples) == MAX_SAMPLES
    assert 'path="/hook" host=a.example' in samples[0]
    assert not [text for text in ("203.0", "10.0.0.1", "token", "abc", "s3cr3t") if text in "".join(samples)]


def test_how_far_the_log_reaches_back() -> None:
    """A clock that is behind Heroku's makes no negative rate."""
    tally = Tally()
    assert tally.span_s(datetime.now(UTC)) == 0
    first = parse(f"{START} app[web.1]: first")
    assert first.time
    tally.add(first)
    assert tally.span_s(first.time + timedelta(hours=1)) == 3600
    assert tally.span_s(first.time - timedelta(hours=1)) == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (numbers(900, 3600), numbers(30, H10=1)),
        (numbers(900, 3600), numbers(30, **{CRASHED: 1})),
        ({}, numbers(30, R15=1)),
        (numbers(90000, 360000, R10=1), numbers(30, R10=1)),
        (numbers(900, 3600, H12=1), numbers(30, H12=4)),
        (numbers(900, 3600, R14=2), numbers(30, R14=3)),
        (numbers(900, 3600, errors=3), numbers(30, errors=4)),
        (numbers(0, 3600), numbers(30, errors=3)),
    ],
)
def test_what_is_worse(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Users see errors that they did not see before; the deploy has to go back."""
    found = judged(before, after)
    assert found.verdict == "worse"
    assert len(found.worse) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (numbers(900, 3600), numbers(30)),
        (numbers(900, 3600, H10=60), numbers(30, H10=2)),
        (numbers(900, 3600, R14=180), numbers(30, R14=3)),
        (numbers(900, 3600), numbers(30, H12=2)),
        (numbers(900, 3600, errors=90), numbers(300, errors=40)),
        (numbers(900, 3600), numbers(30, H80=20)),
        (numbers(900, 3600), numbers(30, H27=9, R12=5)),
        ({}, numbers(30, errors=20, H12=20)),
        ({"skipped": True}, numbers(30, H12=20)),
        (numbers(900, 3600), numbers(30, median=500)),
    ],
)
def test_what_is_not_worse(before: dict[str, Any], after: dict[str, Any]) -> None:
    """A good deploy is not taken back for what was there before, for chance, or for somebody else's doing."""
    found = judged(before, after)
    assert found.verdict == "quiet"
    assert len(found.noted) >= len(after["codes"])


def test_findings_can_be_understood() -> None:
    """The one sentence that explains a rollback to who was asleep."""
    found = judged(numbers(900, 90, H12=1), numbers(30, errors=6, H12=6, H27=1))
    assert found.worse == [
        "H12 (Request timeout): 6 in 30 requests in 60 s; before: 1 in 900 requests in 90 s",
        "answers with status 5xx: 6 in 30 requests in 60 s; before: 0 in 900 requests in 90 s",
    ]
    assert found.noted == [
        "H27 (Client request interrupted): 1 in 30 requests in 60 s; before: 0 in 900 requests in 90 s (not judged)"
    ]


def test_slower_requests_are_noted() -> None:
    assert "500 ms" in judged(numbers(900), numbers(30, median=500)).noted[0]
    assert judged(numbers(900), numbers(30, median=13)).noted == []


def test_silence_without_requests_or_with_gaps_is_not_quiet() -> None:
    """'Quiet' is what the report shows in green."""
    assert judged(numbers(900), numbers(0)).verdict == "unknown"
    assert judged(numbers(900), numbers(30), complete=False).verdict == "unknown"
    assert judged(numbers(900), numbers(30, H10=1), complete=False).verdict == "worse"


def test_only_news_ends_the_watch_early() -> None:
    assert fatal_news({}, {"H10": 1}, FATAL)
    assert not fatal_news({"codes": {"H10": 1}}, {"H10": 1}, FATAL)
    assert not fatal_news({}, {"H12": 9}, FATAL)


def test_codes_that_are_called_fatal_are_judged() -> None:
    """Who puts H27 into the list wants it judged."""
    assert judge({}, numbers(30, H27=1), ["H27"], complete=True).verdict == "worse"
    assert not NOT_JUDGED & set(FATAL)
    assert all(is_code(code) for code in [*FATAL, *NOT_JUDGED, *CODES])


@given(st.integers(1, 200), st.integers(1, 200), st.floats(0.001, 0.999))
def test_the_test_is_exact(k: int, more: int, p: float) -> None:
    """SciPy says the same."""
    assert binomial_tail(k, k + more, p) == pytest.approx(binom.sf(k - 1, k + more, p), rel=1e-6, abs=1e-12)


@given(st.integers(0, 50), st.integers(10, 2000), st.integers(10, 200))
def test_an_unchanged_rate_is_never_worse(errors: int, requests: int, after: int) -> None:
    """The same share of errors, rounded down, in however many requests."""
    errors = min(errors, requests)
    found = judged(numbers(requests, errors=errors), numbers(after, errors=errors * after // requests))
    assert found.verdict == "quiet"


def test_false_alarms_are_as_rare_as_is_said() -> None:
    """Of all that chance can do to an app whose errors stay the same, less than ALPHA is called worse."""
    before, after, rate = 900, 30, 0.02
    alarms = 0.0
    for was in range(50):
        for now in range(12):
            if judged(numbers(before, errors=was), numbers(after, errors=now)).verdict == "worse":
                alarms += float(binom.pmf(was, before, rate) * binom.pmf(now, after, rate))
    assert 0 < alarms < ALPHA
