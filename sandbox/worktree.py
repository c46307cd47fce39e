# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies uncommitted in the bot's work tree: the fix, or the code that only looks like one."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from sandbox.paths import SOURCE

FIX = SOURCE / "bot" / "fix"
SLOWER = SOURCE / "bot" / "slower"


def lay(variant: Path, repository: Path) -> None:
    """Copy the variant's files over those in the work tree."""
    for file in _files(variant):
        shutil.copyfile(variant / file, repository / file)


def is_laid(variant: Path, repository: Path) -> bool:
    """Tell whether all files of the variant are in the work tree as they are."""
    return all(
        (repository / file).exists() and filecmp.cmp(variant / file, repository / file, shallow=False)
        for file in _files(variant)
    )


def _files(variant: Path) -> list[Path]:
    return sorted(file.relative_to(variant) for file in variant.rglob("*") if file.is_file())
