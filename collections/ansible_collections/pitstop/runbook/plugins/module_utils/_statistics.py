# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a difference between two measurements is more than chance and more than this machine does by itself.

The rule, and why it is so careful. On a shared machine two means of 20 runs of the same code differ by 7 % in the
median case and by 30 to 47 % in one of twenty, because whole measurements drift, not single samples; and no statistic
of one measurement can see its own drift. So the drift is a part of every judgement: ``noise_percent`` is the standard
deviation between measurements of the same code on this machine, and each interval and p-value has it in.

- improved, worse: the p-value, adjusted by Holm over all metrics judged together, is below 5 %; the 95 % interval of
  the ratio after/before, widened in the same way, lies wholly outside ``threshold_percent``; and the difference is at
  least ``min_effect_ms``;
- unchanged: the interval lies wholly inside ``threshold_percent``, or even its ends are worth less than
  ``min_effect_ms``;
- inconclusive: otherwise.

A threshold of 10 % means ratios from 1/1.1 to 1.1, so that swapping the two points swaps improved and worse, and
nothing else.

From raw samples: the ratio of medians, p by Mann-Whitney, the interval by a circular block bootstrap (neighbouring
samples resemble each other, so blocks of them are drawn, not single ones). From summaries, and from three or four
samples: the ratio of means, p and interval by Welch's approximation.

SciPy takes half a second to load, so only what judges imports this file, never what measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy
from scipy.stats import mannwhitneyu, norm, t  # type: ignore[attr-defined] # SciPy exports them at run time

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

ALPHA = 0.05
MIN_SAMPLES = 3
"""Fewer successful iterations than this at a point carry no judgement."""
MIN_RANKED = 5
"""Ranks of fewer samples than this never get below 5 %, and their medians cannot be resampled: Welch judges them."""

_RESAMPLES = 500
_SEED = 20
_CLOCK_MS = 1e-6
"""A nanosecond: no time is shorter, so that zeros have a logarithm."""

IMPROVED, UNCHANGED, WORSE, INCONCLUSIVE = "improved", "unchanged", "worse", "inconclusive"

Interval = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One metric at one point, in milliseconds: n successful iterations, and their samples where they were kept."""

    n: int
    mean: float
    stddev: float
    samples: Sequence[float] | None = None


@dataclass(frozen=True)
class Rule:
    """What counts as a change; see the module's docstring."""

    threshold_percent: float = 10.0
    noise_percent: float = 10.0
    min_effect_ms: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < math.inf:
                raise PitstopError(f"{name} is {value:g}", next_step=f"set benchmark_{name} to a number, 0 or more")

    @property
    def threshold(self) -> float:
        """The logarithm of the ratio from which on a change matters."""
        return math.log1p(self.threshold_percent / 100)

    @property
    def drift(self) -> float:
        """The standard deviation of the logarithm of a ratio of two measurements that drifted, each for itself."""
        return math.sqrt(2) * math.log1p(self.noise_percent / 100)

    def p_value_of_drift(self, log_ratio: float) -> float:
        """How often the machine alone shows a ratio as far from 1 as this."""
        if self.drift == 0:
            return float(log_ratio == 0)
        return 2 * float(norm.sf(abs(log_ratio) / self.drift))

    def with_drift(self, interval: Interval, centre: float, alpha: float) -> Interval:
        """``interval`` (of level 1 - alpha, around ``centre``), widened by the machine's drift."""
        drift = float(norm.isf(alpha / 2)) * self.drift
        low, high = interval
        return centre - math.hypot(centre - low, drift), centre + math.hypot(high - centre, drift)


@dataclass(frozen=True)
class Change:
    """How one quantity went from ``before`` to ``after`` (ms), as far as the samples tell.

    ``interval(alpha)`` holds the logarithm of the ratio after/before with probability 1 - alpha.
    """

    before: float
    after: float
    estimator: str
    method: str
    p_value: float
    interval: Callable[[float], Interval]

    @property
    def percent(self) -> float:
        """The change in percent of ``before``."""
        return _percent(self.log_ratio)

    @property
    def log_ratio(self) -> float:
        """The logarithm of after/before."""
        return _log_ratio(self.before, self.after)

    def difference(self, log_ratio: float) -> float:
        """What a ratio is worth in milliseconds, seen from the middle of both points, so that it has no direction."""
        middle = math.sqrt(max(self.before, _CLOCK_MS) * max(self.after, _CLOCK_MS))
        return 2 * middle * math.sinh(log_ratio / 2)


@dataclass(frozen=True)
class Judgement:
    """A verdict with its reason. ``interval_percent`` and ``p_value`` are corrected ones; all None without a change."""

    verdict: str
    why: str
    change_percent: float | None = None
    interval_percent: Interval | None = None
    p_value: float | None = None
    estimator: str | None = None
    method: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "interval_percent": None if self.interval_percent is None else [*self.interval_percent]}


def change_between(before: Series, after: Series) -> Change | None:
    """The change by the best method that both points allow; None when either has too few iterations."""
    if min(before.n, after.n) < MIN_SAMPLES:
        return None
    ranked = min(before.n, after.n) >= MIN_RANKED
    if ranked and before.samples is not None and after.samples is not None:
        return _change_of_medians(before.samples, after.samples)
    return change_of_sums([before], [after])


def change_of_sums(before: Sequence[Series], after: Sequence[Series]) -> Change | None:
    """The change of the sum of the means of independent series, or of one; None when any has too few iterations."""
    if min(series.n for series in [*before, *after]) < MIN_SAMPLES:
        return None
    old, new = sum(series.mean for series in before), sum(series.mean for series in after)
    method = "Welch from mean, deviation and n" if len(before) == len(after) == 1 else "Welch, on the sum of means"
    error, freedom = _welch([*before, *after], [1.0] * (len(before) + len(after)))
    p_value = 2 * float(t.sf(abs(new - old) / error, freedom)) if error else float(new == old)
    relative_error, freedom = _welch(
        [*before, *after], [1 / max(old, _CLOCK_MS)] * len(before) + [1 / max(new, _CLOCK_MS)] * len(after)
    )
    ratio = _log_ratio(old, new)

    def interval(alpha: float) -> Interval:
        half = float(t.isf(alpha / 2, freedom)) * relative_error
        return ratio - half, ratio + half

    return Change(old, new, "mean", method, p_value, interval)


def judge_all(changes: Sequence[Change | None], rule: Rule) -> list[Judgement]:
    """Judge quantities that belong together, with Holm's correction for their number. The order does not matter."""
    p_values = [max(change.p_value, rule.p_value_of_drift(change.log_ratio)) if change else None for change in changes]
    family = [p_value for p_value in p_values if p_value is not None]
    return [
        Judgement(INCONCLUSIVE, f"fewer than {MIN_SAMPLES} successful iterations at one of the points")
        if change is None or p_value is None
        else _judge(change, holm(p_value, family), rule)
        for change, p_value in zip(changes, p_values, strict=True)
    ]


@dataclass(frozen=True)
class Holm:
    """One hypothesis among several: its adjusted p-value and the alpha that its interval is widened to."""

    p_value: float
    alpha: float


def holm(p_value: float, family: Sequence[float]) -> Holm:
    """Holm's step-down correction of ``p_value``, which is one of ``family``. Equal values are corrected equally."""

    def remaining(value: float) -> int:
        return sum(other >= value for other in family)

    adjusted = max(min(1.0, remaining(other) * other) for other in family if other <= p_value)
    return Holm(adjusted, ALPHA / remaining(p_value))


def _judge(change: Change, corrected: Holm, rule: Rule) -> Judgement:
    low, high = rule.with_drift(change.interval(corrected.alpha), change.log_ratio, corrected.alpha)
    verdict, why = _verdict(change, (low, high), corrected, rule)
    return Judgement(
        verdict,
        why,
        change_percent=change.percent,
        interval_percent=(_percent(low), _percent(high)),
        p_value=corrected.p_value,
        estimator=change.estimator,
        method=change.method,
    )


def _verdict(change: Change, interval: Interval, corrected: Holm, rule: Rule) -> tuple[str, str]:
    low, high = interval
    shown = f"the change is {_percent(low):+.0f} to {_percent(high):+.0f} % with 95 % certainty"
    if max(abs(change.difference(low)), abs(change.difference(high))) < rule.min_effect_ms:
        return UNCHANGED, f"whatever the change, it is worth less than {rule.min_effect_ms:g} ms"
    if -rule.threshold < low and high < rule.threshold:
        return UNCHANGED, f"{shown}, within {rule.threshold_percent:g} %"
    if high >= -rule.threshold and low <= rule.threshold:
        told = _percent(max(high - low, 0.0) / 2 + rule.threshold)
        return INCONCLUSIVE, f"{shown}; only a change of about {told:.0f} % could be told from chance and noise here"
    if corrected.p_value >= ALPHA:
        return INCONCLUSIVE, f"{shown}, but with p = {corrected.p_value:.2g} it may be chance"
    if abs(change.after - change.before) < rule.min_effect_ms:
        return INCONCLUSIVE, f"{shown}, but it is worth about {rule.min_effect_ms:g} ms or less"
    return IMPROVED if high < 0 else WORSE, f"{shown}, beyond {rule.threshold_percent:g} %"


def _change_of_medians(before: Sequence[float], after: Sequence[float]) -> Change:

    ratios = numpy.subtract.outer(_log_medians(after), _log_medians(before)).ravel()
    old, new = float(numpy.median(before)), float(numpy.median(after))

    def interval(alpha: float) -> Interval:
        low, high = numpy.quantile(ratios, [alpha / 2, 1 - alpha / 2])
        return float(low), float(high)

    p_value = float(mannwhitneyu(before, after).pvalue)
    if math.isnan(p_value):  # SciPy's answer where all samples of both are the same value
        p_value = 1.0
    method = "Mann-Whitney, and a block bootstrap of the ratio of medians"
    return Change(old, new, "median", method, p_value, interval)


def _log_medians(samples: Sequence[float]) -> list[float]:
    """Logarithms of the medians of resamples, each made of blocks of neighbours (circular, length about n^(1/3)).

    Each point is resampled by itself and all pairs are compared, so that swapping the points only changes the sign.
    """
    count = len(samples)
    length = round(count ** (1 / 3))
    starts = numpy.random.default_rng(_SEED).integers(0, count, (_RESAMPLES, math.ceil(count / length), 1))
    chosen = ((starts + numpy.arange(length)) % count).reshape(_RESAMPLES, -1)[:, :count]
    medians = numpy.median(numpy.maximum(samples, _CLOCK_MS)[chosen], axis=1)
    logarithms: list[float] = numpy.log(medians).tolist()
    return logarithms


def _welch(parts: Sequence[Series], factors: Sequence[float]) -> tuple[float, float]:
    """Standard error and degrees of freedom (Welch-Satterthwaite) of a sum of means, each times its factor."""
    variances = [factor**2 * part.stddev**2 / part.n for part, factor in zip(parts, factors, strict=True)]
    total = sum(variances)
    if total == 0:
        return 0.0, 1.0
    shares = [(variance / total) ** 2 / (part.n - 1) for part, variance in zip(parts, variances, strict=True)]
    return math.sqrt(total), 1 / sum(shares)


def _log_ratio(before: float, after: float) -> float:
    return math.log(max(after, _CLOCK_MS)) - math.log(max(before, _CLOCK_MS))


def _percent(log_ratio: float) -> float:
    """A logarithm of a ratio as a change in percent, kept finite for ratios no clock can show."""
    return 100 * math.expm1(min(log_ratio, 50.0))
