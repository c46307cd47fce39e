# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's first lines: how the run ended in one sentence, the figures that matter, and what failed."""

from __future__ import annotations

from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils._report.checklist import points
from ansible_collections.pitstop.runbook.plugins.module_utils._report.course import (
    contact_facts,
    steps_of,
    stretch_of,
    undone_lists,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.database import got_back, longest_stall, repairs
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import NEXT, Evidence, Fact
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.results import (
    VERDICT_TONES,
    change_tone,
    verdict_of,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    Block,
    Cell,
    Facts,
    Paragraph,
    Section,
    Tone,
    Verdict,
)

_STATE_TONES: Final[dict[str, Tone]] = {
    "failed": "bad",
    "partly undone": "bad",
    "undone": "warn",
    "taken back": "warn",
    "abandoned": "warn",
}
_FIRST_CHANGING_PHASE: Final = 2


def state_of(evidence: Evidence) -> str:
    """How the run ended, by its evidence; a run that is still open and saw all its phases counts as succeeded."""
    state = evidence.facts["state"].text
    return state if state == "abandoned" and evidence.outcome.failure is None else evidence.outcome.state


def verdict(evidence: Evidence, say: Language) -> Verdict:
    """The banner."""
    state = state_of(evidence)
    compared = verdict_of(evidence)
    figures = tuple(_figures(evidence, say))
    if state == "succeeded" and (missing := _missing(evidence, say)):
        return Verdict(say("state.open"), say("sentence.missing", points=missing), "warn", (), figures)
    sentence = _sentence(evidence, state, compared, say)
    if state in ("succeeded", "open") and compared:
        tone = VERDICT_TONES.get(compared, "")
        return Verdict(say.term("verdict", compared), sentence, tone, _shares(evidence, say), figures)
    return Verdict(say.term("state", state), sentence, _STATE_TONES.get(state, ""), (), figures)


def outcome(evidence: Evidence, say: Language, contacts: dict[str, str]) -> Section:
    """What failed in which phase, what was undone, what was not, the next step, whom to call."""
    failure = Fact(evidence.outcome.failure)
    why, _, next_step = failure["message"].text.partition(NEXT)
    at = failure["at"].moment
    pairs = [
        ("outcome.phase", Cell(_phase_name(failure["phase"], say)) if failure else None),
        ("outcome.task", say.quote(failure["task"].text) if failure["task"] else None),
        ("outcome.at", Cell(say.date(at)) if at else None),
        ("outcome.why", say.quote(why, tone="bad") if why else None),
        ("outcome.next", say.quote(next_step) if next_step else Cell(say("next.again"))),
    ]
    lists = undone_lists(evidence, say)
    nothing = [
        say(key)
        for key, sentences in (
            ("outcome.nothing_undone", evidence.outcome.undone),
            ("outcome.nothing_left", evidence.outcome.left),
        )
        if not sentences
    ]
    blocks: list[Block] = [Facts(tuple((say(key), cell) for key, cell in pairs if cell)), *lists]
    if nothing:
        blocks.append(Paragraph(Cell(" ".join(nothing))))
    if contacts:
        blocks.append(contact_facts(contacts, heading=say("outcome.call")))
    return Section("outcome", say("outcome"), tuple(blocks))


def _sentence(evidence: Evidence, state: str, compared: str, say: Language) -> str:
    phase = _phase_name(Fact(evidence.outcome.failure)["phase"], say)
    if state == "failed":
        number = Fact(evidence.outcome.failure)["phase"].number
        early = number is not None and number < _FIRST_CHANGING_PHASE
        return say("sentence.failed_early" if early else "sentence.failed", phase=phase)
    if state in ("undone", "partly undone"):
        return say(f"sentence.{state}", phase=phase)
    if state == "taken back":
        return say("sentence.taken back")
    if state == "abandoned":
        return say("sentence.abandoned", phase=_last_phase(evidence, say))
    if compared:
        return _compared_sentence(evidence, compared, say)
    if state == "open":
        return say("sentence.open", tags=say.enumeration(evidence.tags))
    return say("sentence.not_compared")


def _compared_sentence(evidence: Evidence, compared: str, say: Language) -> str:
    total, only = _total(evidence), len(evidence["comparison"]["totals"].records()) == 1
    before, after, change = (total[key].number for key in ("before", "after", "change_percent"))
    if compared == "improved" and total["verdict"].text == "improved" and None not in (before, after, change):
        return say(
            "sentence.total",
            metric=say("the_total") if only else say("the_total_of", probe=total["probe"].text),
            before=say.milliseconds(before or 0.0),
            after=say.milliseconds(after or 0.0),
            change=say.percent(change or 0.0, signed=True),
        )
    if compared in ("improved", "worse"):
        return say(f"sentence.{compared}", count=_count(evidence, compared, say))
    return say(f"sentence.{compared}" if compared == "unchanged" else "sentence.inconclusive")


def _missing(evidence: Evidence, say: Language) -> str:
    """The points of the checklist that were asked for and left no evidence: a run without failure that is not whole."""
    left = [point.label for point in points(evidence, say) if point.state == "not_done" and not point.evidence]
    return say.enumeration([label[:1].lower() + label[1:] for label in left])


def _count(evidence: Evidence, compared: str, say: Language) -> str:
    metrics = evidence["comparison"]["metrics"].records()
    those = [metric for metric in metrics if metric["verdict"].text == compared]
    return say(f"counts.{compared}", n=say.number(len(those)), all=say.number(len(metrics)))


def _shares(evidence: Evidence, say: Language) -> tuple[Cell, ...]:
    """How much the database work and the deploy brought, where something was measured between them."""
    total = _total(evidence)
    times = {point: total[point].number for point in ("before", "after_db", "after")}
    if None in times.values() or not total["by_database"] or not total["by_deploy"]:
        return ()
    shown = {point: say.milliseconds(time or 0.0) for point, time in times.items()}
    parts = {part: _share(total[f"by_{part}"], say) for part in ("database", "deploy")}
    return (Cell(say("share", **shown, **parts)),)


def _share(judged: Fact, say: Language) -> str:
    """A change, with its verdict where it may be chance."""
    change, found = judged["change_percent"].number, judged["verdict"].text
    texts = [] if change is None else [say.percent(change, signed=True)]
    return ", ".join(texts if found in ("improved", "worse") else [*texts, say.term("verdict", found).lower()])


def _figures(evidence: Evidence, say: Language) -> list[tuple[str, Cell]]:
    figures: list[tuple[str, Cell]] = []
    total = _total(evidence)
    # After a failure the change is not what is live.
    if (change := total["change_percent"].number) is not None and evidence.outcome.failure is None:
        tone = change_tone(change, total["verdict"].text)
        figures.append((say("figure.change"), Cell(say.percent(change, signed=True), tone=tone)))
    if repairs(evidence):
        figures.append((say("figure.got_back"), Cell(say.bytes(got_back(evidence)))))
    if (stall := longest_stall(evidence)) is not None:
        figures.append((say("figure.stall"), Cell(say.milliseconds(stall))))
    if taken := stretch_of(evidence, steps_of(evidence)):
        figures.append((say("figure.duration"), Cell(say.duration(taken.seconds))))
    return figures


def _total(evidence: Evidence) -> Fact:
    totals = evidence["comparison"]["totals"].records()
    return totals[0] if totals else Fact()


def _phase_name(phase: Fact, say: Language) -> str:
    number = phase.number
    if number is None or f"phase.{number:.0f}" not in say:
        return phase.text or say("unknown")
    return say("outcome.phase_value", n=f"{number:.0f}", name=say(f"phase.{number:.0f}"))


def _last_phase(evidence: Evidence, say: Language) -> str:
    last = evidence.by_start()[-1:]
    return _phase_name(evidence[last[0]]["phase"], say) if last else say("unknown")
