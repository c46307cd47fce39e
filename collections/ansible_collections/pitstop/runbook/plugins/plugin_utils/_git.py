# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire to git: one repository, never a prompt, never a secret in argv or in a file."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError, last_lines
from ansible_collections.pitstop.runbook.plugins.plugin_utils._processes import end_group

LOCAL_TIMEOUT_S = 60
REMOTE_TIMEOUT_S = 120
SIGNING_TIMEOUT_S = 20
LOOK_S = 0.2
MISLEADING = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE", "GIT_NAMESPACE"),
    *("GIT_TRACE", "GIT_CURL_VERBOSE", "GPG_TTY"),
)
"""Of the environment: set by a hook, they point git to another repository; traces may print what is sent; with its
terminal gpg would ask a person for a passphrase, in the middle of what Ansible shows."""
NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
HEROKU_BRANCH = "main"
"""The one that Heroku builds."""
UNFINISHED = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
"""File in git's own folder -> what is going on while it is there."""


class GitError(PitstopError):
    """A git command that failed. ``output`` is what it printed."""

    def __init__(self, what: str, output: str, *, next_step: str = "") -> None:
        self.output = output
        super().__init__(what, why=last_lines(output), next_step=next_step)


def with_header(url: str, authorization: str) -> dict[str, str]:
    """Environment that gives git an Authorization header for ``url`` alone, and no credential helper."""
    pairs = {f"http.{url}.extraHeader": f"Authorization: {authorization}", "credential.helper": ""}
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)  # what the environment configures already stays
    env = {"GIT_CONFIG_COUNT": str(first + len(pairs))}
    for number, (key, value) in enumerate(pairs.items(), start=first):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


class Git:
    """Git in one work tree. Raises PitstopError at once when ``path`` is none. ``env`` is added to each command's."""

    def __init__(self, path: str | Path, env: Mapping[str, str] | None = None) -> None:
        self.path = Path(path)
        self._env = dict(env or {})
        found = (
            self._process(("rev-parse", "--is-inside-work-tree"), None, LOCAL_TIMEOUT_S) if self.path.is_dir() else None
        )
        if not path or not found or found.stdout.strip() != "true":
            raise PitstopError(
                f"{str(path)!r} is no git work tree",
                why=last_lines(found.stderr) if found else "",
                next_step="set pitstop_repository to the folder of the app's git checkout",
            )

    def run(self, *argv: str, env: Mapping[str, str] | None = None, timeout: float = LOCAL_TIMEOUT_S) -> str:
        """Standard output of ``git *argv``, without its last newline. Raises GitError."""
        done = self._process(argv, env, timeout)
        if done.returncode != 0:
            raise GitError(f"`git {' '.join(argv[:3])}` failed in {self.path}", done.stderr or done.stdout)
        return done.stdout.rstrip("\n")

    def succeeds(self, *argv: str) -> bool:
        """Whether ``git *argv`` exits with 0."""
        return self._process(argv, None, LOCAL_TIMEOUT_S).returncode == 0

    def stream(
        self, *argv: str, say: Callable[[str], None], env: Mapping[str, str] | None = None, timeout: float
    ) -> tuple[int, str]:
        """Run ``git *argv`` and pass each line on as it comes. Returns exit code and whole output.

        Raises PitstopError when it takes longer than ``timeout`` seconds.
        """
        lines: list[str] = []

        def take(raw: bytes) -> None:
            text = raw.decode("utf-8", "replace").rstrip()
            lines.append(text)
            if text:
                say(text)

        deadline = time.monotonic() + timeout
        with self._started(argv, env, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None  # noqa: S101 - for the type checker: stdout is a pipe
            unended = b""
            while True:
                if time.monotonic() > deadline:
                    raise PitstopError(
                        f"`git {' '.join(argv[:2])}` did not end within {timeout:.0f} s",
                        why=last_lines("\n".join(lines)),
                        next_step="try it by hand; what it has done so far is read at the next run",
                    )
                ended = process.poll() is not None
                if select.select([process.stdout], [], [], 0 if ended else LOOK_S)[0]:
                    chunk = os.read(process.stdout.fileno(), 65536)
                    *whole, unended = (unended + chunk).split(b"\n")
                    for raw in whole:
                        take(raw)
                    if not chunk:
                        break
                elif ended:
                    break  # what a hook left in the background keeps the pipe open
            if unended:
                take(unended)
            code = process.wait(max(LOOK_S, deadline - time.monotonic()))
        return code, "\n".join(lines)

    def head(self) -> str:
        """The commit of the work tree; raises PitstopError when there is none yet."""
        found = self.commit_of("HEAD")
        if found is None:
            raise PitstopError(
                f"{self.path} has no commit yet", next_step="commit the app, and deploy it once: git push heroku main"
            )
        return found

    def require_nothing_unfinished(self) -> None:
        """Raise PitstopError while a merge, a rebase, a cherry-pick, a revert or a bisect is going on."""
        paths = self.run("rev-parse", *(word for name in UNFINISHED for word in ("--git-path", name))).splitlines()
        for path, what in zip(paths, UNFINISHED.values(), strict=True):
            if (self.path / path).exists():
                over = "git bisect reset" if what == "bisect" else f"git {what} --continue (or --abort)"
                raise PitstopError(
                    f"A {what} is going on in {self.path}",
                    why="what would be committed is neither the old state nor the new one",
                    next_step=f"end it: {over}, then run again",
                )

    def require_remote(self, name: str, option: str) -> None:
        """Raise PitstopError when there is no such remote; ``option`` is the variable that names it."""
        remotes = self.run("remote").split()
        if name not in remotes:
            raise PitstopError(
                f"{self.path} has no remote {name}",
                why=f"it has {', '.join(remotes) or 'none'}",
                next_step=f"git -C {self.path} remote add {name} URL, or set {option}",
            )

    def require_committer(self) -> str:
        """Who a commit would be by. Raises PitstopError when git does not know, or cannot sign without asking.

        Without useConfigOnly git would make somebody up from the login and the host.
        """
        try:
            for ident in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
                found = self.run("-c", "user.useConfigOnly=true", "var", ident)
        except GitError as error:
            raise PitstopError(
                "git does not know who you are",
                why="user.name or user.email is not set",
                next_step='git config --global user.name "…" && git config --global user.email "…"',
            ) from error
        if self.signs:
            self._try_signing()
        return found.rsplit(" ", 2)[0]

    @property
    def signs(self) -> bool:
        """Whether commits have to be signed."""
        return self.run("config", "--type=bool", "--default=false", "--get", "commit.gpgsign") == "true"

    def _try_signing(self) -> None:
        try:
            with self.scratch() as scratch:
                tree = scratch.run("write-tree")
                scratch.run("commit-tree", "-S", "-m", "can it be signed?", tree, timeout=SIGNING_TIMEOUT_S)
        except PitstopError as error:
            raise PitstopError(
                "git cannot sign a commit, and commit.gpgsign wants it",
                why=error.why or f"it did not end within {SIGNING_TIMEOUT_S} s, as if it asked for a passphrase",
                next_step=f"unlock the key (git -C {self.path} commit-tree -S -m try 'HEAD^{{tree}}'), then run again",
            ) from error

    @contextmanager
    def scratch(self) -> Iterator[Self]:
        """This repository with an empty index and new objects in a temporary folder: nothing of it is touched."""
        objects = self.path / self.run("rev-parse", "--git-path", "objects")
        with tempfile.TemporaryDirectory(prefix="pitstop-git-") as folder:
            yield type(self)(
                self.path,
                {
                    "GIT_INDEX_FILE": f"{folder}/index",
                    "GIT_OBJECT_DIRECTORY": folder,
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects.resolve()),
                },
            )

    def add_as_tree(self, commit: str, files: Sequence[str]) -> str:
        """The tree of ``commit`` with ``files`` as they are in the work tree. Use it on a scratch."""
        self.run(*NO_HOOKS, "read-tree", commit)
        if files:
            self.run(*NO_HOOKS, "--literal-pathspecs", "add", "--all", "--", *files)
        return self.run("write-tree")

    def fetch(self, remote: str, what: str, env: Mapping[str, str] | None = None) -> None:
        """Get the objects of a branch or commit from a remote. No reference moves. Raises GitError."""
        quiet = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--refmap=")
        self.run("fetch", *quiet, remote, what, env=env, timeout=REMOTE_TIMEOUT_S)

    def require_branch(self, wanted: str) -> str:
        """The branch of the work tree; raises PitstopError when that is not ``wanted``."""
        found = self.run("branch", "--show-current")
        if found != wanted:
            raise PitstopError(
                f"{self.path} is {f'on branch {found}' if found else 'on no branch: its HEAD is detached'}",
                why=f"{wanted} is what is deployed",
                next_step=f"git -C {self.path} switch {wanted}, or set pitstop_branch",
            )
        return found

    def commit_of(self, revision: str) -> str | None:
        """The full id of a commit, or None when this repository does not have it."""
        done = self._process(("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"), None, LOCAL_TIMEOUT_S)
        return done.stdout.strip() or None

    def tree_of(self, revision: str) -> str:
        """The id of a commit's tree: equal trees are equal content."""
        return self.run("rev-parse", f"{revision}^{{tree}}")

    def remote_commit(self, remote: str, branch: str, env: Mapping[str, str] | None = None) -> str | None:
        """The commit that ``branch`` has on a remote, asked there, or None when the branch is not there."""
        answer = self.run("ls-remote", remote, f"refs/heads/{branch}", env=env, timeout=REMOTE_TIMEOUT_S)
        return answer.split()[0] if answer else None

    def dirty(self) -> dict[str, str]:
        """Path to its two-letter state, of all that differs from HEAD; ``??`` is untracked."""
        entries = self.run("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all").split("\0")
        return {entry[3:]: entry[:2] for entry in entries if entry}

    def _process(
        self, argv: tuple[str, ...], env: Mapping[str, str] | None, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        with self._started(argv, env, stderr=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as error:
                raise PitstopError(
                    f"`git {' '.join(argv[:2])}` did not answer within {timeout:.0f} s", next_step="try it by hand"
                ) from error
        return subprocess.CompletedProcess(
            argv, process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        )

    @contextmanager
    def _started(
        self, argv: Sequence[str], env: Mapping[str, str] | None, *, stderr: int
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A git command, in a group of its own. When the block is left before its end, it is ended with its helpers."""
        try:
            process = subprocess.Popen(
                ["git", *argv],
                cwd=self.path,
                env=self._environment(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise PitstopError("git is not installed", next_step="install it, then run again") from error
        try:
            yield process
        finally:
            if process.poll() is None:
                end_group(process)
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()

    def _environment(self, env: Mapping[str, str] | None) -> dict[str, str]:
        outer = {key: value for key, value in os.environ.items() if not key.startswith(MISLEADING)}
        return {
            **outer,
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_EDITOR": "true",
            "GIT_OPTIONAL_LOCKS": "0",
            **self._env,
            **(env or {}),
        }
