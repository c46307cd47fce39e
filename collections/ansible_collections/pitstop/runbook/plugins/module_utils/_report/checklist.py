# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook's checklist, ticked from evidence and never by hand.

A point is done only when the evidence says that all of it is. Without evidence it is not done when the run was asked
for it (by its tags), and not asked for otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.pitstop.runbook.plugins.module_utils._report.database import outcome_of, repairs
from ansible_collections.pitstop.runbook.plugins.module_utils._report.delivery import (
    BACKUP_TAKEN,
    BACKUP_WAIVED,
    deploy_undone,
    nothing_to_deploy,
    release_is_up,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.results import verdict_of
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    Cell,
    Check,
    Checklist,
    CheckState,
    Section,
)

Finding = tuple[CheckState, Cell | None]


@dataclass(frozen=True)
class _Point:
    """A point of the checklist: the evidence it rests on, and the tags that ask for it."""

    key: str
    evidence: str
    tags: frozenset[str]
    judge: Callable[[Evidence, Language], Finding]


def checklist(evidence: Evidence, say: Language) -> Section:
    """All points, each with its state. The last one is true of whoever reads it."""
    written = Check("report", say("check.report"), "done", say("check_state.done"), "report.html")
    return Section("checklist", say("checklist"), (Checklist((*points(evidence, say), written)),))


def points(evidence: Evidence, say: Language) -> list[Check]:
    """The points that rest on evidence."""
    return [_check(point, evidence, say) for point in _POINTS]


def _check(point: _Point, evidence: Evidence, say: Language) -> Check:
    state, note = _state(point, evidence, say)
    return Check(
        key=point.key,
        label=say(f"check.{point.key}"),
        state=state,
        state_label=say(f"check_state.{state}"),
        evidence=f"{point.evidence}.json" if evidence[point.evidence] else "",
        note=note,
    )


def _state(point: _Point, evidence: Evidence, say: Language) -> Finding:
    found = evidence[point.evidence]
    if not found:
        if point.tags.isdisjoint(evidence.tags):
            return "not_asked", None
        return "not_done", Cell(say("check_note.no_evidence"))
    if not evidence.whole(point.evidence):
        return "not_done", say.quote(evidence.error(point.evidence))
    if evidence.planned(point.evidence):
        return "not_done", Cell(say("check_note.planned"))
    return point.judge(evidence, say)


def _backup(evidence: Evidence, say: Language) -> Finding:
    found = evidence["backup"]
    if found["method"].text == BACKUP_WAIVED:
        why = found["waiver"].text or say("waiver.no_reason")
        return "not_done", Cell(say("check_note.waived", why=why))
    if found["verdict"].text != BACKUP_TAKEN:
        return "not_done", Cell(say.term("backup_verdict", found["verdict"].text or "failed"))
    return "done", None


def _measured(name: str) -> Callable[[Evidence, Language], Finding]:
    def judge(evidence: Evidence, _say: Language) -> Finding:
        return ("done" if evidence[name]["metrics"].records() else "not_asked"), None

    return judge


def _database(evidence: Evidence, say: Language) -> Finding:
    done = repairs(evidence)
    for outcome in ("failed", "postponed"):
        if names := [table["name"].text for table in done if outcome_of(table) == outcome]:
            return "not_done", Cell(say(f"check_note.{outcome}", tables=say.enumeration(names)))
    if not done:
        return "not_asked", None
    idle = all(outcome_of(table) == "nothing" for table in done)
    return "done", Cell(say("check_note.nothing")) if idle else None


AS_DECLARED = ("valid_same", "same_under_another_name", "absent")


def _indexes(evidence: Evidence, say: Language) -> Finding:
    declared = evidence["indexes"]["indexes"].records()
    missing = [
        index["name"].text
        for index in declared
        if index["outcome"].text in ("postponed", "failed")
        or (index["action"].text == "none" and index["found"].text not in AS_DECLARED)
    ]
    if missing:
        return "not_done", Cell(say("check_note.missing", indexes=say.enumeration(missing)))
    return ("done" if declared else "not_asked"), None


def _deploy(evidence: Evidence, say: Language) -> Finding:
    if deploy_undone(evidence):
        return "not_done", Cell(say("check_note.rolled_back"))
    if nothing_to_deploy(evidence) and evidence.whole("deploy"):
        return "not_asked", Cell(say("deploy.nothing"))
    if not release_is_up(evidence):
        return "not_done", Cell(say("check_note.not_up"))
    return "done", None


def _improvement(evidence: Evidence, say: Language) -> Finding:
    verdict = verdict_of(evidence)
    if deploy_undone(evidence):
        return "not_done", Cell(say("check_note.rolled_back"))
    if verdict == "improved":
        return "done", None
    return ("not_done", Cell(say.term("verdict", verdict))) if verdict else ("not_asked", None)


def _tags(phase: int, *names: str) -> frozenset[str]:
    return frozenset({"all", f"phase{phase}", *names})


_POINTS = (
    _Point("backup", "backup", _tags(0, "backup"), _backup),
    _Point("before", "benchmark-before", _tags(1, "baseline"), _measured("benchmark-before")),
    _Point("database", "maintenance", _tags(2, "db", "maintenance"), _database),
    _Point("indexes", "indexes", _tags(2, "db", "indexes"), _indexes),
    _Point("deploy", "deploy", _tags(3, "deploy"), _deploy),
    _Point("after", "benchmark-after", _tags(4, "verify"), _measured("benchmark-after")),
    _Point("improvement", "comparison", _tags(4, "verify"), _improvement),
)
