# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's tables on waste: of each table, and of each of its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.pitstop.runbook.plugins.module_utils._report.cells import bytes_cell, columns
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence, Fact
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    EMPTY,
    Block,
    Cell,
    Column,
    Details,
    Row,
    Table,
)


@dataclass(frozen=True)
class _Thing:
    """A table or one of its files, at the two points; absent where it was not there or not looked at."""

    name: str
    before: Fact
    after: Fact
    kind: str = ""
    table: str = ""


def waste_blocks(evidence: Evidence, say: Language) -> Iterator[Block]:
    """The waste in each table before and after; below, on request, that of each TOAST table and index."""
    before, after = (evidence[name]["tables"].records() for name in ("bloat-before", "bloat-after"))
    things = _matched(before, after)
    if things:
        caption = say("bloat.caption")
        yield Table(caption, _headings(bool(after), say), _rows(things, bool(after), "total_bytes", say), caption)
    files = [file for thing in things for file in _files(thing)]
    if files:
        caption, rows = say("bloat.files"), _rows(files, bool(after), "size_bytes", say)
        yield Details(caption, (Table(caption, _headings(bool(after), say, "bloat.file"), rows),))


def _matched(before: Sequence[Fact], after: Sequence[Fact], kind: str = "", table: str = "") -> list[_Thing]:
    """The measures of both points by their names."""
    old, new = ({measure["name"].text: measure for measure in measures} for measures in (before, after))
    return [_Thing(name, old.get(name, Fact()), new.get(name, Fact()), kind, table) for name in {**old, **new}]


def _files(table: _Thing) -> Iterator[_Thing]:
    """The TOAST table, unless it is empty, and the indexes. A TOAST table may get another name, and is never two."""
    old, new = table.before["toast"], table.after["toast"]
    if old["size_bytes"].number or new["size_bytes"].number:
        yield _Thing((new or old)["name"].text, old, new, "toast", table.name)
    yield from _matched(table.before["indexes"].records(), table.after["indexes"].records(), "index", table.name)


def _headings(has_after: bool, say: Language, first: str = "tables.table") -> tuple[Column, ...]:
    labels = ("bloat.size_before", "bloat.before") + (("bloat.size_after", "bloat.after") if has_after else ())
    return (*columns(say, first), *columns(say, *labels, numeric=True), *columns(say, "bloat.method"))


def _rows(things: Sequence[_Thing], has_after: bool, size: str, say: Language) -> tuple[Row, ...]:
    rows = []
    for thing in things:
        cells = [bytes_cell(thing.before[size].number, say), _waste_cell(thing.before, say)]
        if has_after:
            cells += [bytes_cell(thing.after[size].number, say), _waste_cell(thing.after, say)]
        notes = (Cell(say(f"file_of.{thing.kind}", table=thing.table), tone="quiet"),) if thing.kind else ()
        name = Cell(thing.name, code=True, notes=notes)
        rows.append(Row((name, *cells, _method_cell(thing.after or thing.before, say))))
    return tuple(rows)


def _waste_cell(measure: Fact, say: Language) -> Cell:
    waste, percent = measure["wasted_bytes"].number, measure["wasted_percent"].number
    if waste is None or measure["method"].text == "unknown":
        return EMPTY
    notes = () if percent is None else (Cell(say.percent(percent), tone="quiet"),)
    return Cell(say.bytes(waste), notes=notes)


def _method_cell(measure: Fact, say: Language) -> Cell:
    """How it was measured, with the share of the file that was read for it; or why it is not known."""
    scanned, why = measure["scanned_percent"].number, measure["why_unknown"].text
    notes = [say.quote(why, tone="quiet")] if why else []
    if scanned:
        notes.append(Cell(say("bloat.scanned", share=say.percent(scanned)), tone="quiet"))
    return Cell(say.term("bloat_method", measure["method"].text), tone="quiet", notes=tuple(notes))
