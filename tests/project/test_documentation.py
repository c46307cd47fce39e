# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents point at is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .tree import ROOT, tracked

DOCUMENTS = [path for path in tracked("*.md") if path.name != "LICENSE"]
LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\bmake ([a-z][a-z-]+)\b")
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=str)


def _text(document: Path) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def _anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as they are made for Markdown on the web."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", _text(document)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    """Somebody follows them in the middle of a window."""
    broken = []
    for target in (found["target"] for found in LINK.finditer(FENCE.sub("", _text(document)))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name) if name else document
        there = (ROOT / path).exists()
        if not there or (anchor and path.suffix == ".md" and anchor not in _anchors(path)):
            broken.append(target)
    assert broken == []


@every_document
def test_every_make_target_that_is_named_is_there(document: Path) -> None:
    """The first command that a newcomer copies must work."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = " ".join(re.findall(r"`[^`\n]+`", _text(document)) + FENCE.findall(_text(document)))
    assert set(COMMAND.findall(code)) <= targets


def test_make_alone_says_what_there_is() -> None:
    """Every target that is meant for people explains itself."""
    shown = subprocess.run(["make", "--silent"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "check-demo", "test", "clean"} <= set(targets)
    internal = {"play", "faults"}
    assert [target for target in targets if f"make {target} " not in shown and target not in internal] == []


def test_every_python_file_says_its_licence() -> None:
    """Whoever takes one file out of the project takes its terms along."""
    written = [path for path in tracked("*.py") if (ROOT / path).stat().st_size]
    silent = [path for path in written if "SPDX-License-Identifier: GPL-3.0-or-later" not in _text(path)[:200]]
    assert silent == []


def test_decisions_are_numbered_and_listed() -> None:
    """The index is where somebody looks for why a thing is as it is."""
    index = _text(Path("docs/adr/README.md"))
    records = [path.name for path in tracked("docs/adr/*.md") if path.name != "README.md"]
    assert records
    assert [name for name in records if f"({name})" not in index or not re.match(r"\d{4}-[a-z0-9-]+\.md$", name)] == []
