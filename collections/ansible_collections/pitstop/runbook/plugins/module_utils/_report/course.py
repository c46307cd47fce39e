# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's sections on the run itself: timeline, what was undone, waivers, provenance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import PHASE_OF
from ansible_collections.pitstop.runbook.plugins.module_utils._report.cells import code_cell, columns
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    EMPTY,
    Block,
    Cell,
    Column,
    Facts,
    Listing,
    Row,
    Section,
    Table,
    Tone,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._run import PHASES

UNDOING = "rollback"


@dataclass(frozen=True)
class Stretch:
    """A time that something took."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return max(0.0, (self.end - self.start).total_seconds())


def stretch_of(evidence: Evidence, names: list[str]) -> Stretch | None:
    """From the start of the first to the end of the last of the steps; None when none has left its times."""
    starts = [moment for name in names if (moment := evidence[name]["started_at"].moment)]
    ends = [moment for name in names if (moment := evidence[name]["finished_at"].moment)]
    return Stretch(min(starts), max([*ends, max(starts)])) if starts else None


def steps_of(evidence: Evidence) -> list[str]:
    """The steps that left evidence, without the report itself, which cannot tell of its own making."""
    return [name for name in PHASE_OF if name in evidence.files and name != "report"]


def timeline(evidence: Evidence, say: Language) -> Section | None:
    """A row for each phase that was asked for, and one for the undoing where there was one."""
    steps = steps_of(evidence)
    whole = stretch_of(evidence, steps)
    if whole is None:
        return None
    groups = [
        (say("outcome.phase_value", n=phase, name=say(f"phase.{phase}")).capitalize(), _steps_in(phase, steps))
        for phase in range(len(PHASES) - 1)
        if "all" in evidence.tags or _steps_in(phase, steps)
    ]
    if UNDOING in steps:
        groups.append((say("timeline.undoing"), [UNDOING]))
    headings = (
        *columns(say, "timeline.phase"),
        *columns(say, "timeline.started", "timeline.duration", numeric=True),
        *columns(say, "timeline.course", "timeline.steps"),
    )
    rows = tuple(_phase_row(label, names, whole, evidence, say) for label, names in groups)
    return Section("timeline", say("timeline"), (Table(say("timeline.caption"), headings, rows),))


def undone(evidence: Evidence, say: Language) -> Section | None:
    """What was undone, and what was not."""
    blocks = tuple(undone_lists(evidence, say))
    return Section("undone", say("undone"), blocks) if blocks else None


def undone_lists(evidence: Evidence, say: Language) -> list[Listing]:
    """What was undone, what was not, and what did not have to be; lists with nothing in them are left out."""
    outcome = evidence.outcome
    needless = [note for part in evidence.parts(UNDOING) if (note := part["note"].text)]
    lists = [
        Listing(say("outcome.undone"), tuple(say.quote(sentence) for sentence in outcome.undone)),
        Listing(say("outcome.left"), tuple(say.quote(sentence, tone="bad") for sentence in outcome.left)),
        Listing(say("outcome.needless"), tuple(say.quote(sentence) for sentence in needless)),
    ]
    return [listing for listing in lists if listing.items]


def waivers(evidence: Evidence, say: Language) -> Section | None:
    """Safety that somebody chose to do without, in the words that were given."""
    items = [
        _waiver(name, part["method"].text, text, say)
        for name in evidence.files
        for part in evidence.parts(name)
        for text in [part["waiver"].text, *part["waivers"].texts]
        if text
    ]
    return Section("waivers", say("waivers"), (Listing("", tuple(dict.fromkeys(items))),)) if items else None


def provenance(evidence: Evidence, say: Language) -> Section:
    """Where the figures come from: the run, the versions, the files with their hashes."""
    run = evidence.facts
    started = run["started_at"].moment
    by = say("provenance.by_value", by=run["by"].text, on=run["on"].text) if run["by"] and run["on"] else run["by"].text
    asked = say("provenance.everything") if "all" in evidence.tags else ", ".join(evidence.tags)
    settings = evidence["benchmark-before"]["settings"]
    round_trip = (run["labels"]["round_trip_ms"] or settings["round_trip_ms"]).number
    server = (evidence["preflight"]["database"]["server_version"] or settings["server_version"]).text
    pairs = [
        (say("provenance.run"), code_cell(run["run_id"].text)),
        (say("provenance.app"), code_cell(run["app"].text)),
        (say("provenance.by"), Cell(by) if by else EMPTY),
        (say("provenance.started"), Cell(say.date(started)) if started else EMPTY),
        (say("provenance.asked"), Cell(asked)),
        (say("provenance.round_trip"), EMPTY if round_trip is None else Cell(say.milliseconds(round_trip))),
        (say("provenance.postgresql"), Cell(server) if server else EMPTY),
        *((name.replace("_", "-"), Cell(version.text)) for name, version in run["versions"].items() if version.text),
        *((name, Cell(label.text)) for name, label in run["labels"].items() if name != "round_trip_ms" and label.text),
    ]
    blocks: list[Block] = [Facts(tuple((label, cell) for label, cell in pairs if cell != EMPTY))]
    if evidence.unreadable:
        names = tuple(Cell(name, code=True, tone="bad") for name in evidence.unreadable)
        blocks.append(Listing(say("provenance.unreadable"), names))
    if evidence.hashes:
        rows = tuple(
            Row((Cell(name, code=True, href=name), code_cell(value))) for name, value in sorted(evidence.hashes.items())
        )
        headings = (Column(say("provenance.file")), Column(say("provenance.hash")))
        blocks.append(Table(say("provenance.hashes"), headings, rows, heading=say("provenance.hashes")))
    return Section("provenance", say("provenance"), tuple(blocks))


def contacts(people: dict[str, str], say: Language) -> Section | None:
    """Whom to call."""
    return Section("contacts", say("contacts"), (contact_facts(people),)) if people else None


def contact_facts(people: dict[str, str], heading: str = "") -> Facts:
    """Roles with their people."""
    return Facts(tuple((role, Cell(person)) for role, person in people.items()), heading)


def _steps_in(phase: int, steps: list[str]) -> list[str]:
    return [name for name in steps if PHASE_OF[name] == phase and name != UNDOING]


def _phase_row(label: str, names: list[str], whole: Stretch, evidence: Evidence, say: Language) -> Row:
    taken = stretch_of(evidence, names)
    if taken is None:
        return Row((Cell(label), EMPTY, EMPTY, EMPTY, Cell(say("timeline.not_reached"), tone="quiet")))
    failed = any(not evidence.whole(name) for name in names)
    tone: Tone = "bad" if failed else "warn" if names == [UNDOING] else ""
    length = whole.seconds or 1.0
    span = ((taken.start - whole.start).total_seconds() / length, taken.seconds / length)
    return Row(
        (
            Cell(label),
            Cell(say.time(taken.start)),
            Cell(say.duration(taken.seconds)),
            Cell("", tone=tone, span=span),
            Cell(", ".join(_step_text(name, evidence, say) for name in names), tone="bad" if failed else ""),
        )
    )


def _step_text(name: str, evidence: Evidence, say: Language) -> str:
    taken = stretch_of(evidence, [name])
    text = say.term("step", name)
    if taken:
        text += f" {say.duration(taken.seconds)}"
    return text if evidence.whole(name) else f"{text} ({say('timeline.failed')})"


def _waiver(name: str, method: str, text: str, say: Language) -> Cell:
    if name == "backup" and method == "waived":
        return Cell(say("waiver.backup", why=text))
    return say.quote(text)
