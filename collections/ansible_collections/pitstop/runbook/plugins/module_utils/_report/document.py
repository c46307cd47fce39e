# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: from a run's evidence to a document in a language. It reads evidence only, and holds for any run.

A section without evidence is left out; the checklist and the timeline tell what was not reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils import (
    _report_course,
    _report_database,
    _report_delivery,
    _report_results,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.checklist import checklist
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.next_steps import next_steps
from ansible_collections.pitstop.runbook.plugins.module_utils._report.outcome import outcome, state_of, verdict
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import Document, Section

_TEMPLATE_WORDS: Final = ("skip", "contents")


def report(
    evidence: Evidence, *, language: str, contacts: Mapping[str, str] | None = None, title: str = ""
) -> Document:
    """The document. ``contacts``: role to name and number. Raises PitstopError for a language that is not there."""
    say = Language(language)
    run = evidence.facts
    app, run_id = run["app"].text, run["run_id"].text
    started = run["started_at"].moment
    date = say.date(started) if started else say("unknown")
    return Document(
        language=say.code,
        title=title or say("title", app=app),
        subtitle=say("subtitle", date=date, run=run_id),
        verdict=verdict(evidence, say),
        sections=tuple(_sections(evidence, say, dict(contacts or {}))),
        labels={word: say(word) for word in _TEMPLATE_WORDS},
    )


def _sections(evidence: Evidence, say: Language, contacts: dict[str, str]) -> list[Section]:
    """In the order in which a reader wants to know. When a person has to step in, contacts are among the first lines."""
    failed = evidence.outcome.failure is not None or state_of(evidence) == "abandoned"
    sections = [
        outcome(evidence, say, contacts) if failed else None,
        _report_results.results(evidence, say),
        _report_database.tables(evidence, say),
        _report_database.indexes(evidence, say),
        _report_database.parameters(evidence, say),
        _report_database.plans(evidence, say),
        _report_delivery.deploy(evidence, say),
        _report_delivery.backup(evidence, say),
        _report_course.timeline(evidence, say),
        checklist(evidence, say),
        _report_results.goals(evidence, say),
        None if failed else _report_course.undone(evidence, say),
        _report_course.waivers(evidence, say),
        None if failed else _report_course.contacts(contacts, say),
        next_steps(evidence, say),
        _report_course.provenance(evidence, say),
    ]
    return [section for section in sections if section is not None]
