# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report is made of, before it becomes HTML or Markdown.

Every text in it is plain text in its final language; escaping is the templates' business, and theirs alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

Tone = Literal["", "good", "bad", "warn", "quiet"]
"""How a thing is to be taken; never the only carrier of that meaning, since the words say it too."""

CheckState = Literal["done", "not_done", "not_asked"]


@dataclass(frozen=True)
class Cell:
    """A piece of text. ``lang`` is set where it is not in the report's language, as evidence's own words may be."""

    text: str
    tone: Tone = ""
    code: bool = False
    badge: bool = False
    lang: str = ""
    href: str = ""
    notes: tuple[Cell, ...] = ()
    """Smaller lines below the text."""
    span: tuple[float, float] | None = None
    """Start and length of a bar, as shares of the whole (0 to 1): a timeline's picture beside its numbers."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read in it."""
        return self.text in ("", EMPTY.text) and self.span is None


EMPTY = Cell("–", tone="quiet")


@dataclass(frozen=True)
class Column:
    """A table's column."""

    label: str
    numeric: bool = False


@dataclass(frozen=True)
class Row:
    """One cell a column; the first one names the row. ``total`` sets it off."""

    cells: tuple[Cell, ...]
    total: bool = False


@dataclass(frozen=True)
class Table:
    """A table; ``caption`` says what it shows to those who cannot see its heading."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    heading: str = ""
    """Shown above it, where it is not the section's first table."""


@dataclass(frozen=True)
class Facts:
    """Labels with their values."""

    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, Cell], ...]
    heading: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A sentence or a few."""

    kind: ClassVar[str] = "paragraph"
    cell: Cell


@dataclass(frozen=True)
class Listing:
    """A list; ``heading`` may be empty, as it may be of any block."""

    kind: ClassVar[str] = "listing"
    heading: str
    items: tuple[Cell, ...]


@dataclass(frozen=True)
class Code:
    """Statements as they were sent."""

    kind: ClassVar[str] = "code"
    heading: str
    text: str
    language: str = "sql"


@dataclass(frozen=True)
class Details:
    """What only some readers want: its summary is shown, its blocks on request. It holds no checklist."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Check:
    """A point of the runbook's checklist, with the evidence that ticks it or leaves it open."""

    key: str
    label: str
    state: CheckState
    state_label: str
    evidence: str
    note: Cell | None = None


@dataclass(frozen=True)
class Checklist:
    """The runbook's checklist."""

    kind: ClassVar[str] = "checklist"
    checks: tuple[Check, ...]


Block = Table | Facts | Paragraph | Listing | Code | Details | Checklist


@dataclass(frozen=True)
class Section:
    """A part of the report. ``id`` is its anchor and the same in every language."""

    id: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Verdict:
    """The first thing one reads: how it ended, in one sentence, and the figures that matter most."""

    label: str
    sentence: str
    tone: Tone
    details: tuple[Cell, ...] = ()
    figures: tuple[tuple[str, Cell], ...] = ()


@dataclass(frozen=True)
class Document:
    """A whole report."""

    language: str
    title: str
    subtitle: str
    verdict: Verdict
    sections: tuple[Section, ...]
    labels: dict[str, str] = field(default_factory=dict)
    """The words that the templates themselves need."""

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checklist's points."""
        blocks = (block for section in self.sections for block in section.blocks)
        return tuple(check for block in blocks if isinstance(block, Checklist) for check in block.checks)
