# SPDX-License-Identifier: GPL-3.0-or-later
"""Cells that the report's sections share: quantities in words, codes as badges, absent values as –."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    EMPTY,
    Cell,
    Code,
    Column,
    Paragraph,
    Tone,
)


def columns(say: Language, *keys: str, numeric: bool = False) -> tuple[Column, ...]:
    """A column for each key of the catalogue."""
    return tuple(Column(say(key), numeric) for key in keys)


def code_cell(text: str) -> Cell:
    """A name of the database, of git, or of a file."""
    return Cell(text, code=True) if text else EMPTY


def bytes_cell(count: float | None, say: Language) -> Cell:
    """A size."""
    return EMPTY if count is None else Cell(say.bytes(count))


def seconds_cell(seconds: float | None, say: Language) -> Cell:
    """A duration."""
    return EMPTY if seconds is None else Cell(say.duration(seconds))


def milliseconds_cell(milliseconds: float | None, say: Language) -> Cell:
    """A latency."""
    return EMPTY if milliseconds is None else Cell(say.milliseconds(milliseconds))


def term_cell(group: str, code: str, tones: Mapping[str, Tone], say: Language, notes: tuple[Cell, ...] = ()) -> Cell:
    """A code of the evidence in words, as a badge."""
    return Cell(say.term(group, code), tone=tones.get(code, ""), badge=True, notes=notes) if code else EMPTY


def yes_or_no(flag: bool | None, say: Language) -> Cell:
    """A fact that is to be true."""
    if flag is None:
        return EMPTY
    return Cell(say("yes") if flag else say("no"), tone="good" if flag else "bad", badge=True)


def code_blocks(heading: str, lines: Iterable[str]) -> list[Code]:
    """The lines as one block; none when there are no lines."""
    text = "\n".join(lines)
    return [Code(heading, text)] if text else []


def failure_of(evidence: Evidence, name: str, say: Language) -> list[Paragraph]:
    """Why the step failed; nothing when it did not."""
    error = evidence.error(name)
    return [Paragraph(Cell(say("step_failed", error=error), tone="bad"))] if error else []
