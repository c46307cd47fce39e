# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a plan: the plan before the database work against the one after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._plans import SMALL, Plan

ChangeVerdict = Literal["same", "changed", "better", "worse", "not comparable"]


@dataclass(frozen=True)
class PlanChange:
    """``why`` names what changed: nodes, indexes, scans, buffers, row-estimate error, cost."""

    verdict: ChangeVerdict
    why: str

    def as_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return asdict(self)


def compare_plans(before: Plan, after: Plan, tolerance: float) -> PlanChange:
    """Whether a plan is worse, by more than the factor ``tolerance`` and by more than a small table's worth.

    Pages read are a fact, so where both plans were analyzed they decide. Costs are the planner's guess, and grow with
    the statistics that the database work brings up to date: they count only for a plan that lost an index or reads a
    table from end to end that it did not.
    """
    if before.kind != after.kind:
        return PlanChange("not comparable", f"{before.kind} before, {after.kind} after")
    why = "; ".join(_differences(before, after)) or "nothing changed"
    return PlanChange(_verdict(before, after, tolerance), why)


def _verdict(before: Plan, after: Plan, tolerance: float) -> ChangeVerdict:
    same = _shape(before) == _shape(after)
    if before.shared_buffers is not None and after.shared_buffers is not None:
        old, new = float(before.shared_buffers), float(after.shared_buffers)
        may_be_worse = may_be_better = True
    else:
        old, new = before.cost, after.cost
        lost = _missing(before.indexes, after.indexes)
        may_be_worse = bool(lost or _missing(after.sequential_scans, before.sequential_scans))
        may_be_better = not same
    if may_be_worse and new > old * tolerance and new - old > SMALL:
        return "worse"
    if may_be_better and old > new * tolerance:
        return "better"
    return "same" if same else "changed"


def _shape(plan: Plan) -> tuple[tuple[str, ...], ...]:
    return plan.nodes, plan.indexes, plan.sequential_scans


def _differences(before: Plan, after: Plan) -> Iterator[str]:
    if before.nodes != after.nodes:
        yield f"{' > '.join(before.nodes)} became {' > '.join(after.nodes)}"
    for text, among, names in (
        ("no longer uses", after.indexes, before.indexes),
        ("now uses", before.indexes, after.indexes),
        ("no longer reads all of", after.sequential_scans, before.sequential_scans),
        ("now reads all of", before.sequential_scans, after.sequential_scans),
    ):
        if missing := _missing(names, among):
            yield f"{text} {', '.join(missing)}"
    if before.shared_buffers is not None and after.shared_buffers is not None:
        if before.shared_buffers != after.shared_buffers:
            yield f"buffers {before.shared_buffers:,} → {after.shared_buffers:,}"
        if before.row_error != after.row_error:
            yield f"rows misestimated {before.row_error or 1:,g} → {after.row_error or 1:,g} times"
    if round(before.cost, 1) != round(after.cost, 1):
        yield f"cost {before.cost:,.1f} → {after.cost:,.1f}"


def _missing(names: tuple[str, ...], among: tuple[str, ...]) -> list[str]:
    return sorted(set(names) - set(among))
