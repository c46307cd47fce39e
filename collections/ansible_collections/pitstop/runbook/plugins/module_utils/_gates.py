# SPDX-License-Identifier: GPL-3.0-or-later
"""What a comparison means for the run: goals met or not, gates that ask for the deploy to be undone, one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import UNIT, time_text
from ansible_collections.pitstop.runbook.plugins.module_utils._comparison import Compared, Comparison, Total
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._statistics import WORSE

_SHOWN = 2
"""As many metrics are named in the sentence."""


def gates_of(
    comparison: Comparison, critical: Sequence[str], max_worse_percent: float, *, same_code: bool = False
) -> list[str]:
    """A sentence for each reason to undo what was done: what is slower, and any metric whose results became wrong.

    With the ``same_code`` before and after, results that were wrong before are the code's: a faster database makes
    its races show more often, and is no reason to keep the fix away.
    """
    wrong = [
        f"{item.name}: {item.correctness.why}"
        for item in comparison.metrics
        if item.correctness and item.correctness.kind == WORSE and (item.correctness.appeared or not same_code)
    ]
    return wrong + slower_of(comparison, critical, max_worse_percent)


def slower_of(comparison: Comparison, critical: Sequence[str], max_worse_percent: float) -> list[str]:
    """A sentence for each metric and total that is worse by more than ``max_worse_percent``.

    Asked of those in ``critical``; of all when it is empty.
    """
    return [
        f"{figures(item)}, where {max_worse_percent:g} % is the limit"
        for item in comparison.items
        if (not critical or item.name in critical)
        and item.judgements.whole.verdict == WORSE
        and (item.judgements.whole.change_percent or 0.0) > max_worse_percent
    ]


def require_known(names: Iterable[str], comparison: Comparison, option: str) -> None:
    """Refuse names that nothing measured has: a gate or goal that watches nothing is worse than none."""
    known = {item.name for item in comparison.items}
    for name in names:
        if name not in known:
            raise PitstopError(
                f"{option} names {name!r}, which was not measured",
                next_step=f"use one of: {', '.join(sorted(known))}",
            )


def goals_of(comparison: Comparison, goals: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each goal with what was reached, both as text and as number, and whether it is met."""
    return [
        {"metric": item.name, "probe": item.probe, **reached}
        for goal in goals
        for item in comparison.items
        if item.name == goal["metric"]
        for reached in (_limit(goal.get("max_ms"), item), _gain(goal.get("min_improvement_percent"), item))
        if reached
    ]


def sentence_of(comparison: Comparison) -> str:
    """One plain sentence: the verdict, the figures that carry it most, the totals, and what became right or wrong."""
    verdict = comparison.verdict
    carrying = [item for item in comparison.metrics if item.judgements.whole.verdict == verdict] or comparison.metrics
    measured = [item for item in carrying if item.judgements.whole.change_percent is not None]
    shown = [figures(item) for item in sorted(measured, key=_difference, reverse=True)[:_SHOWN]]
    totals = [total for total in comparison.totals if total.parts > 1]
    shown += [_total_figures(total, verdict, several=len(totals) > 1) for total in totals]
    findings = [f"{item.name}: {item.correctness.why}" for item in comparison.metrics if item.correctness]
    return f"{verdict}: " + "; ".join([*([", ".join(shown)] if shown else []), *findings])


def figures(item: Compared | Total) -> str:
    """For example ``getNextFolio 21.3 → 10.9 ms (-49 %)``."""
    before, _, after = item.centres
    change = item.judgements.whole.change_percent
    percent = "" if change is None else f" ({change:+.0f} %)"
    return f"{item.name} {time_text(before).removesuffix(f' {UNIT}')} → {time_text(after)}{percent}"


def _total_figures(total: Total, verdict: str, *, several: bool) -> str:
    """The total's figures; with the probe where there are several, with its own verdict where that is another."""
    judged = total.judgements.whole.verdict
    text = figures(total).replace(total.name, f"{total.name} of {total.probe}", 1) if several else figures(total)
    return text if judged == verdict else f"{text.removesuffix(')')}, {judged})"


def _difference(item: Compared) -> float:
    before, _, after = item.centres
    return abs((after or 0.0) - (before or 0.0))


def _limit(limit: float | None, item: Compared | Total) -> dict[str, Any] | None:
    if limit is None:
        return None
    *_, after = item.centres
    met = after is not None and after <= limit
    goal = f"at most {time_text(limit)}"
    return {"goal": goal, "max_ms": limit, "value": after, "reached": time_text(after), "met": met}


def _gain(wanted: float | None, item: Compared | Total) -> dict[str, Any] | None:
    if wanted is None:
        return None
    change = item.judgements.whole.change_percent
    reached = "not measured" if change is None else f"{abs(change):.1f} % {'worse' if change > 0 else 'better'}"
    met = change is not None and -change >= wanted
    value = None if change is None else -change
    goal = f"at least {wanted:g} % better"
    return {"goal": goal, "min_improvement_percent": wanted, "value": value, "reached": reached, "met": met}
