# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of what was measured before the work, after the database phase and after the deploy.

A metric is known by its probe and its name. What is judged: before against after, which is the verdict; and, so that
each phase's share can be told, before against after-db and after-db against after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import Metric
from ansible_collections.pitstop.runbook.plugins.module_utils._correctness import Finding, correctness
from ansible_collections.pitstop.runbook.plugins.module_utils._statistics import (
    IMPROVED,
    INCONCLUSIVE,
    UNCHANGED,
    WORSE,
    Change,
    Judgement,
    Rule,
    Series,
    change_between,
    change_of_sums,
    judge_all,
)

TOTAL = "total"
"""How the sum of a probe's means is called."""

Key = tuple[str, str]
Point = Mapping[Key, Metric]
Centre = float | None


def keyed(metrics: Sequence[Metric]) -> dict[Key, Metric]:
    """Metrics by probe and name, in their order."""
    return {(metric.probe, metric.name): metric for metric in metrics}


@dataclass(frozen=True)
class Judgements:
    """Of the whole way, and of its two parts where something was measured between them."""

    whole: Judgement
    by_database: Judgement | None = None
    by_deploy: Judgement | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: the whole flat, the parts below their names."""
        parts = {"by_database": self.by_database, "by_deploy": self.by_deploy}
        return {**self.whole.as_dict(), **{name: part and part.as_dict() for name, part in parts.items()}}


@dataclass(frozen=True)
class Compared:
    """One metric across the points."""

    name: str
    probe: str
    before: Metric | None
    after_db: Metric | None
    after: Metric | None
    judgements: Judgements
    correctness: Finding | None

    @property
    def centres(self) -> tuple[Centre, Centre, Centre]:
        """Before, after the database's work, and after, in ms, by the estimator that was judged."""
        return self._centre(self.before), self._centre(self.after_db), self._centre(self.after)

    def _centre(self, metric: Metric | None) -> Centre:
        times = metric.times if metric else None
        if times is None:
            return None
        return times.median if self.judgements.whole.estimator == "median" else times.mean

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, as the operation returns it."""
        return {
            "name": self.name,
            "probe": self.probe,
            "before": _point_dict(self.before),
            "after_db": _point_dict(self.after_db),
            "after": _point_dict(self.after),
            **self.judgements.as_dict(),
            "correctness": self.correctness.kind if self.correctness else None,
        }


@dataclass(frozen=True)
class Total:
    """The sum of the means of a probe's metrics that all points have, in ms; ``parts`` is their number."""

    probe: str
    parts: int
    before: float
    after_db: Centre
    after: float
    judgements: Judgements
    name: ClassVar[str] = TOTAL

    @property
    def centres(self) -> tuple[Centre, Centre, Centre]:
        """Before, after the database's work, and after."""
        return self.before, self.after_db, self.after

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, as the operation returns it."""
        points = {"before": self.before, "after_db": self.after_db, "after": self.after}
        return {"probe": self.probe, "parts": self.parts, **points, **self.judgements.as_dict()}


@dataclass(frozen=True)
class Comparison:
    """All that was compared, in the order of the first point."""

    metrics: list[Compared] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)

    @property
    def items(self) -> list[Compared | Total]:
        """Metrics and totals."""
        return [*self.metrics, *self.totals]

    @property
    def verdict(self) -> str:
        """Worse when anything is; else improved when anything is; unchanged only when everything is."""
        found = {item.judgements.whole.verdict for item in self.items}
        for verdict in (WORSE, IMPROVED):
            if verdict in found:
                return verdict
        return UNCHANGED if found == {UNCHANGED} else INCONCLUSIVE


def compare(before: Point, after_db: Point | None, after: Point, rule: Rule) -> Comparison:
    """Compare the points; ``after_db`` is None when nothing was measured between the database's work and the deploy."""
    points = [before, after] if after_db is None else [before, after_db, after]
    return Comparison(_metrics(points, rule), _totals(points, rule))


def _metrics(points: Sequence[Point], rule: Rule) -> list[Compared]:
    keys = list(dict.fromkeys(key for point in points for key in point))
    columns = [[point.get(key) for key in keys] for point in points]
    rows = zip(*columns, strict=True)
    judged = _judged(columns, lambda old, new: list(map(_change, old, new)), rule)
    return [_compared(key, row, judgements) for key, row, judgements in zip(keys, rows, judged, strict=True)]


def _compared(key: Key, row: Sequence[Metric | None], judgements: Judgements) -> Compared:
    before, after = row[0], row[-1]
    finding = correctness(before, after) if before and after else None
    return Compared(
        name=key[1],
        probe=key[0],
        before=before,
        after_db=row[1] if len(row) > 2 else None,
        after=after,
        judgements=replace(judgements, whole=_with_correctness(judgements.whole, finding)),
        correctness=finding,
    )


def _with_correctness(judgement: Judgement, finding: Finding | None) -> Judgement:
    """Wrong results are worse whatever the speed; results that became right are an improvement unless it got slower."""
    if finding is None:
        return judgement
    verdict = WORSE if judgement.verdict == WORSE else finding.kind
    return replace(judgement, verdict=verdict, why=f"{finding.why}; {judgement.why}")


def _totals(points: Sequence[Point], rule: Rule) -> list[Total]:
    """The totals of the `command` probes, as the team's totalImprovement adds them."""
    probes: dict[str, list[Key]] = {}
    for key, metric in points[0].items():
        if metric.provider == "command" and all(_series(point.get(key)) for point in points):
            probes.setdefault(metric.probe, []).append(key)
    columns = [[_all_series(point, keys) for keys in probes.values()] for point in points]
    judged = _judged(columns, lambda old, new: list(map(change_of_sums, old, new)), rule)
    rows = zip(*([sum(part.mean for part in parts) for parts in column] for column in columns), strict=True)
    return [
        Total(probe, len(keys), row[0], row[1] if len(row) > 2 else None, row[-1], judgements)
        for (probe, keys), row, judgements in zip(probes.items(), rows, judged, strict=True)
    ]


def _judged[T](
    columns: Sequence[Sequence[T]], changes: Callable[[Sequence[T], Sequence[T]], list[Change | None]], rule: Rule
) -> list[Judgements]:
    """Judge the columns (one for each point) row by row; what is compared between two points is one family."""
    steps = [(columns[0], columns[-1]), *(pairwise(columns) if len(columns) > 2 else ())]
    judged = [judge_all(changes(old, new), rule) for old, new in steps]
    return [Judgements(*row) for row in zip(*judged, strict=True)]


def _change(old: Metric | None, new: Metric | None) -> Change | None:
    before, after = _series(old), _series(new)
    return change_between(before, after) if before and after else None


def _series(metric: Metric | None) -> Series | None:
    if metric is None or metric.times is None:
        return None
    return Series(metric.successful, metric.times.mean, metric.times.stddev, metric.samples)


def _all_series(point: Point, keys: Sequence[Key]) -> list[Series]:
    return [series for key in keys if (series := _series(point.get(key)))]


def _point_dict(metric: Metric | None) -> dict[str, Any] | None:
    if metric is None:
        return None
    times = metric.times
    return {
        "mean": times and times.mean,
        "median": times and times.median,
        "p95": times and times.p95,
        "iterations": metric.iterations,
        "failed": metric.failed,
        "duplicates": metric.duplicates,
    }
