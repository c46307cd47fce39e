# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be shipped, what cannot be taken back, and what will be done, read in a diff and a few facts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

KEPT_BYTES = 1_000_000
"""Of a diff, as much is kept as evidence."""

_SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Heroku API key": re.compile(r"\bHRKU-[0-9A-Za-z_-]{20,}"),
    "an AWS access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    # ${PASSWORD}, <password>, *** and the like stand for one, and stop nobody.
    "a URL with a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@]+:[^\s:/@${}<>*]{4,}@"),
    "a token of a chat bot": re.compile(r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{40,})"),
}
_ALLOWED = re.compile(r"gitleaks:allow|pragma: allowlist secret")
"""In a line, the words with which the usual secret scanners are told that it holds none."""
_CONFLICT = re.compile(r"^(<{7} |>{7} |\|{7} |={7}$)")
_UNDERLINES = (".md", ".rst", ".txt", ".adoc")
"""Files in which seven equals signs underline a title of seven letters."""
_LFS_POINTER = "version https://git-lfs.github.com/spec/v1"
_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")

_IRREVERSIBLE = {
    label: re.compile(pattern, re.IGNORECASE)
    for label, pattern in {
        "DROP TABLE": r"\bDROP\s+TABLE\b",
        "DROP COLUMN": r"\bDROP\s+COLUMN\b",
        "DROP TYPE": r"\bDROP\s+TYPE\b",
        "DROP SCHEMA": r"\bDROP\s+SCHEMA\b",
        "DROP": r"\bALTER\s+TABLE\b.*\bDROP\s+(?!TABLE|COLUMN|CONSTRAINT|DEFAULT|NOT\b|IDENTITY|EXPRESSION)",
        "TRUNCATE": r"\bTRUNCATE\b",
        "RENAME": r"\bRENAME\b",
        "ALTER COLUMN … TYPE": r"\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b",
        "drop": r"\b(?:drop|remove)_(?:table|column|columns|join_table|reference|belongs_to)\b",
        "rename": r"\brename_(?:table|column|enum|enum_value)\b",
        "change of type": r"\b(?:change_column\b|alter_column\b.*\btype_\s*=|AlterField\b)",
        "removal": r"\b(?:drop(?:Table|Column|Columns|Schema)|removeColumn|RemoveField|DeleteModel)\b",
        "new name": r"\b(?:rename(?:Table|Column)|RenameField|RenameModel)\b",
    }.items()
}
"""What the old code may not live with. A line is read by itself, whatever it belongs to: a comment or the way back
(`down`) counts as well. Too much said here costs a look; too little, an app that is down after its rollback."""


class Line(NamedTuple):
    """An added line: ``text`` stands in line ``number`` of ``file``."""

    file: str
    number: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"


def added_lines(diff: str) -> Iterator[Line]:
    """The lines that a unified diff adds. The hunks' lengths are heeded: an added ``++ x`` is no file's name."""
    file, number, old_left, new_left = "?", 0, 0, 0
    for line in diff.split("\n"):
        kind = line[:1]
        if old_left > 0 or new_left > 0:
            if kind == "+":
                yield Line(file, number, line[1:])
            old_left -= kind in ("-", " ", "")
            new_left -= kind in ("+", " ", "")
            number += kind in ("+", " ", "")
        elif hunk := _HUNK.match(line):
            old_left, number, new_left = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)
        elif line.startswith("+++ "):
            file = line[4:].rstrip("\t").strip('"').removeprefix("b/")


def findings(diff: str) -> list[str]:
    """What must not be shipped in a diff's added lines: ``file:line kind`` each. The secret itself is not repeated."""
    found: list[str] = []
    for line in added_lines(diff):
        if _CONFLICT.match(line.text) and not (line.text[0] == "=" and line.file.endswith(_UNDERLINES)):
            found.append(f"{line.place} a conflict marker")
        if not _ALLOWED.search(line.text):
            found += [f"{line.place} {kind}" for kind, pattern in _SECRETS.items() if pattern.search(line.text)]
    return found


def lfs_pointers(diff: str) -> list[str]:
    """The files that become Git LFS pointers by a diff. Those that were pointers before are not among them."""
    return [line.file for line in added_lines(diff) if line.number == 1 and line.text.strip() == _LFS_POINTER]


def too_large(sizes: Mapping[str, int], limit: int) -> list[str]:
    """The files above ``limit`` bytes, each with its size."""
    return [f"{path} ({size / 1e6:.1f} MB)" for path, size in sizes.items() if size > limit]


def irreversible(diff: str, migration_paths: Collection[str]) -> list[str]:
    """What migrations do that cannot be taken back: ``db/migrate/3.sql:4 DROP COLUMN`` each.

    ``migration_paths`` are globs in which ``*`` also matches a slash.
    """
    return [
        f"{line.place} {label}"
        for line in added_lines(diff)
        if any(fnmatchcase(line.file, glob) for glob in migration_paths)
        for label, pattern in _IRREVERSIBLE.items()
        if pattern.search(line.text)
    ]


def has_release_command(procfile: str) -> bool:
    """Whether a Procfile declares a command that runs before each release."""
    return re.search(r"^release\s*:", procfile, re.MULTILINE) is not None


def bounded(diff: str) -> str:
    """A diff as it is kept: whole, or its beginning and a note of what is missing."""
    if len(diff) <= KEPT_BYTES:
        return diff
    return f"{diff[:KEPT_BYTES]}\n… {len(diff) - KEPT_BYTES} more characters are not kept: see git diff\n"


def plan(
    *,
    method: str,
    files: Sequence[str],
    remote: str,
    app: str,
    promote_from: str,
    release_command: bool,
    preboot: bool,
    maintenance_mode: bool,
) -> list[str]:
    """What a deploy will do, in order, a sentence each."""
    if method == "promote":
        before, ship = [], f"promote what runs on {promote_from} to {app}; nothing is committed"
    else:
        count = f"{len(files)} file{'s' if len(files) > 1 else ''}"
        before = [f"commit {count}: {', '.join(files)}"] if files else []
        before.append(f"push to {remote}")
        ship = f"push to Heroku, which builds {app}" if method == "git" else f"have Heroku build {app} from a tarball"
    steps = [
        *before,
        "turn maintenance mode on" if maintenance_mode else "",
        ship,
        "run the release command" if release_command else "",
        "wait until the release has succeeded and its web dynos are up",
        "turn maintenance mode off" if maintenance_mode else "",
        "wait until the app itself answers with its new version"
        + (" (with preboot the old one goes on for some minutes)" if preboot else ""),
    ]
    return [step for step in steps if step]
