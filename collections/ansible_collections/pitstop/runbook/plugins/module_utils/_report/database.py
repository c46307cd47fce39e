# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's sections on the tables: what was decided, done and got back, what was considered; storage parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils._report.cells import (
    bytes_cell,
    code_blocks,
    code_cell,
    columns,
    failure_of,
    milliseconds_cell,
    seconds_cell,
    term_cell,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence, Fact
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    EMPTY,
    Block,
    Cell,
    Details,
    Paragraph,
    Row,
    Section,
    Table,
    Tone,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.waste import waste_blocks

_OUTCOME_TONES: Final[dict[str, Tone]] = {"done": "good", "nothing": "quiet", "postponed": "warn", "failed": "bad"}
_IDLE: Final = ("nothing", "postponed")


def repairs(evidence: Evidence) -> list[Fact]:
    """What was decided for each table and what came of it."""
    return evidence["maintenance"]["tables"]["tables"].records()


def outcome_of(table: Fact) -> str:
    """What came of a table: done, nothing, postponed, failed or planned."""
    return table["outcome"].text or {"nothing": "nothing", "postponed": "postponed"}.get(table["remedy"].text, "done")


def got_back(evidence: Evidence) -> float:
    """Bytes that the repairs gave back."""
    return sum(table["got_back_bytes"].number or 0.0 for table in repairs(evidence))


def longest_stall(evidence: Evidence) -> float | None:
    """The longest that others waited for a repair, in milliseconds; None when nothing was repaired."""
    stalls = [table["longest_stall_ms"].number for table in repairs(evidence)]
    return max((stall for stall in stalls if stall is not None), default=None)


def tables(evidence: Evidence, say: Language) -> Section | None:
    """What was done to which table, why, and what came of it; without repairs, the waste that was measured."""
    done = repairs(evidence)
    blocks: list[Block] = []
    if done:
        blocks += [*_repair_blocks(evidence, done, say), *_compactions(done, say), *_considered(done, say)]
        statements = [f"{statement};" for table in done for statement in table["statements"].texts]
        blocks += code_blocks(say("statements"), statements)
    blocks += failure_of(evidence, "maintenance", say)
    blocks += waste_blocks(evidence, say)
    return Section("tables", say("tables"), tuple(blocks)) if blocks else None


def parameters(evidence: Evidence, say: Language) -> Section | None:
    """The storage parameters that were changed."""
    section = evidence["maintenance"]["parameters"]
    if not section or not isinstance(section["changes"].value, list):
        return None
    changes = section["changes"].records()
    default = say("parameters.default")
    rows = tuple(
        Row(
            (
                code_cell(change["table"].text),
                code_cell(change["parameter"].text),
                Cell(change["before"].text or default),
                Cell(change["after"].text or default),
            )
        )
        for change in changes
    )
    labels = ("tables.table", "parameters.parameter", "parameters.before", "parameters.after")
    block: Block = Table(say("parameters.caption"), columns(say, *labels), rows)
    if not rows:
        block = Paragraph(Cell(say("parameters.none"), tone="quiet"))
    return Section("parameters", say("parameters"), (block,))


def _repair_blocks(evidence: Evidence, done: Sequence[Fact], say: Language) -> list[Block]:
    headings = (
        *columns(say, "tables.table", "tables.remedy", "tables.why"),
        *columns(say, "tables.size", "tables.got_back", "tables.seconds", "tables.stall", numeric=True),
    )
    rows = [_repair_row(table, say) for table in done]
    if len(rows) > 1:
        rows.append(_repair_total(done, say))
    stall = longest_stall(evidence)
    shown_stall = say("unknown") if stall is None else say.milliseconds(stall)
    summary = say("tables.summary", bytes=say.bytes(got_back(evidence)), stall=shown_stall)
    return [Paragraph(Cell(summary)), Table(say("tables.caption"), headings, tuple(rows))]


def _repair_row(table: Fact, say: Language) -> Row:
    why = say.quote(table["reason"].text)
    return Row(
        (
            code_cell(table["name"].text),
            _remedy_cell(table, say),
            Cell(why.text, lang=why.lang, notes=tuple(_hindrances(table, say))),
            _size_change(table["size_before_bytes"].number, table["size_after_bytes"].number, say),
            _got_back_cell(table, say),
            seconds_cell(_unless_idle(table, "seconds"), say),
            milliseconds_cell(_unless_idle(table, "longest_stall_ms"), say),
        )
    )


def _remedy_cell(table: Fact, say: Language) -> Cell:
    """The remedy as a badge in the colour of its outcome, which is said where it is not simply done."""
    remedy, outcome = table["remedy"].text, outcome_of(table)
    notes = []
    if outcome not in (remedy, "done"):
        notes.append(Cell(say.term("outcome_of", outcome), tone=_OUTCOME_TONES.get(outcome, "quiet")))
    if indexes := table["indexes"].texts:
        notes.append(Cell(say("tables.with_indexes", n=say.number(len(indexes))), tone="quiet"))
    if (attempts := table["attempts"].number or 0) > 1:
        notes.append(Cell(say("tables.attempts", n=say.number(attempts)), tone="quiet"))
    return term_cell("remedy", remedy, {remedy: _OUTCOME_TONES.get(outcome, "")}, say, tuple(notes))


def _hindrances(table: Fact, say: Language) -> Iterator[Cell]:
    """Who was in the way, what was waited for, and what failed."""
    if blocker := table["blocker"].text:
        yield Cell(say("tables.blocker", blocker=blocker), tone="warn")
    for waited in table["waited_for"]:
        if text := waited.text or waited["what"].text:
            seconds = waited["seconds"].number
            taken = "" if seconds is None else f" ({say.duration(seconds)})"
            yield Cell(say("tables.waited", what=text) + taken, tone="quiet")
    if error := table["error"].text:
        yield say.quote(error, tone="bad")


def _got_back_cell(table: Fact, say: Language) -> Cell:
    """What was got back, beside what was expected of the remedy."""
    cell, expected = bytes_cell(_unless_idle(table, "got_back_bytes"), say), table["expected_bytes"].number
    if not expected or table["remedy"].text in _IDLE:
        return cell
    note = Cell(say("tables.expected", bytes=say.bytes(expected)), tone="quiet")
    return Cell(cell.text, tone=cell.tone, notes=(note,))


def _unless_idle(table: Fact, key: str) -> float | None:
    """A quantity; a zero means nothing where nothing was done."""
    number = table[key].number
    return None if number == 0 and outcome_of(table) in _IDLE else number


def _repair_total(done: Sequence[Fact], say: Language) -> Row:
    def total(key: str) -> float:
        return sum(table[key].number or 0.0 for table in done)

    stalls = [stall for table in done if (stall := table["longest_stall_ms"].number) is not None]
    return Row(
        (
            Cell(say("tables.total")),
            Cell(""),
            Cell(""),
            _size_change(total("size_before_bytes"), total("size_after_bytes"), say),
            bytes_cell(total("got_back_bytes"), say),
            seconds_cell(total("seconds"), say),
            milliseconds_cell(max(stalls, default=None), say),
        ),
        total=True,
    )


def _compactions(done: Sequence[Fact], say: Language) -> Iterator[Block]:
    """What compacting online moved and cost, and why it ended."""
    rows = tuple(_compaction_row(table["name"].text, table["compaction"], say) for table in done if table["compaction"])
    if rows:
        headings = (
            *columns(say, "tables.table"),
            *columns(say, "compaction.rows", "compaction.batches", "compaction.wal", "compaction.batch", numeric=True),
            *columns(say, "compaction.end"),
        )
        yield Table(say("compaction.caption"), headings, rows, heading=say("compaction.caption"))


def _compaction_row(name: str, compaction: Fact, say: Language) -> Row:
    moved, batches = (compaction[key].number for key in ("moved_rows", "batches"))
    return Row(
        (
            code_cell(name),
            EMPTY if moved is None else Cell(say.number(moved)),
            EMPTY if batches is None else Cell(say.number(batches)),
            bytes_cell(compaction["wal_bytes"].number, say),
            milliseconds_cell(compaction["longest_batch_ms"].number, say),
            say.quote(compaction["stopped"].text) if compaction["stopped"] else EMPTY,
        )
    )


def _considered(done: Sequence[Fact], say: Language) -> Iterator[Block]:
    """All remedies that were weighed for each table, with what each would bring and cost."""
    rows = tuple(
        Row(
            (
                code_cell(table["name"].text),
                Cell(say.term("remedy", remedy["remedy"].text), badge=remedy["remedy"].text == table["remedy"].text),
                say.quote(remedy["verdict"].text),
                bytes_cell(remedy["expected_bytes"].number or None, say),
                seconds_cell(remedy["lock_seconds"].number or None, say),
                bytes_cell(remedy["disk_bytes"].number or None, say),
            )
        )
        for table in done
        for remedy in table["considered"].records()
    )
    if rows:
        headings = (
            *columns(say, "tables.table", "considered.remedy", "considered.verdict"),
            *columns(say, "considered.expected", "considered.lock", "considered.disk", numeric=True),
        )
        yield Details(say("considered.caption"), (Table(say("considered.caption"), headings, rows),))


def _size_change(before: float | None, after: float | None, say: Language) -> Cell:
    if before is None or after is None:
        return EMPTY
    if before == after:
        return Cell(say.bytes(after))
    return Cell(f"{say.bytes(before)} → {say.bytes(after)}")
