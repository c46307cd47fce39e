# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's sections on the database: tables, waste, indexes, storage parameters, plans."""

from __future__ import annotations

from collections.abc import Sequence
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
    Paragraph,
    Row,
    Section,
    Table,
    Tone,
)

_REMEDY_TONES: Final[dict[str, Tone]] = {"nothing": "quiet", "postponed": "warn"}
_FOUND_TONES: Final[dict[str, Tone]] = {"invalid": "warn", "valid_different": "warn", "valid_same": "good"}
_ACTION_TONES: Final[dict[str, Tone]] = {"none": "quiet", "create": "good", "replace": "good", "drop": "warn"}


def repairs(evidence: Evidence) -> list[Fact]:
    """What was done to each table."""
    return evidence["maintenance"]["tables"]["tables"].records()


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
        blocks += _repair_blocks(evidence, done, say)
    blocks += failure_of(evidence, "maintenance", say)
    if waste := _waste(evidence, say):
        blocks.append(waste)
    return Section("tables", say("tables"), tuple(blocks)) if blocks else None


def indexes(evidence: Evidence, say: Language) -> Section | None:
    """Each declared index: how it was found, what was done."""
    declared = evidence["indexes"]["indexes"].records()
    blocks: list[Block] = []
    if declared:
        rows = tuple(_index_row(index, say) for index in declared)
        headings = (
            *columns(say, "indexes.index", "indexes.table", "indexes.found", "indexes.action", "indexes.why"),
            *columns(say, "indexes.seconds", numeric=True),
        )
        blocks.append(Table(say("indexes.caption"), headings, rows))
        statements = (statement for index in declared for statement in index["statements"].texts)
        blocks += code_blocks(say("statements"), (f"{statement};" for statement in statements))
    blocks += failure_of(evidence, "indexes", say)
    return Section("indexes", say("indexes"), tuple(blocks)) if blocks else None


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


def plans(evidence: Evidence, say: Language) -> Section | None:
    """Each named statement: what was expected of its plan, before and after."""
    points = [
        {plan["name"].text: plan for plan in evidence[name]["statements"].records()}
        for name in ("plans-before", "plans-after")
    ]
    rows = tuple(
        _plan_row(name, [point.get(name, Fact()) for point in points], say) for name in {**points[0], **points[1]}
    )
    if not rows:
        return None
    labels = ("plans.statement", "plans.expectation", "plans.before", "plans.after")
    return Section("plans", say("plans"), (Table(say("plans.caption"), columns(say, *labels), rows),))


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
    statements = (statement for table in done for statement in table["statements"].texts)
    return [
        Paragraph(Cell(summary)),
        Table(say("tables.caption"), headings, tuple(rows)),
        *code_blocks(say("statements"), (f"{statement};" for statement in statements)),
    ]


def _repair_row(table: Fact, say: Language) -> Row:
    notes = []
    if (attempts := table["attempts"].number or 0) > 1:
        notes.append(Cell(say("tables.attempts", n=say.number(attempts)), tone="quiet"))
    reasons: tuple[Cell, ...] = ()
    if blocker := table["blocker"].text:
        reasons = (Cell(say("tables.blocker", blocker=blocker), tone="warn"),)
    why = say.quote(table["reason"].text)
    return Row(
        (
            code_cell(table["name"].text),
            term_cell("remedy", table["remedy"].text, _REMEDY_TONES, say, tuple(notes)),
            Cell(why.text, lang=why.lang, notes=reasons),
            _size_change(table["size_before_bytes"].number, table["size_after_bytes"].number, say),
            bytes_cell(_unless_idle(table, "got_back_bytes"), say),
            seconds_cell(_unless_idle(table, "seconds"), say),
            milliseconds_cell(_unless_idle(table, "longest_stall_ms"), say),
        )
    )


def _unless_idle(table: Fact, key: str) -> float | None:
    """A quantity; a zero means nothing where nothing was done."""
    number = table[key].number
    return None if number == 0 and table["remedy"].text in ("nothing", "postponed") else number


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


def _waste(evidence: Evidence, say: Language) -> Table | None:
    before, after = (
        {table["name"].text: table for table in evidence[name]["tables"].records()}
        for name in ("bloat-before", "bloat-after")
    )
    names = {**before, **after}
    if not names:
        return None
    labels = ("bloat.size_before", "bloat.before") + (("bloat.size_after", "bloat.after") if after else ())
    headings = (*columns(say, "tables.table"), *columns(say, *labels, numeric=True), *columns(say, "bloat.method"))
    rows = []
    for name in names:
        old, new = before.get(name, Fact()), after.get(name, Fact())
        cells = [bytes_cell(old["total_bytes"].number, say), _waste_cell(old, say)]
        if after:
            cells += [bytes_cell(new["total_bytes"].number, say), _waste_cell(new, say)]
        method = (new["method"] or old["method"]).text
        rows.append(Row((code_cell(name), *cells, Cell(say.term("bloat_method", method), tone="quiet"))))
    return Table(say("bloat.caption"), headings, tuple(rows), heading=say("bloat.caption"))


def _waste_cell(table: Fact, say: Language) -> Cell:
    waste, percent = table["wasted_bytes"].number, table["wasted_percent"].number
    if waste is None or table["method"].text == "unknown":
        return EMPTY
    notes = () if percent is None else (Cell(say.percent(percent), tone="quiet"),)
    return Cell(say.bytes(waste), notes=notes)


def _index_row(index: Fact, say: Language) -> Row:
    as_declared = index["found"].text == "valid_same" and index["action"].text == "none"
    return Row(
        (
            code_cell(index["name"].text),
            code_cell(index["table"].text),
            term_cell("found", index["found"].text, _FOUND_TONES, say),
            term_cell("action", index["action"].text, _ACTION_TONES, say),
            EMPTY if as_declared else say.quote(index["reason"].text),
            seconds_cell(index["seconds"].number or None, say),
        )
    )


def _plan_row(name: str, points: Sequence[Fact], say: Language) -> Row:
    expectation = next((point["expectation"].text for point in reversed(points) if point["expectation"]), "")
    return Row(
        (code_cell(name), say.quote(expectation), *(_plan_cell(point, say) for point in points)),
    )


def _plan_cell(plan: Fact, say: Language) -> Cell:
    """Whether the expectation was met, why, and what the plan used."""
    if not plan:
        return EMPTY
    notes = [say.quote(plan["why"].text, tone="quiet")] if plan["why"] and plan["met"].flag is not True else []
    used = ", ".join([*plan["nodes"].texts, *plan["indexes"].texts])
    if used:
        notes.append(Cell(used, tone="quiet", code=True))
    if (buffers := plan["shared_buffers"].number) is not None:
        notes.append(Cell(say("plans.buffers", n=say.number(buffers)), tone="quiet"))
    words: dict[bool | None, tuple[str, Tone]] = {
        True: ("met", "good"),
        False: ("missed", "bad"),
        None: ("open", "quiet"),
    }
    word, tone = words[plan["met"].flag]
    return Cell(say(f"plans.{word}"), tone=tone, badge=True, notes=tuple(notes))


def _size_change(before: float | None, after: float | None, say: Language) -> Cell:
    if before is None or after is None:
        return EMPTY
    if before == after:
        return Cell(say.bytes(after))
    return Cell(f"{say.bytes(before)} → {say.bytes(after)}")
