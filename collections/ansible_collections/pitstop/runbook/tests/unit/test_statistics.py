# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement: what it may not depend on, how rarely it cries wolf, and that it sees what is there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ttest_ind_from_stats

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
    holm,
    judge_all,
)

NO_FLOOR = Rule(min_effect_ms=0.0)
SWAPPED = {IMPROVED: WORSE, WORSE: IMPROVED, UNCHANGED: UNCHANGED, INCONCLUSIVE: INCONCLUSIVE}

times = st.lists(st.floats(1.0, 1000.0), min_size=5, max_size=40)
summaries = st.builds(
    Series, n=st.integers(5, 200), mean=st.floats(1.0, 1000.0), stddev=st.floats(0.01, 300.0), samples=st.none()
)


def series(samples: Iterable[float], *, raw: bool = True) -> Series:
    values = [float(value) for value in samples]
    return Series(len(values), float(numpy.mean(values)), float(numpy.std(values, ddof=1)), values if raw else None)


def judged(before: Series, after: Series, rule: Rule = NO_FLOOR) -> Judgement:
    return judge_all([change_between(before, after)], rule)[0]


def measurement(rng: numpy.random.Generator, median: float, count: int = 20) -> NDArray[numpy.float64]:
    """As one finds it on shared machines: samples vary by 10 % around a level that itself drifts by 10 %."""
    level = median * math.exp(rng.normal(0, 0.10))
    return level * numpy.exp(rng.normal(0, 0.10, count))


@settings(max_examples=50, deadline=None)
@given(times, times, st.floats(0.01, 100.0))
def test_the_unit_of_time_does_not_matter(before: list[float], after: list[float], factor: float) -> None:
    """Else the same speed-up would be one in seconds and none in milliseconds."""
    change, scaled = (
        change_between(series([value * by for value in before]), series([value * by for value in after]))
        for by in (1.0, factor)
    )
    assert change is not None
    assert scaled is not None
    assert scaled.percent == pytest.approx(change.percent, abs=1e-6)
    assert scaled.interval(0.05) == pytest.approx(change.interval(0.05), abs=1e-6)


@settings(max_examples=50, deadline=None)
@example([1.0] * 5, [1.0] * 5, True)
@given(times, times, st.booleans())
def test_swapping_the_points_swaps_improved_and_worse(before: list[float], after: list[float], raw: bool) -> None:
    """Else the gate would be stricter or laxer than the praise."""
    old, new = series(before, raw=raw), series(after, raw=raw)
    forth, back = change_between(old, new), change_between(new, old)
    assert forth is not None
    assert back is not None
    low, high = forth.interval(0.05)
    assert back.interval(0.05) == pytest.approx((-high, -low), abs=1e-9)
    assert judged(new, old).verdict == SWAPPED[judged(old, new).verdict]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(summaries, summaries), min_size=2, max_size=6), st.randoms())
def test_the_order_of_the_metrics_does_not_matter(pairs: list[tuple[Series, Series]], random: Random) -> None:
    """Else adding a metric at the top of the team's script would change another one's verdict."""
    order = list(range(len(pairs)))
    random.shuffle(order)
    changes = [change_between(*pair) for pair in pairs]
    straight = judge_all(changes, NO_FLOOR)
    shuffled = judge_all([changes[place] for place in order], NO_FLOOR)
    assert [straight[place] for place in order] == shuffled


@given(summaries, summaries)
def test_summaries_are_tested_as_welch_does(before: Series, after: Series) -> None:
    """The p-value of the team's JSON is the textbook's, by SciPy's own function from the same numbers."""
    change = change_of_sums([before], [after])
    known = ttest_ind_from_stats(
        before.mean, before.stddev, before.n, after.mean, after.stddev, after.n, equal_var=False
    ).pvalue
    assert change is not None
    assert change.p_value == pytest.approx(float(known), rel=1e-6, abs=1e-12)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8))
def test_holm_is_between_no_correction_and_bonferroni(family: list[float]) -> None:
    """Too little correction praises chance in a long benchmark, too much hides the fix."""
    for value in family:
        corrected = holm(value, family)
        assert value <= corrected.p_value <= min(1.0, value * len(family)) + 1e-12
        assert 0.05 / len(family) - 1e-12 <= corrected.alpha <= 0.05


def test_holm_gives_the_published_adjustment() -> None:
    """Holm (1979): p = .01, .04, .03 with three hypotheses becomes .03, .06, .06."""
    family = [0.01, 0.04, 0.03]
    assert [holm(value, family).p_value for value in family] == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize("raw", [True, False], ids=["raw samples", "summaries"])
def test_the_same_code_is_rarely_called_changed(raw: bool) -> None:
    """A false "worse" rolls back a good deploy, a false "improved" sells chance: at most 3 % of drifting benchmarks."""
    rng = numpy.random.default_rng(1979)
    alarms = 0
    for _ in range(200):
        changes = [
            change_between(series(measurement(rng, 50), raw=raw), series(measurement(rng, 50), raw=raw))
            for _ in range(6)
        ]
        alarms += any(item.verdict in (IMPROVED, WORSE) for item in judge_all(changes, NO_FLOOR))
    assert alarms <= 0.03 * 200


@pytest.mark.parametrize("raw", [True, False], ids=["raw samples", "summaries"])
@pytest.mark.parametrize(("after", "expected"), [(25, IMPROVED), (100, WORSE)], ids=["halved", "doubled"])
def test_a_halving_and_a_doubling_are_seen(raw: bool, after: float, expected: str) -> None:
    """The verdict must not be so careful that the fix, or the regression, the window was for goes unseen."""
    rng = numpy.random.default_rng(1979)
    quiet = [(60, 60)] * 5
    seen = 0
    for _ in range(100):
        pairs = [(50.0, after), *quiet]
        changes = [
            change_between(series(measurement(rng, old), raw=raw), series(measurement(rng, new), raw=raw))
            for old, new in pairs
        ]
        seen += judge_all(changes, NO_FLOOR)[0].verdict == expected
    assert seen >= 80


def test_quiet_measurements_of_the_same_code_are_unchanged() -> None:
    """Where the machine is quiet a person wants to read "unchanged", not a shrug."""
    rng = numpy.random.default_rng(5)
    before, after = (50 * numpy.exp(rng.normal(0, 0.03, 40)) for _ in range(2))
    judgement = judged(series(before), series(after), Rule(noise_percent=1))
    assert judgement.verdict == UNCHANGED
    assert "within 10 %" in judgement.why


def test_a_difference_that_noise_explains_is_inconclusive() -> None:
    """A fifth slower, ever so clearly, is what a noisy machine does by itself: neither praise nor blame."""
    before, after = ([level + place % 3 for place in range(30)] for level in (50, 60))
    judgement = judged(series(before), series(after))
    assert judgement.verdict == INCONCLUSIVE
    assert "only a change of about" in judgement.why
    assert judged(series(before), series(after), Rule(noise_percent=1, min_effect_ms=0)).verdict == WORSE


def test_a_microsecond_operation_that_got_ten_times_slower_is_unchanged() -> None:
    """A cached operation of 0.01 ms must not roll a deploy back."""
    before, after = ([level + level * (place % 3) / 10 for place in range(20)] for level in (0.01, 0.1))
    judgement = judged(series(before), series(after), Rule())
    assert judgement.verdict == UNCHANGED
    assert "less than 1 ms" in judgement.why


def test_zeros_are_measurements() -> None:
    """A script that rounds a cached operation to 0.00 ms must not end in a mathematical error."""
    zeros = Series(20, 0.0, 0.0)
    assert judged(zeros, zeros, Rule()).verdict == UNCHANGED
    assert judged(series([0.0] * 20), series([30.0] * 10 + [31.0] * 10), Rule()).verdict == WORSE


def test_two_iterations_carry_no_verdict() -> None:
    """Nobody's deploy hangs on two runs."""
    judgement = judged(series([50.0, 51.0]), series([500.0] * 20))
    assert judgement.verdict == INCONCLUSIVE
    assert "fewer than 3" in judgement.why
    assert judgement.change_percent is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([8900, 9400, 8100], [2200, 2000, 2300], IMPROVED),
        ([2200, 2000, 2300], [8900, 9400, 8100], WORSE),
        ([8900, 9400, 8100], [7000, 7600, 6500], INCONCLUSIVE),
        ([8900, 9400, 8100], [8900, 9400, 8100], INCONCLUSIVE),
        ([9000, 9000, 9000], [8000, 8000, 8000], INCONCLUSIVE),
        ([1000, 9000, 12000], [500, 700, 900], INCONCLUSIVE),
    ],
)
def test_three_times_by_hand_tell_what_is_clear_and_nothing_else(
    before: list[float], after: list[float], expected: str
) -> None:
    """It is what the team takes today; ranks of three against three could not tell a tenth from the whole."""
    judgement = judged(series(before), series(after), Rule())
    assert judgement.verdict == expected
    assert judgement.interval_percent is not None
    assert all(math.isfinite(end) for end in judgement.interval_percent)


def test_three_runs_of_the_same_code_are_rarely_called_changed() -> None:
    """Three samples have little spread by chance now and then; a deploy is not undone for that."""
    rng = numpy.random.default_rng(3)
    verdicts = [
        judged(series(measurement(rng, 100, 3)), series(measurement(rng, 100, 3)), Rule()).verdict for _ in range(1000)
    ]
    assert verdicts.count(IMPROVED) + verdicts.count(WORSE) <= 30


def test_a_sum_is_judged_with_the_noise_of_all_its_parts() -> None:
    """One wild operation must make the total doubtful, even if the others stand still."""
    calm, wild = Series(20, 10.0, 0.1), Series(20, 100.0, 150.0)
    change = change_of_sums([calm, wild], [calm, Series(20, 60.0, 90.0)])
    assert isinstance(change, Change)
    assert (change.before, change.after) == (110.0, 70.0)
    assert judge_all([change], NO_FLOOR)[0].verdict == INCONCLUSIVE
