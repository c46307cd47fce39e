# SPDX-License-Identifier: GPL-3.0-or-later
"""What a work tree would ship: which of its changes are declared, what is in the way, and the whole as one tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePath

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git, GitError

DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/")
"""Nobody's settings change how it reads."""
UNQUOTED = ("-c", "core.quotePath=false")
GITLINK = "160000"


def declared_changes(git: Git, declared: Sequence[str]) -> dict[str, str]:
    """Of the paths that differ from HEAD those that are declared, each with its two-letter state."""
    return {path: state for path, state in git.dirty().items() if _is_under(path, declared)}


def require_declared_only(git: Git, declared: Sequence[str], say: Callable[[str], None]) -> dict[str, str]:
    """The declared changes. Raises PitstopError for other changes, and for a declared path that is nowhere."""
    changed = declared_changes(git, declared)
    others = {path: state for path, state in git.dirty().items() if path not in changed}
    if tracked := [path for path, state in others.items() if state != "??"]:
        raise PitstopError(
            f"The work tree has changes that are not declared: {', '.join(tracked)}",
            next_step="commit or stash them, or add them to heroku_deploy_paths",
        )
    for path in declared:
        if not any(_is_under(file, [path]) for file in changed):
            _require_known(git, path, list(others))
    if others:
        say(f"not shipped, since untracked and not declared: {', '.join(others)}")
    return changed


def _require_known(git: Git, path: str, untracked: list[str]) -> None:
    """Raise PitstopError for a declared path without changes that git knows nothing of.

    One that was deleted long ago is known: the same deploy may be started again after its end.
    """
    if git.run("--literal-pathspecs", "ls-files", "--", path):
        return
    if (git.path / path).exists():
        if git.succeeds("check-ignore", "--quiet", path):
            raise PitstopError(
                f"The declared path {path} is ignored by git", next_step=f"git add --force {path}, then run again"
            )
        return
    if git.run("--literal-pathspecs", "log", "-1", "--format=%H", "--", path):
        return
    known = [*git.run("ls-files", "-z").split("\0"), *untracked]
    near = [other for other in known if PurePath(other).name == PurePath(path).name]
    near += [other for other in get_close_matches(path, known) if other not in near]
    raise PitstopError(
        f"The declared path {path} does not exist in {git.path}",
        why=f"there is {', '.join(near[:3])}" if near else "and git has never had it",
        next_step="mend heroku_deploy_paths",
    )


@dataclass(frozen=True)
class Candidate:
    """A tree that would be shipped, beside the commit that is live."""

    git: Git
    live: str
    tree: str

    @property
    def differs(self) -> bool:
        return self.git.tree_of(self.live) != self.tree

    def diff(self) -> str:
        """Everything between what is live and what would be; binary files are named only."""
        text = self.git.run(*UNQUOTED, *DIFF, self.live, self.tree)
        return f"{text}\n" if text else ""

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that is new or changed."""
        changed = self.git.run(*DIFF, "--name-only", "-z", "--diff-filter=d", self.live, self.tree).split("\0")
        sizes = {path: size for path, _, size in self._entries() if size.isdigit()}
        return {path: int(sizes[path]) for path in changed if path in sizes}

    def submodules(self) -> list[str]:
        return [path for path, mode, _ in self._entries() if mode == GITLINK]

    def file(self, path: str) -> str:
        """The content of a file, or nothing when there is none."""
        found = self.git.run("ls-tree", "--name-only", self.tree, "--", path)
        return self.git.run("show", f"{self.tree}:{path}") if found else ""

    def _entries(self) -> list[tuple[str, str, str]]:
        """Path, mode and size (``-`` for a submodule) of each file."""
        listed = self.git.run("ls-tree", "-r", "-l", "-z", "--full-tree", self.tree).split("\0")
        parts = [entry.partition("\t") for entry in listed if entry]
        return [(path, head.split()[0], head.split()[-1]) for head, _, path in parts]


@contextmanager
def candidate(git: Git, live: str, commit: str, files: Sequence[str]) -> Iterator[Candidate]:
    """What ``commit`` with ``files`` of the work tree would be. The repository and its index stay as they are."""
    with git.scratch() as scratch:
        try:
            tree = scratch.add_as_tree(commit, files)
        except GitError as error:
            raise PitstopError(
                f"git cannot take in what is declared: {', '.join(files)}", why=error.why, next_step="mend that path"
            ) from error
        yield Candidate(scratch, live, tree)


def require_origin_included(git: Git, remote: str, branch: str) -> str | None:
    """The commit of the team's branch, asked there, or None when it has none yet.

    Raises PitstopError when it does not answer, or has commits that HEAD lacks.
    """
    git.require_remote(remote, "heroku_deploy_remote")
    try:
        tip = git.remote_commit(remote, branch)
        if tip and git.commit_of(tip) is None:
            git.fetch(remote, f"refs/heads/{branch}")
    except PitstopError as error:
        raise PitstopError(
            f"The remote {remote} does not answer git",
            why=error.why or error.what,
            next_step=f"try `git -C {git.path} fetch {remote}`, and mend your key, password or network",
        ) from error
    if tip and not git.succeeds("merge-base", "--is-ancestor", tip, "HEAD"):
        missing = git.run("log", "--format=%h %s", f"HEAD..{tip}").splitlines()
        raise PitstopError(
            f"{remote}'s {branch} has {len(missing)} commits that are not here: {'; '.join(missing[:5])}",
            why="shipping without them would take somebody's work out of production, and the push would be refused",
            next_step=f"git pull --rebase --autostash {remote} {branch}, look at what came in, then run again",
        )
    return tip


def require_ancestor(git: Git, live: str, ships: str, where: str) -> None:
    """Raise PitstopError when ``ships`` would lose what is live; ``where`` names what is shipped."""
    if git.succeeds("merge-base", "--is-ancestor", live, ships):
        return
    if not git.succeeds("merge-base", live, ships):
        raise PitstopError(
            f"The live commit {live[:12]} and {where} have no common history",
            why="what is live was deployed from another repository, or history was rewritten",
            next_step="check pitstop_repository and pitstop_heroku_app; a person has to deploy such a change",
        )
    lost = git.run("log", "--format=%h %s", f"{ships}..{live}").splitlines()
    raise PitstopError(
        f"Shipping {where} would lose what is live: {'; '.join(lost[:5])}",
        why=f"the live commit {live[:12]} is no ancestor of it",
        next_step=f"git merge {live[:12]}, then run again",
    )


def _is_under(path: str, declared: Sequence[str]) -> bool:
    wanted = [PurePath(each).as_posix() for each in declared]  # without ./ and a slash at the end
    return any(each == "." or path == each or path.startswith(f"{each}/") for each in wanted)
