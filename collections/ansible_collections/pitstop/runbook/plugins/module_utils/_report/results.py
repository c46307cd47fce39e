# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's sections on what was measured: before and after, and the goals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils._report.cells import (
    code_cell,
    columns,
    failure_of,
    milliseconds_cell,
    yes_or_no,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence, Fact
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    EMPTY,
    Block,
    Cell,
    Column,
    Listing,
    Paragraph,
    Row,
    Section,
    Table,
    Tone,
)

VERDICT_TONES: Final[dict[str, Tone]] = {
    "improved": "good",
    "unchanged": "quiet",
    "worse": "bad",
    "inconclusive": "warn",
}
_POINTS: Final = (("before", "benchmark-before"), ("after_db", "benchmark-after-db"), ("after", "benchmark-after"))
_COMPARISONS: Final = (("after", "comparison"), ("after_db", "comparison-after-db"))
"""The last point that was compared, and the evidence of that."""


def verdict_of(evidence: Evidence) -> str:
    """The comparison's verdict; empty when nothing was compared."""
    comparison = evidence["comparison"]
    return comparison["verdict"].text if comparison["metrics"].records() else ""


def results(evidence: Evidence, say: Language) -> Section | None:
    """The comparison, else that of the database work alone; without one, whatever was measured."""
    last, name = next((pair for pair in _COMPARISONS if evidence[pair[1]]["metrics"].records()), _COMPARISONS[0])
    if compared := evidence[name]["metrics"].records():
        blocks = _compared(evidence[name], compared, last, say)
    else:
        measured = _measured(evidence, say)
        blocks = [measured, Paragraph(Cell(say("results.only_before")))] if measured else []
    blocks += failure_of(evidence, name, say)
    return Section("results", say("results"), tuple(blocks)) if blocks else None


def goals(evidence: Evidence, say: Language) -> Section | None:
    """What was wanted of each metric, and what was reached."""
    rows = [
        Row((code_cell(goal["metric"].text), *goal_texts(goal, say), yes_or_no(goal["met"].flag, say)))
        for goal in evidence["comparison"]["goals"].records()
    ]
    if not rows:
        return None
    headings = columns(say, "goals.metric", "goals.wanted", "goals.got", "goals.met")
    return Section("goals", say("goals"), (Table(say("goals.caption"), headings, tuple(rows)),))


def goal_texts(goal: Fact, say: Language) -> tuple[Cell, Cell]:
    """A goal and what was reached of it; in the evidence's own words where it gives no numbers."""
    limit, gain, value = (goal[key].number for key in ("max_ms", "min_improvement_percent", "value"))
    reached = say.quote(goal["reached"].text)
    if limit is not None:
        wanted = Cell(say("goals.at_most", limit=say.milliseconds(limit)))
        return wanted, reached if value is None else Cell(say.milliseconds(value))
    if gain is not None:
        wanted = Cell(say("goals.better", percent=say.percent(gain)))
        return wanted, reached if value is None else Cell(say.percent(-value, signed=True))
    return say.quote(goal["goal"].text), reached


def verdict_cell(verdict: str, say: Language, notes: tuple[Cell, ...] = ()) -> Cell:
    """A verdict as a badge."""
    if not verdict:
        return EMPTY
    return Cell(say.term("verdict", verdict), tone=VERDICT_TONES.get(verdict, ""), badge=True, notes=notes)


def change_tone(change: float | None, verdict: str) -> Tone:
    """A change has a colour only where it has a verdict: chance has none."""
    return VERDICT_TONES.get(verdict, "") if change is not None and verdict in ("improved", "worse") else ""


def _compared(comparison: Fact, metrics: Sequence[Fact], last: str, say: Language) -> list[Block]:
    totals = comparison["totals"].records()
    has_middle = any(item["after_db"] for item in [*metrics, *totals])
    rows = [_metric_row(metric, has_middle, say) for metric in metrics]
    rows += [_total_row(total, has_middle, len(totals) > 1, say) for total in totals]
    labels = ["results.metric", "results.before", *(["results.after_db"] if has_middle else [])]
    labels += [f"results.{last}", "results.change", "results.verdict"]
    headings = tuple(Column(say(label), numeric=0 < place < len(labels) - 1) for place, label in enumerate(labels))
    blocks: list[Block] = [Table(say("results.caption"), headings, tuple(rows))]
    if notes := comparison["notes"].texts:
        blocks.append(Listing(say("results.notes"), tuple(say.quote(note, tone="warn") for note in notes)))
    if gates := comparison["gates"].texts:
        blocks.append(Listing(say("results.gates"), tuple(say.quote(gate, tone="bad") for gate in gates)))
    explained = f"{say('results.explained')} {say('results.interval_explained')}"
    if not any(metric[point][count].number for metric in metrics for point, _ in _POINTS for count in _COUNTS):
        explained += " " + say("results.all_right")
    return [*blocks, Paragraph(Cell(explained, tone="quiet"))]


_COUNTS: Final = ("failed", "duplicates")


def _metric_row(metric: Fact, has_middle: bool, say: Language) -> Row:
    estimator = "mean" if metric["estimator"].text == "mean" else "median"
    points = ["before", "after_db", "after"] if has_middle else ["before", "after"]
    cells = [_point_cell(metric[point], estimator, say) for point in points]
    return Row((code_cell(metric["name"].text), *cells, _change_cell(metric, say), _judged_cell(metric, say)))


def _total_row(total: Fact, has_middle: bool, several: bool, say: Language) -> Row:
    points = ["before", "after_db", "after"] if has_middle else ["before", "after"]
    name = say("total_of", probe=total["probe"].text) if several else say("tables.total")
    cells = [milliseconds_cell(total[point].number, say) for point in points]
    return Row((Cell(name), *cells, _change_cell(total, say), _judged_cell(total, say)), total=True)


def _point_cell(point: Fact, estimator: str, say: Language) -> Cell:
    """A time with its p95, and what went wrong there."""
    notes = [Cell(f"p95 {say.milliseconds(p95)}", tone="quiet")] if (p95 := point["p95"].number) is not None else []
    counts = [(count, point[count].number) for count in _COUNTS]
    notes += [Cell(say(f"results.{count}", n=say.number(number)), tone="bad") for count, number in counts if number]
    time = milliseconds_cell(point[estimator].number, say)
    return Cell(time.text, tone=time.tone, notes=tuple(notes))


def _change_cell(judged: Fact, say: Language) -> Cell:
    change = judged["change_percent"].number
    if change is None:
        return EMPTY
    bounds = [number for bound in judged["interval_percent"] if (number := bound.number) is not None]
    notes: tuple[Cell, ...] = ()
    if len(bounds) == 2:
        low, high = (say.percent(bound, signed=True) for bound in sorted(bounds))
        notes = (Cell(say("results.interval", low=low, high=high), tone="quiet"),)
    return Cell(say.percent(change, signed=True), tone=change_tone(change, judged["verdict"].text), notes=notes)


def _judged_cell(judged: Fact, say: Language) -> Cell:
    """The verdict; with what became right or wrong, and the reason of a verdict that the figures do not explain."""
    verdict = judged["verdict"].text
    counts = [(count, judged["before"][count].number, judged["after"][count].number) for count in _COUNTS]
    notes = [
        Cell(say(f"results.{count}_change", before=say.number(old or 0), after=say.number(new or 0)), tone="quiet")
        for count, old, new in counts
        if (old or 0) != (new or 0)
    ]
    if judged["why"] and verdict not in ("improved", "unchanged"):
        notes.append(say.quote(judged["why"].text, tone="quiet"))
    return verdict_cell(verdict, say, tuple(notes))


def _measured(evidence: Evidence, say: Language) -> Table | None:
    """A column for each point that was measured, a row for each metric."""
    points = [(point, evidence[name]["metrics"].records()) for point, name in _POINTS]
    points = [(point, metrics) for point, metrics in points if metrics]
    names = dict.fromkeys((metric["probe"].text, metric["name"].text) for _, metrics in points for metric in metrics)
    if not names:
        return None
    by_point = [{(metric["probe"].text, metric["name"].text): metric for metric in metrics} for _, metrics in points]
    rows = [
        Row(
            (
                code_cell(name[1]),
                *(_point_cell(metrics.get(name, Fact()), "median", say) for metrics in by_point),
            )
        )
        for name in names
    ]
    headings = (
        Column(say("results.metric")),
        *(Column(say(f"results.{point}"), numeric=True) for point, _ in points),
    )
    return Table(say("results.caption"), headings, tuple(rows))
