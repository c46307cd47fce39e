# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's wires: a run's folder read as evidence, and a document written as HTML and Markdown.

The templates lie beside this file and not in role ``report``: they know the document's shape and change with it, and
the operation then works without the role.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import PHASE_OF, Run, write_whole
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted_data
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import Document

HTML, MARKDOWN = "report.html", "report.md"
TEMPLATES = Path(__file__).with_name("report_templates")

_NOT_EVIDENCE = (HTML, MARKDOWN, "report.json", "run.json")
"""Files that this report is, or that change after it was written."""


def read_evidence(run: Run) -> Evidence:
    """All evidence of ``run``, without secrets. A file that cannot be read is named and otherwise absent.

    Raises PitstopError when ``run.json`` itself cannot be read.
    """
    facts = _run.state_of(run)
    files: dict[str, Any] = {}
    unreadable = []
    for name in PHASE_OF:
        try:
            if name != "report" and (content := run.read(name)) is not None:
                files[name] = content
        except PitstopError:
            unreadable.append(f"{name}.json")
    hashed = [path for path in _run.evidence_files(run) if path.name not in _NOT_EVIDENCE]
    return Evidence(
        run=redacted_data({"app": run.app, "run_id": run.id, **facts}),
        outcome=_outcome(run, facts),
        files=redacted_data(files),
        hashes={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in hashed},
        unreadable=tuple(unreadable),
    )


def render(document: Document) -> dict[str, str]:
    """File name to text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown_text, "md_code": markdown_code, "md_block": markdown_block}
    return {name: environment.get_template(f"{name}.j2").render(document=document) for name in (HTML, MARKDOWN)}


def changed_files(directory: Path, texts: dict[str, str]) -> list[str]:
    """The names of the files that are not yet as ``texts`` has them."""
    return [name for name, text in texts.items() if not _holds(directory / name, text)]


def write(directory: Path, texts: dict[str, str]) -> None:
    """Write the files; where the folder is sealed already, renew their lines in the seal and no others."""
    for name, text in texts.items():
        write_whole(directory / name, text)
    seal = directory / _run.SEAL
    if seal.exists():
        lines = seal.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = (line for line in lines if line.rstrip("\n").partition("  ")[2] not in texts)
        renewed = (_run.hash_line(directory / name) for name in texts)
        write_whole(seal, "".join(sorted([*kept, *renewed], key=lambda line: line.partition("  ")[2])))


def markdown_text(text: str) -> str:
    """``text`` so that Markdown shows it as it is, on one line, also in a table and at the start of an item."""
    escaped = re.sub(r"([\\`*_\[\]<>|~#$&])", r"\\\1", _one_line(text))
    return re.sub(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=:](?:[\s+=:-]|$)))", r"\1\\", escaped)


def markdown_code(text: str, *, table: bool = False) -> str:
    """``text`` as code. In a table a pipe ends the cell even within backticks, so it becomes an entity there."""
    line = _one_line(text)
    if table and "|" in line:
        return f"<code>{re.sub(r'[^A-Za-z0-9 ]', lambda match: f'&#{ord(match[0])};', line)}</code>"
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def markdown_block(text: str, language: str) -> str:
    """``text`` as a fenced block, behind a fence that nothing in it can close."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _longest_run(text: str) -> int:
    runs: Iterable[str] = re.findall("`+", text)
    return max(map(len, runs), default=0)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _outcome(run: Run, facts: dict[str, Any]) -> _run.Outcome:
    """How the run ended; when the evidence of its undoing is broken, that is what was left."""
    complete = "all" in (facts.get("tags") or ["all"])
    try:
        outcome = _run.outcome_of(run, complete=complete)
    except PitstopError as error:
        outcome = _run.Outcome("partly undone", facts.get("failure"), [], [str(error)])
    return _run.Outcome(**redacted_data(asdict(outcome)))
