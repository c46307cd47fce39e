# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's section on indexes: each as it was declared, found and made; those that nobody needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils._report.cells import (
    bytes_cell,
    code_blocks,
    code_cell,
    columns,
    failure_of,
    seconds_cell,
    term_cell,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence, Fact
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    EMPTY,
    Block,
    Cell,
    Row,
    Section,
    Table,
    Tone,
)

_FOUND_TONES: Final[dict[str, Tone]] = {
    "invalid": "warn",
    "valid_different": "warn",
    "undeclared": "warn",
    "valid_same": "good",
}
_ACTION_TONES: Final[dict[str, Tone]] = {"none": "quiet", "create": "good", "replace": "good", "drop": "warn"}
_OUTCOME_TONES: Final[dict[str, Tone]] = {"postponed": "warn", "failed": "bad"}
NEEDLESS: Final = ("redundant", "unused")


def needless(evidence: Evidence) -> Iterator[tuple[str, Fact]]:
    """The indexes that were found to be redundant or unused, each once a finding."""
    for kind in NEEDLESS:
        for index in evidence["indexes"][kind].records():
            if index["name"]:
                yield kind, index


def indexes(evidence: Evidence, say: Language) -> Section | None:
    """Each declared index: how it was found, what was done; then those that are reported and never dropped."""
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
    blocks += _needless_table(evidence, say)
    return Section("indexes", say("indexes"), tuple(blocks)) if blocks else None


def _index_row(index: Fact, say: Language) -> Row:
    as_declared = index["found"].text == "valid_same" and index["action"].text == "none"
    differences = tuple(say.quote(text, tone="quiet") for text in index["differences"].texts)
    return Row(
        (
            code_cell(index["name"].text),
            code_cell(index["table"].text),
            term_cell("found", _found(index), _FOUND_TONES, say, differences),
            _done_cell(index, say),
            EMPTY if as_declared else say.quote(index["reason"].text),
            seconds_cell(index["seconds"].number or None, say),
        )
    )


def _found(index: Fact) -> str:
    """An index that is declared absent and is there differs in nothing but that."""
    found = index["found"].text
    return "undeclared" if (found, index["action"].text) == ("valid_different", "drop") else found


def _done_cell(index: Fact, say: Language) -> Cell:
    """What was done; where that was not reached, what became of it."""
    outcome = index["outcome"].text
    if outcome in _OUTCOME_TONES:
        return term_cell("outcome_of", outcome, _OUTCOME_TONES, say)
    return term_cell("action", index["action"].text, _ACTION_TONES, say)


def _needless_table(evidence: Evidence, say: Language) -> Iterator[Table]:
    rows = tuple(
        Row(
            (
                code_cell(index["name"].text),
                code_cell(index["table"].text) if index["table"] else EMPTY,
                Cell(say(f"needless.{kind}"), notes=(say.quote(index["reason"].text, tone="quiet"),)),
                bytes_cell(index["size_bytes"].number, say),
            )
        )
        for kind, index in needless(evidence)
    )
    if rows:
        headings = (
            *columns(say, "indexes.index", "indexes.table", "needless.finding"),
            *columns(say, "tables.size", numeric=True),
        )
        yield Table(say("needless.caption"), headings, rows, heading=say("needless.caption"))
