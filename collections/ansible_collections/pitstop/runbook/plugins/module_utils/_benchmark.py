# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark measured: one form for all providers, and how it is read from the team's own JSON.

All times are milliseconds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

POINTS = ("before", "after-db", "after")
UNIT = "ms"
TO_MS = {"ms": 1.0, "s": 1000.0}


def phase_of(point: str) -> str:
    """The word the team's script knows for ``point``: it has only before and after."""
    return "before" if point == "before" else "after"


def evidence_of(point: str) -> str:
    """The name of the evidence that keeps what was measured at ``point``."""
    return f"benchmark-{point}"


@dataclass(frozen=True)
class Times:
    """What the successful iterations took, in milliseconds."""

    min: float
    max: float
    mean: float
    median: float
    p95: float
    stddev: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Times:
        """The summary of at least one sample."""
        several = len(samples) > 1
        return cls(
            min=min(samples),
            max=max(samples),
            mean=statistics.fmean(samples),
            median=statistics.median(samples),
            p95=statistics.quantiles(samples, n=20, method="inclusive")[-1] if several else samples[0],
            stddev=statistics.stdev(samples) if several else 0.0,
        )


TIMES = tuple(field.name for field in fields(Times))


@dataclass(frozen=True)
class Metric:
    """One operation at one point.

    ``times`` is None when no iteration succeeded. ``samples`` are in the order they were taken; None when the provider
    gives a summary only. ``duplicates`` is None when the provider does not count them.
    """

    name: str
    probe: str
    provider: str
    iterations: int
    successful: int
    failed: int
    duplicates: int | None = None
    samples: tuple[float, ...] | None = None
    times: Times | None = None

    @classmethod
    def from_samples(cls, name: str, *, probe: str, provider: str, samples: Sequence[float], failed: int = 0) -> Metric:
        """The metric of the iterations that took ``samples``, beside ``failed`` ones."""
        return cls(
            name,
            probe,
            provider,
            iterations=len(samples) + failed,
            successful=len(samples),
            failed=failed,
            samples=tuple(samples),
            times=Times.of(samples) if samples else None,
        )

    @classmethod
    def from_evidence(cls, data: Mapping[str, Any]) -> Metric:
        """The metric that ``as_evidence`` wrote."""
        counts = {key: data[key] for key in ("name", "probe", "provider", "iterations", "successful", "failed")}
        times = None if data["mean"] is None else Times(**{key: data[key] for key in TIMES})
        samples = None if data["samples"] is None else tuple(data["samples"])
        return cls(**counts, duplicates=data["duplicates"], samples=samples, times=times)

    def as_evidence(self) -> dict[str, Any]:
        """JSON-ready and flat, with the unit; the times are null when there are none."""
        flat = {key: value for key, value in asdict(self).items() if key != "times"}
        samples = None if self.samples is None else list(self.samples)
        times = asdict(self.times) if self.times else dict.fromkeys(TIMES)
        return {**flat, "samples": samples, "unit": UNIT, **times}

    def with_duplicates(self, count: int) -> Metric:
        """The same, whose iterations gave ``count`` values a second time."""
        return replace(self, duplicates=count)

    @property
    def mean(self) -> float | None:
        return self.times.mean if self.times else None


def totals_of(metrics: Iterable[Metric]) -> dict[str, dict[str, float]]:
    """Probe -> the sum of its means, as the team's totalImprovement adds them; of `command` probes only."""
    sums: dict[str, dict[str, float]] = {}
    for metric in metrics:
        if metric.provider == "command" and metric.mean is not None:
            sums.setdefault(metric.probe, {"mean": 0.0})["mean"] += metric.mean
    return sums


def require_success(metrics: Iterable[Metric]) -> None:
    """Refuse a first point at which an operation never succeeds: nothing could be compared with it later."""
    for metric in metrics:
        if metric.successful == 0:
            raise PitstopError(
                f"{metric.name} of probe {metric.probe} failed in all {metric.iterations} iterations before any change",
                why="there is nothing to compare a later measurement with",
                next_step="repair the operation, or take it out of the benchmark, and run again",
            )


def differences(settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence for each setting that was not the same at all points, which ``settings`` names.

    The round trip counts when it differs by half and by a millisecond: then it is another network.
    """
    notes = []
    for key in ("server_version", "jit", "work_mem"):
        values = {point: values[key] for point, values in settings.items()}
        if len(set(values.values())) > 1:
            shown = ", ".join(f"{value} {point}" for point, value in values.items())
            notes.append(f"{key} was not the same at each point: {shown}")
    trips = {point: trip for point, values in settings.items() if (trip := values["round_trip_ms"]) is not None}
    if trips and max(trips.values()) > max(1.5 * min(trips.values()), min(trips.values()) + 1):
        shown = ", ".join(f"{time_text(trip)} {point}" for point, trip in trips.items())
        notes.append(f"the round trip to the database was not the same at each point: {shown}")
    return notes


def table_of(metrics: Sequence[Metric]) -> list[str]:
    """Aligned lines for the screen: a heading, then a metric each."""
    rows = [["metric", "n", "median", "mean", "p95", "failed", "duplicates"]]
    for metric in metrics:
        times = [metric.times.median, metric.times.mean, metric.times.p95] if metric.times else [None] * 3
        duplicates = "" if metric.duplicates is None else str(metric.duplicates)
        rows.append([metric.name, str(metric.successful), *map(time_text, times), str(metric.failed), duplicates])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """``rows`` as lines with columns of equal width: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def time_text(milliseconds: float | None) -> str:
    """Three significant digits and the unit, such as 0.0123 ms, 10.9 ms, 3,400 ms; a dash for None."""
    if milliseconds is None:
        return "–"
    if milliseconds == 0:
        return f"0 {UNIT}"
    digits = max(0, 2 - math.floor(math.log10(abs(milliseconds))))
    return f"{milliseconds:,.{digits}f} {UNIT}"
