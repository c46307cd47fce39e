# SPDX-License-Identifier: GPL-3.0-or-later
"""What an app's log on Heroku says: requests, errors and their codes, and whether it is worse than before.

The rule of a judgement, of what came after a deploy against what came before it:

- a fatal code is worse when it is new, or more frequent than before than chance does in one of twenty cases;
- any other code, and answers with a status of 5xx, are worse when there are at least ``MIN_EVENTS`` of them, their
  rate is at least ``MIN_RISE`` times that of before, and that is more than chance: one-sided exact conditional test
  of two Poisson rates, level ``ALPHA`` over all rates together (Bonferroni). Errors come in bursts, which that test
  knows nothing of; hence the other two conditions;
- what the router reports is counted per request, so that a busy minute is no error; what dynos report, per second;
- codes in ``NOT_JUDGED`` are noted only.

The text of a log is anybody's: a line says what it says, and none is an error. Only the platform's own lines count,
so that an app cannot write itself a code.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted
from ansible_collections.pitstop.runbook.plugins.module_utils._units import seconds_text

Verdict = Literal["quiet", "worse", "unknown"]

CRASHED = "crashed"
"""Stands beside Heroku's codes for a dyno that crashed: without a request, no code would tell."""
CODES = {
    "H10": "App crashed",
    "H11": "Backlog too deep",
    "H12": "Request timeout",
    "H13": "Connection closed without response",
    "H14": "No web dynos running",
    "H15": "Idle connection",
    "H17": "Poorly formatted HTTP response",
    "H18": "Server request interrupted",
    "H19": "Backend connection timeout",
    "H20": "App boot timeout",
    "H21": "Backend connection refused",
    "H22": "Connection limit reached",
    "H27": "Client request interrupted",
    "H80": "Maintenance mode",
    "H99": "Platform error",
    "R10": "Boot timeout",
    "R12": "Exit timeout",
    "R14": "Memory quota exceeded",
    "R15": "Memory quota vastly exceeded",
    "R17": "Checksum error",
    "R99": "Platform error",
    CRASHED: "a dyno crashed",
}
"""Names of the more frequent of https://devcenter.heroku.com/articles/error-codes; the others count all the same."""
NOT_JUDGED = frozenset(
    (
        *("H16", "H23", "H25", "H26", "H27", "H28", "H31", "H32"),  # the client's or a domain's doing
        *("H80", "H81", "H82", "H83", "H99", "R99", "R17"),  # the platform's, or the owner's wish
        *("R12", "R13", "R16"),  # an old dyno that goes, or a one-off
        *("L10", "L11", "L12", "L13", "L14", "L15"),  # of the log itself
    )
)
"""Codes that are not a deploy's doing, unless somebody calls them fatal."""
ALPHA = 0.01
FATAL_ALPHA = 0.05
MIN_EVENTS = 3
MIN_RISE = 2.0
SLOWER = 1.5
"""A median service time that grew by this factor is noted."""
MAX_SAMPLES = 20
SAMPLES_OF_A_KIND = 5
ERRORS_5XX = "5xx"

_LINE = re.compile(r"(\S+) ([\w-]+)\[([^\]]*)\]: ?(.*)", re.DOTALL)
_FIELD = re.compile(r'(?<!\S)(\w+)=("[^"]*"|\S*)')
_CODE = re.compile(r"[HLR][0-9]{2}")
_PROCESS_ERROR = re.compile(r"Error ([LR][0-9]{2})\b")
_CRASH = re.compile(r"State changed from \w+ to crashed\b")
_ONE_OFF = re.compile(r"(?:run|scheduler|release)\b")
_CLIENT = re.compile(r'\s+fwd=("[^"]*"|\S*)')
_QUERY = re.compile(r'\?[^\s"]*')


@dataclass(frozen=True)
class Line:
    """One line of a log: ``TIME source[process]: text``. What is no such line has its all in ``text``."""

    whole: str
    time: datetime | None = None
    source: str = ""
    process: str = ""
    text: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The ``key=value`` pairs of a router's line; the first of a name counts."""

    @property
    def is_request(self) -> bool:
        """Whether the router tells of a request."""
        return "method" in self.fields

    @property
    def code(self) -> str | None:
        """The platform's error code, or CRASHED."""
        if self.source != "heroku":
            return None
        if self.process == "router":
            code = self.fields.get("code", "")
            return code if _CODE.fullmatch(code) else None
        if found := _PROCESS_ERROR.match(self.text):
            return found[1]
        return CRASHED if _CRASH.match(self.text) and not _ONE_OFF.match(self.process) else None

    @property
    def is_5xx(self) -> bool:
        """Whether a request was answered with a server error that may be the app's; maintenance mode is none."""
        return bool(re.fullmatch("5[0-9]{2}", self.fields.get("status", ""))) and self.code not in NOT_JUDGED

    @property
    def service_ms(self) -> int | None:
        """How long the app took for a request."""
        found = re.fullmatch("([0-9]{1,9})ms", self.fields.get("service", ""))
        return int(found[1]) if found else None

    @property
    def shown(self) -> str:
        """The line without secrets, without its client and without query strings."""
        return redacted(_QUERY.sub("", _CLIENT.sub("", self.whole)))


def parse(text: str) -> Line:
    """A line of a log; any text is one."""
    found = _LINE.fullmatch(text)
    if not found:
        return Line(text, text=text)
    source, process = found[2], found[3]
    fields: dict[str, str] = {}
    if (source, process) == ("heroku", "router"):
        for key, value in _FIELD.findall(found[4]):
            fields.setdefault(key, value.strip('"'))
    return Line(text, moment(found[1]), source, process, found[4], fields)


def moment(text: str) -> datetime | None:
    """A point in time as Heroku writes it, or None."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def is_code(text: str) -> bool:
    """Whether a log can have this as a code."""
    return text == CRASHED or bool(_CODE.fullmatch(text))


class Tally:
    """What lines add up to. Requests whose id begins with ``own`` are ours: traffic, but nothing to take times from."""

    def __init__(self, own: str = "") -> None:
        self.lines = self.requests = self.errors_5xx = 0
        self.codes: Counter[str] = Counter()
        self._own = own
        self._service_ms: list[int] = []
        self._samples: dict[str, list[str]] = {}
        self._first: datetime | None = None
        self._last: datetime | None = None

    def add(self, line: Line) -> None:
        """Count a line."""
        self.lines += 1
        if line.time:
            self._first, self._last = self._first or line.time, line.time
        self.requests += line.is_request
        self.errors_5xx += line.is_5xx
        ours = self._own and line.fields.get("request_id", "").startswith(self._own)
        if line.service_ms is not None and not ours:
            self._service_ms.append(line.service_ms)
        if line.code:
            self.codes[line.code] += 1
        if kind := line.code or (ERRORS_5XX if line.is_5xx else None):
            kept = self._samples.setdefault(kind, [])
            if len(kept) < SAMPLES_OF_A_KIND:
                kept.append(line.shown)

    def span_s(self, now: datetime) -> float:
        """Seconds from the first line to ``now``, or to the last line where the clocks differ."""
        if not self._first or not self._last:
            return 0.0
        return max(0.0, (max(now, self._last) - self._first).total_seconds())

    def result(self, seconds: float) -> dict[str, Any]:
        """The numbers of ``seconds`` of a log; those of the worst codes are the first samples."""
        counts = {"requests": self.requests, "errors_5xx": self.errors_5xx, **dict(sorted(self.codes.items()))}
        kinds = sorted(self._samples, key=lambda kind: kind in NOT_JUDGED)
        return {
            "seconds": round(seconds, 1),
            "lines": self.lines,
            "requests": self.requests,
            "errors_5xx": self.errors_5xx,
            "codes": dict(sorted(self.codes.items())),
            "per_minute": {kind: round(60 * n / seconds, 2) if seconds else 0.0 for kind, n in counts.items()},
            "service_ms": _service(self._service_ms),
            "samples": [line for kind in kinds for line in self._samples[kind]][:MAX_SAMPLES],
        }


@dataclass(frozen=True)
class Judgement:
    """What is worse than before, and what is only worth a note, in sentences."""

    verdict: Verdict
    worse: list[str]
    noted: list[str]


def judge(before: Mapping[str, Any], after: Mapping[str, Any], fatal: Collection[str], *, complete: bool) -> Judgement:
    """Judge the numbers of a Tally against those of an earlier one; ``before`` may be empty.

    An incomplete log, or one without a request, can be worse, but never quiet.
    """
    counts = {**after["codes"], **({ERRORS_5XX: after["errors_5xx"]} if after["errors_5xx"] else {})}
    rates = [_Rate.of(kind, before, after) for kind in counts]
    worse, noted = [], []
    for rate in rates:
        if _is_worse(rate, fatal, len(rates)):
            worse.append(rate.sentence)
        else:
            judged = rate.kind not in NOT_JUDGED and rate.size_before
            noted.append(f"{rate.sentence} ({'no clear rise' if judged else 'not judged'})")
    noted += _slower(before.get("service_ms"), after["service_ms"])
    if not after["requests"]:
        noted.append("no request is in the log, so its silence says little")
    if worse:
        return Judgement("worse", worse, noted)
    return Judgement("quiet" if complete and after["requests"] else "unknown", [], noted)


def fatal_news(before: Mapping[str, Any], codes: Mapping[str, int], fatal: Collection[str]) -> bool:
    """Whether a fatal code has come that was not there before: no more of the log is needed to tell."""
    return any(code in fatal and not _count(before, code) for code in codes)


@dataclass(frozen=True)
class _Rate:
    """How often something happened before and after, and in how many requests or seconds."""

    kind: str
    n_before: int
    n_after: int
    size_before: float
    size_after: float
    sentence: str

    @classmethod
    def of(cls, kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> _Rate:
        counted, earlier = _count(after, kind), _count(before, kind)
        per_request = kind == ERRORS_5XX or kind.startswith("H")
        size = "requests" if per_request and _number(before, "requests") and after["requests"] else "seconds"
        name = "answers with status 5xx" if kind == ERRORS_5XX else kind
        name += f" ({CODES[kind]})" if kind in CODES else ""
        then = f"before: {earlier}{_among(before, per_request)}" if _number(before, "seconds") else "before: not known"
        sentence = f"{name}: {counted}{_among(after, per_request)}; {then}"
        return cls(kind, earlier, counted, _number(before, size), _number(after, size), sentence)

    @property
    def p_value(self) -> float:
        """The probability of at least so many after, were the rate that of before; 1 where nothing is known of that."""
        if not self.size_before or not self.size_after:
            return 1.0
        share = self.size_after / (self.size_before + self.size_after)
        return binomial_tail(self.n_after, self.n_before + self.n_after, share)

    @property
    def rise(self) -> float:
        """The rate after by the rate before."""
        was = self.n_before * self.size_after
        return self.n_after * self.size_before / was if was else math.inf


def binomial_tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of n trials, each with probability 0 < p < 1. SciPy has it too, but takes seconds to load."""
    logs = math.log(p), math.log1p(-p)
    return min(1.0, sum(math.exp(_log_choose(n, i) + i * logs[0] + (n - i) * logs[1]) for i in range(k, n + 1)))


def _is_worse(rate: _Rate, fatal: Collection[str], judged_together: int) -> bool:
    if rate.kind in fatal:
        return not rate.n_before or rate.p_value < FATAL_ALPHA
    if rate.kind in NOT_JUDGED or rate.n_after < MIN_EVENTS or rate.rise < MIN_RISE:
        return False
    return rate.p_value < ALPHA / judged_together


def _slower(before: Any, after: Mapping[str, Any]) -> list[str]:
    was, now = _number(before, "median"), _number(after, "median")
    if not was or now < SLOWER * was:
        return []
    return [f"requests take {now:.0f} ms in the median; before: {was:.0f} ms (not judged: benchmarks do that)"]


def _among(numbers: Mapping[str, Any], per_request: bool) -> str:
    requests = f" in {_number(numbers, 'requests'):.0f} requests" if per_request else ""
    return f"{requests} in {seconds_text(_number(numbers, 'seconds'))}"


def _count(numbers: Mapping[str, Any], kind: str) -> int:
    return int(_number(numbers, "errors_5xx") if kind == ERRORS_5XX else _number(numbers.get("codes"), kind))


def _number(numbers: Any, key: str) -> float:
    """A number of a result; 0 where there is none, since a baseline comes from whoever wrote the task."""
    value = numbers.get(key) if isinstance(numbers, Mapping) else None
    return float(value) if isinstance(value, int | float) and 0 < value < math.inf else 0.0


def _service(times: list[int]) -> dict[str, float | None]:
    if not times:
        return {"median": None, "p95": None}
    ordered = sorted(times)
    return {"median": statistics.median(ordered), "p95": ordered[math.ceil(0.95 * len(ordered)) - 1]}


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
