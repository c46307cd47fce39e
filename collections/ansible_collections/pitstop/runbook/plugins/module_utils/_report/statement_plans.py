# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's section on query plans: before, after, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils._report.cells import code_cell, columns, term_cell
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence, Fact
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    EMPTY,
    Cell,
    Row,
    Section,
    Table,
    Tone,
)

_CHANGE_TONES: Final[dict[str, Tone]] = {"same": "quiet", "better": "good", "worse": "bad", "not comparable": "quiet"}
_MET: Final[dict[bool | None, tuple[str, Tone]]] = {
    True: ("met", "good"),
    False: ("missed", "bad"),
    None: ("open", "quiet"),
}


def plans(evidence: Evidence, say: Language) -> Section | None:
    """Each named statement: what was expected of its plan, before and after, and what changed."""
    points = [
        {plan["name"].text: plan for plan in evidence[name]["statements"].records()}
        for name in ("plans-before", "plans-after")
    ]
    rows = tuple(
        _plan_row(name, [point.get(name, Fact()) for point in points], say) for name in {**points[0], **points[1]}
    )
    if not rows:
        return None
    labels = ("plans.statement", "plans.expectation", "plans.before", "plans.after", "plans.change")
    return Section("plans", say("plans"), (Table(say("plans.caption"), columns(say, *labels), rows),))


def _plan_row(name: str, points: Sequence[Fact], say: Language) -> Row:
    expectation = next((text for point in reversed(points) if (text := point["expectation"].text) != "none"), "")
    wanted = say.quote(expectation) if expectation else EMPTY
    return Row((code_cell(name), wanted, *(_plan_cell(point, say) for point in points), _change_cell(points[-1], say)))


def _plan_cell(plan: Fact, say: Language) -> Cell:
    """Whether the expectation was met, why, and what the plan used and cost."""
    if not plan:
        return EMPTY
    # What is met and reads a table from end to end looks like a contradiction until it says why.
    unclear = plan["met"].flag is not True or bool(plan["sequential_scans"])
    notes = [say.quote(plan["why"].text, tone="quiet")] if plan["why"] and unclear else []
    used = ", ".join([*plan["nodes"].texts, *dict.fromkeys(plan["indexes"].texts)])
    if used:
        notes.append(Cell(used, tone="quiet", code=True))
    if figures := _figures(plan, say):
        notes.append(Cell(" · ".join(figures), tone="quiet"))
    word, tone = _MET[plan["met"].flag]
    return Cell(say(f"plans.{word}"), tone=tone, badge=True, notes=tuple(notes))


def _figures(plan: Fact, say: Language) -> list[str]:
    buffers, cost, error = (plan[key].number for key in ("shared_buffers", "cost", "row_error"))
    return [
        *([] if buffers is None else [say("plans.buffers", n=say.number(buffers))]),
        *([] if cost is None else [say("plans.cost", n=say.number(cost, 0 if cost >= 100 else 1))]),
        *([] if error is None or error < 2 else [say("plans.row_error", n=say.number(error))]),
    ]


def _change_cell(plan: Fact, say: Language) -> Cell:
    change = plan["change"]
    notes = (say.quote(change["why"].text, tone="quiet"),) if change["verdict"].text != "same" else ()
    return term_cell("plan_change", change["verdict"].text, _CHANGE_TONES, say, notes)
