# SPDX-License-Identifier: GPL-3.0-or-later
"""A commit of a repository in a folder of its own, for as long as a block runs.

Before the deploy the new code lies in the work tree, so what is live can only be run from a checkout of its commit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted

PREFIX = "pitstop-benchmark-"
GIT_TIMEOUT_S = 120


def commit_of(repository: Path, revision: str) -> str:
    """The full id of the commit that ``revision`` names."""
    done = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if done.returncode:
        raise PitstopError(
            f"{repository} has no commit {revision!r}",
            why=_last_line(done.stderr),
            next_step=f"look at `git -C {repository} log`; is pitstop_repository the app's checkout?",
        )
    return done.stdout.strip()


@contextmanager
def checkout(repository: Path, commit: str, links: Sequence[str]) -> Iterator[Path]:
    """A detached work tree of ``commit`` in a temporary folder, with ``links`` symlinked from the repository.

    Links that the repository does not have, or that the commit itself has, are left out. The folder and git's record
    of it are gone afterwards, whatever happens in the block; the next checkout removes what a killed controller left.
    """
    _remove_orphans(repository)
    parent = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    tree = parent / "checkout"
    try:
        done = _git(repository, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        if done.returncode:
            raise PitstopError(
                f"git cannot check out {commit[:12]} of {repository}",
                why=_last_line(done.stderr),
                next_step=f"try it by hand: git -C {repository} worktree add --detach /tmp/try {commit[:12]}",
            )
        for link in links:
            target, place = (repository / link).absolute(), tree / link
            if target.exists() and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(target)
        yield tree
    finally:
        _remove(repository, tree)


def _remove(repository: Path, tree: Path) -> None:
    """Only ours: `git worktree prune` would also drop a person's work tree on a disk that is not mounted just now."""
    _git(repository, "worktree", "remove", "--force", "--force", str(tree))
    shutil.rmtree(tree.parent, ignore_errors=True)


def _remove_orphans(repository: Path) -> None:
    for line in _git(repository, "worktree", "list", "--porcelain").stdout.splitlines():
        tree = Path(line.removeprefix("worktree "))
        pid = tree.parent.name.removeprefix(PREFIX).split("-")[0]
        if line.startswith("worktree ") and tree.parent.name.startswith(PREFIX) and not _alive(int(pid)):
            _remove(repository, tree)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git without the repository's hooks, and without the GIT_* variables of a hook that Ansible may run in."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        ["git", "-C", str(repository), "-c", "core.hooksPath=/dev/null", *arguments],
        env={**environment, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=GIT_TIMEOUT_S,
        check=False,
    )


def _last_line(text: str) -> str:
    return redacted(text.strip().rpartition("\n")[2])
