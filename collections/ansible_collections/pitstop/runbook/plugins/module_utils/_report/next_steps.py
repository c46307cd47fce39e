# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do next, from what the run found."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.pitstop.runbook.plugins.module_utils._report.database import outcome_of, repairs
from ansible_collections.pitstop.runbook.plugins.module_utils._report.delivery import BACKUP_WAIVED
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._report.index_states import needless
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.results import goal_texts
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import Cell, Listing, Section


def next_steps(evidence: Evidence, say: Language) -> Section | None:
    """A list of steps, the most urgent first; None when nothing is left to do."""
    finders = (_by_hand, _backup, _metrics, _goals, _postponed, _plans, _unmeasured, _indexes)
    steps = tuple(dict.fromkeys(Cell(step) for finder in finders for step in finder(evidence, say)))
    return Section("next", say("next"), (Listing("", steps),)) if steps else None


def _by_hand(evidence: Evidence, say: Language) -> Iterator[str]:
    if evidence.outcome.left:
        yield say("next.left")
    if evidence.outcome.failure:
        yield say("next.again")


def _backup(evidence: Evidence, say: Language) -> Iterator[str]:
    if evidence["backup"]["method"].text == BACKUP_WAIVED:
        yield say("next.backup")


def _metrics(evidence: Evidence, say: Language) -> Iterator[str]:
    for metric in evidence["comparison"]["metrics"].records():
        if (verdict := metric["verdict"].text) in ("worse", "inconclusive"):
            yield say(f"next.{verdict}", metric=metric["name"].text)


def _goals(evidence: Evidence, say: Language) -> Iterator[str]:
    for goal in evidence["comparison"]["goals"].records():
        if goal["met"].flag is False:
            wanted, got = goal_texts(goal, say)
            yield say("next.goal", metric=goal["metric"].text, wanted=wanted.text, got=got.text)


def _postponed(evidence: Evidence, say: Language) -> Iterator[str]:
    for table in repairs(evidence):
        if outcome_of(table) == "postponed":
            yield say("next.postponed", table=table["name"].text, why=table["reason"].text or say("next.no_reason"))


def _plans(evidence: Evidence, say: Language) -> Iterator[str]:
    for plan in evidence["plans-after"]["statements"].records():
        if plan["met"].flag is False:
            yield say("next.plan", statement=plan["name"].text, why=plan["why"].text or say("next.no_reason"))


def _unmeasured(evidence: Evidence, say: Language) -> Iterator[str]:
    last = evidence["bloat-after"] or evidence["bloat-before"]
    names = [
        table["name"].text for table in last["tables"].records() if table["method"].text in ("estimate", "unknown")
    ]
    if names:
        yield say("next.measure", tables=say.enumeration(names))


def _indexes(evidence: Evidence, say: Language) -> Iterator[str]:
    for kind, index in needless(evidence):
        yield say(f"next.{kind}", index=index["name"].text, why=index["reason"].text or say("next.no_reason"))
