# SPDX-License-Identifier: GPL-3.0-or-later
"""The team's own benchmark JSON, read with suspicion and written in their form.

A results file is ``{"phase": "BEFORE" | "AFTER", "results": [{"operation", "iterations", "successful", "failed", "min",
"max", "avg", "median", "p95", "stdDev"}, …]}``; two more keys of a result are read when they are there: ``samples``
(milliseconds, in the order they were taken) and ``duplicates`` (a count). Whatever does not add up is refused, because
a verdict will be built on it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import Metric, Times
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

PROVIDER = "command"

_TIMES = {"min": "min", "max": "max", "avg": "mean", "median": "median", "p95": "p95", "stdDev": "stddev"}
"""The team's key -> ours."""

_ROUNDING_MS = 0.01
"""Results may be rounded to two decimals each, so this much disorder among them is none."""


def parse_team_results(text: str, *, phase: str, probe: str, source: str) -> list[Metric]:
    """The metrics in ``text``, which must be of ``phase`` (before | after).

    ``source`` names the file in errors. Raises PitstopError for anything but a whole, consistent, finite result.
    """
    document = _Part(source, "", _object(text, source))
    said = document.value("phase")
    if str(said).casefold() != phase:
        document.refuse(f"its phase is {said!r} where {phase.upper()!r} was asked for", _RUN_AGAIN)
    results = document.value("results")
    if not isinstance(results, list) or not results:
        document.refuse("it has no results", "run the script by hand and see why it measured nothing")
    metrics = [_metric(_Part(source, f"result {place}", entry), probe) for place, entry in enumerate(results, start=1)]
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1:
            document.refuse(f"operation {name!r} is in it more than once", "give each operation a name of its own")
    return metrics


def team_comparison(
    before: Sequence[Metric],
    after: Sequence[Metric],
    *,
    timestamp: str,
    before_file: str | None,
    after_file: str | None,
) -> dict[str, Any]:
    """The comparison in the team's form, for the operations that were measured at both points."""
    later = {metric.name: metric.mean for metric in after}
    pairs = [
        (metric.name, metric.mean, mean)
        for metric in before
        if metric.mean is not None and (mean := later.get(metric.name)) is not None
    ]
    return {
        "timestamp": timestamp,
        "before": before_file,
        "after": after_file,
        "improvements": [{"operation": name, **_improvement(old, new)} for name, old, new in pairs],
        "totalImprovement": _improvement(sum(old for _, old, _ in pairs), sum(new for _, _, new in pairs)),
    }


def _improvement(before: float, after: float) -> dict[str, float | None]:
    gain = before - after
    percent = round(100 * gain / before, 2) if before else None
    return {"before": before, "after": after, "improvement": gain, "improvementPct": percent}


_RUN_AGAIN = "run the script by hand and look at the file it writes"
_WRITE_NUMBERS = "let the script write a number"


@dataclass(frozen=True)
class _Part:
    """A JSON object of a results file, and where it is, for errors."""

    source: str
    place: str
    data: Any

    def refuse(self, what: str, next_step: str) -> NoReturn:
        where = f", {self.place}" if self.place else ""
        raise PitstopError(f"The benchmark result {self.source}{where} cannot be used", why=what, next_step=next_step)

    def value(self, key: str) -> Any:
        if not isinstance(self.data, dict):
            self.refuse(f"it is {self.data!r:.60} and no object", _RUN_AGAIN)
        if key not in self.data:
            self.refuse(f"it has no {key!r}", "let the script write it")
        return self.data[key]

    def count(self, key: str) -> int:
        value = self.value(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.refuse(f"{key} is {value!r:.60}; it must be a whole number, 0 or more", "let the script write a count")
        return value

    def time(self, key: str) -> float:
        return self.checked_time(key, self.value(key))

    def checked_time(self, key: str, value: Any) -> float:
        try:
            milliseconds = math.nan if isinstance(value, bool | str) else float(value)
        except (TypeError, OverflowError):
            milliseconds = math.nan
        if not math.isfinite(milliseconds) or milliseconds < 0:
            self.refuse(f"{key} is {value!r:.60}; it must be a number of milliseconds, 0 or more", _WRITE_NUMBERS)
        return milliseconds


def _object(text: str, source: str) -> Any:
    def refuse_constant(word: str) -> NoReturn:
        raise ValueError(f"{word} is not JSON and no measurement")

    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        _Part(source, "", None).refuse(
            f"it is no whole JSON document ({error})" if text.strip() else "it is empty",
            "run the script by hand and see whether it ends well and waits for its file to be written",
        )


def _metric(part: _Part, probe: str) -> Metric:
    name = part.value("operation")
    if not isinstance(name, str) or not name.strip():
        part.refuse(f"operation is {name!r:.60} and no name", "give each operation a name")
    named = _Part(part.source, f"operation {name!r:.80}", part.data)
    iterations, successful, failed = (named.count(key) for key in ("iterations", "successful", "failed"))
    if iterations == 0 or successful + failed != iterations:
        named.refuse(
            f"{successful} successful and {failed} failed do not make {iterations} iterations",
            "let the script count each iteration once",
        )
    return Metric(
        name,
        probe,
        PROVIDER,
        iterations,
        successful,
        failed,
        duplicates=None if part.data.get("duplicates") is None else named.count("duplicates"),
        samples=_samples(named, successful),
        times=_times(named) if successful else None,
    )


def _times(part: _Part) -> Times:
    times = Times(**{ours: part.time(theirs) for theirs, ours in _TIMES.items()})
    in_order = [("min", "median"), ("median", "p95"), ("p95", "max"), ("min", "mean"), ("mean", "max")]
    for smaller, larger in in_order:
        small, large = getattr(times, smaller), getattr(times, larger)
        if small > large + _ROUNDING_MS:
            part.refuse(
                f"its {smaller} of {small:g} is above its {larger} of {large:g}", "look at how the script computes them"
            )
    return times


def _samples(part: _Part, successful: int) -> tuple[float, ...] | None:
    data: Mapping[str, Any] = part.data
    values = data.get("samples")
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != successful:
        size = f"{len(values)} of them" if isinstance(values, list) else "no list"
        part.refuse(f"samples are {size} for {successful} successful iterations", "let the script keep one for each")
    return tuple(part.checked_time("a sample", value) for value in values)
