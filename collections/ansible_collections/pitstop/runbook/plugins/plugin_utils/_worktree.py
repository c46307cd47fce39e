# SPDX-License-Identifier: GPL-3.0-or-later
"""A commit of a repository in a folder of its own, for as long as a block runs.

Before the deploy the new code lies in the work tree, so what is live can only be run from a checkout of its commit.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import NO_HOOKS, Git

PREFIX = "pitstop-benchmark-"


@contextmanager
def checkout(git: Git, commit: str, links: Sequence[str]) -> Iterator[Path]:
    """A detached work tree of ``commit`` in a temporary folder, with ``links`` symlinked from the repository.

    Links that the repository does not have, or that the commit itself has, are left out. The folder and git's record
    of it are gone afterwards, whatever happens in the block; the next checkout removes what a killed controller left.
    """
    _remove_orphans(git)
    parent = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    tree = parent / "checkout"
    try:
        # What is only measured must not set off what the team does after its own checkouts.
        git.run(*NO_HOOKS, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        for link in links:
            target, place = (git.path / link).absolute(), tree / link
            if target.exists() and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(target)
        yield tree
    finally:
        _remove(git, tree)


def _remove(git: Git, tree: Path) -> None:
    """Only ours: `git worktree prune` would also drop a person's work tree on a disk that is not mounted just now."""
    git.succeeds("worktree", "remove", "--force", "--force", str(tree))
    shutil.rmtree(tree.parent, ignore_errors=True)


def _remove_orphans(git: Git) -> None:
    for line in git.run("worktree", "list", "--porcelain").splitlines():
        tree = Path(line.removeprefix("worktree "))
        pid = tree.parent.name.removeprefix(PREFIX).split("-")[0]
        if line.startswith("worktree ") and tree.parent.name.startswith(PREFIX) and not _alive(int(pid)):
            _remove(git, tree)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
