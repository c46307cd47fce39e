# SPDX-License-Identifier: GPL-3.0-or-later
"""Times that a person took by hand, with who and when: checked, then a metric like any other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import POINTS, TO_MS, Metric
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

MANUAL = "manual"
OLDEST = timedelta(days=30)


@dataclass(frozen=True)
class ManualTimes:
    """What one person took of one metric at one point, in milliseconds; ``at`` is ISO 8601 with its time zone."""

    metric: str
    point: str
    samples: tuple[float, ...]
    by: str
    at: str

    def as_metric(self) -> Metric:
        """Provider and probe are both ``manual``."""
        return Metric.from_samples(self.metric, probe=MANUAL, provider=MANUAL, samples=self.samples)

    @property
    def shown(self) -> str:
        """In one line, such as ``3 times of Bot Total by Ana at 2026-11-24T02:10:00+01:00``."""
        return f"{len(self.samples)} times of {self.metric} by {self.by} at {self.at}"


def manual_times(options: Sequence[Mapping[str, Any]], now: datetime, began: datetime | None) -> list[ManualTimes]:
    """The times of ``options`` (validated against the argument spec), of all points; entries without times are not yet.

    ``began`` is when the run did: a time of after-db or after that is older belongs to another run. A moment without a
    time zone is one of ``now``'s. Raises PitstopError.
    """
    taken = [_checked(option, now, began) for option in options if option["times"]]
    units: dict[str, str] = {}
    for option in options:
        if units.setdefault(option["metric"], option["unit"]) != option["unit"]:
            raise _refused(option, "its times are given in ms and in s", "give all times of a metric in the same unit")
    seen = set()
    for option in options:
        key = option["metric"], option["point"]
        if key in seen:
            raise _refused(option, "it is there twice", "put all of its times into one entry")
        seen.add(key)
    return taken


def _checked(option: Mapping[str, Any], now: datetime, began: datetime | None) -> ManualTimes:
    for key, example in (("by", "Ana"), ("at", "2026-11-24 02:10")):
        if not str(option[key] or "").strip():
            raise _refused(option, f"{key} is missing", f'say who took the times and when, such as {key}: "{example}"')
    for value in option["times"]:
        if not 0 < value < math.inf:
            raise _refused(option, f"{value!r} is no time", f"give what was seen on the clock, in {option['unit']}")
    samples = tuple(value * TO_MS[option["unit"]] for value in option["times"])
    at = _moment(option, now, began)
    return ManualTimes(option["metric"], option["point"], samples, str(option["by"]).strip(), at.isoformat())


def _moment(option: Mapping[str, Any], now: datetime, began: datetime | None) -> datetime:
    try:
        at = datetime.fromisoformat(str(option["at"]).strip())
    except ValueError as error:
        raise _refused(option, f"at is {option['at']!r}", 'write it as "2026-11-24 02:10"') from error
    if at.tzinfo is None:
        at = at.replace(tzinfo=now.tzinfo)
    if at > now:
        raise _refused(option, f"at is {at}, in the future", "mend at; without a time zone it is the controller's time")
    if now - at > OLDEST:
        raise _refused(option, f"at is {at}, more than {OLDEST.days} days ago", "take the times anew, or mend at")
    if option["point"] != POINTS[0] and began and at < began.replace(second=0, microsecond=0):
        raise _refused(
            option,
            f"at is {at}, before this run began ({began.isoformat(timespec='minutes')})",
            "empty its times until they are taken; where they belong to the last run, go on with that: "
            "--tags verify -e run_rejoin=last",
        )
    return at


def _refused(option: Mapping[str, Any], why: str, next_step: str) -> PitstopError:
    return PitstopError(
        f"benchmark_manual has {option['metric']} {option['point']} in a way that cannot be used",
        why=why,
        next_step=next_step,
    )
