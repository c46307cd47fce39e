# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a person or a test sets: those of the local Heroku, those of the work tree, those of its origin."""

from __future__ import annotations

import json

from sandbox import protected_branch, repository, worktree
from sandbox.errors import SandboxError
from sandbox.heroku.faults import FAULTS as HEROKU_FAULTS
from sandbox.paths import Paths
from sandbox.settings import write_private

WORK_TREE_FAULTS = {
    "slower_code": "what lies in the work tree is not the fix but slower code: honest locks and extra round trips",
}
ORIGIN_FAULTS = {
    "protected_origin": "the team's origin takes no push to main: GitHub's protected branch, until unset",
}
DESCRIPTIONS = WORK_TREE_FAULTS | ORIGIN_FAULTS | HEROKU_FAULTS


def active(paths: Paths) -> list[str]:
    """Return the names of the faults that are set and not yet used up."""
    slower = ["slower_code"] if worktree.is_laid(worktree.SLOWER, paths.repository) else []
    protected = ["protected_origin"] if protected_branch.is_protected(paths.origin) else []
    return slower + protected + _of_heroku(paths)


def set_fault(paths: Paths, name: str) -> None:
    """Set one more fault."""
    check_name(name)
    if name in WORK_TREE_FAULTS:
        worktree.lay(worktree.SLOWER, paths.repository)
    elif name in ORIGIN_FAULTS:
        protected_branch.protect(paths.origin, repository.BRANCH)
    else:
        _write(paths, sorted({*_of_heroku(paths), name}))


def unset_all(paths: Paths) -> None:
    """Unset every fault; slower code in the work tree gives way to the fix."""
    _write(paths, [])
    protected_branch.unprotect(paths.origin)
    if worktree.is_laid(worktree.SLOWER, paths.repository):
        worktree.lay(worktree.FIX, paths.repository)


def check_name(name: str) -> None:
    """Raise SandboxError unless there is a fault of this name."""
    if name not in DESCRIPTIONS:
        raise SandboxError(f"there is no fault {name!r}. Choose one of: {', '.join(DESCRIPTIONS)}")


def _of_heroku(paths: Paths) -> list[str]:
    try:
        return list(json.loads((paths.heroku / "faults.json").read_text())["faults"])
    except FileNotFoundError:
        return []


def _write(paths: Paths, names: list[str]) -> None:
    write_private(paths.heroku / "faults.json", {"faults": names})
