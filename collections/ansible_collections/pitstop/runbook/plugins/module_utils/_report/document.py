# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: from a run's evidence to a document in a language. It reads evidence only, and holds for any run.

A section without evidence is left out; the checklist and the timeline tell what was not reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils._report import (
    course,
    database,
    delivery,
    index_states,
    results,
    statement_plans,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.checklist import checklist
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.next_steps import next_steps
from ansible_collections.pitstop.runbook.plugins.module_utils._report.outcome import outcome, state_of, verdict
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import Document, Section

_TEMPLATE_WORDS: Final = ("skip", "contents")


def report(evidence: Evidence, *, language: str, contacts: Mapping[str, str], title: str = "") -> Document:
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
        sections=tuple(_sections(evidence, say, dict(contacts))),
        labels={word: say(word) for word in _TEMPLATE_WORDS},
    )


def _sections(evidence: Evidence, say: Language, contacts: dict[str, str]) -> list[Section]:
    """In the order in which a reader wants to know. After a failure, contacts are among the first lines."""
    failed = evidence.outcome.failure is not None or state_of(evidence) == "abandoned"
    sections = [
        outcome(evidence, say, contacts) if failed else None,
        results.results(evidence, say),
        database.tables(evidence, say),
        index_states.indexes(evidence, say),
        database.parameters(evidence, say),
        statement_plans.plans(evidence, say),
        delivery.deploy(evidence, say),
        delivery.backup(evidence, say),
        course.timeline(evidence, say),
        checklist(evidence, say),
        results.goals(evidence, say),
        None if failed else course.undone(evidence, say),
        course.waivers(evidence, say),
        None if failed else course.contacts(contacts, say),
        next_steps(evidence, say),
        course.provenance(evidence, say),
    ]
    return [section for section in sections if section is not None]
