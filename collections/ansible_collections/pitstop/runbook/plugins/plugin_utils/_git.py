# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire to git: one repository, never a prompt, never a secret in argv, an end to every wait."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted

DEADLINE_S = 60.0
HARMFUL = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_CURL_VERBOSE")
"""Of the environment: what would point git elsewhere (a hook sets it), or make it print what it sends."""

Log = list[dict[str, str]]


class GitError(PitstopError):
    """A git command that failed; ``lines`` are what it wrote, without secrets."""

    def __init__(self, what: str, lines: Sequence[str], **parts: str) -> None:
        self.lines = list(lines)
        super().__init__(what, **parts)


class Git:
    """A work tree. ``config`` is given to git through the environment, as secrets must be."""

    def __init__(self, repository: Path, config: Mapping[str, str] | None = None) -> None:
        self.repository = repository
        self._env = environment(os.environ, config or {})

    @classmethod
    def at(cls, repository: str) -> Git:
        """The work tree at ``repository``; raises PitstopError when it is none."""
        path = Path(repository).expanduser()
        if not path.is_dir():
            raise PitstopError(f"There is no folder {path}", next_step="set pitstop_repository to the app's git checkout")
        git = cls(path)
        try:
            git.run("rev-parse", "--show-toplevel")
        except GitError as error:
            raise PitstopError(
                f"{path} is no git work tree",
                why=error.lines[-1] if error.lines else "",
                next_step="set pitstop_repository to the app's git checkout",
            ) from error
        return git

    def run(
        self, *arguments: str, stdin: str = "", deadline_s: float = DEADLINE_S, env: Mapping[str, str] | None = None
    ) -> str:
        """What a git command prints. Raises GitError when it fails or takes longer than ``deadline_s``."""
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self.repository,
                env={**self._env, **(env or {})},
                input=stdin,
                text=True,
                errors="surrogateescape",
                capture_output=True,
                timeout=deadline_s,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GitError(
                f"`git {arguments[0]}` did not end within {deadline_s:.0f} s", [], next_step="run it by hand to see why"
            ) from error
        if done.returncode:
            lines = redacted(done.stderr or done.stdout).splitlines()
            raise GitError(
                f"`git {arguments[0]}` failed in {self.repository}",
                lines,
                why="; ".join(line for line in lines if line.strip())[-600:],
                next_step=f"try it by hand in {self.repository}",
            )
        return done.stdout

    def stream(self, *arguments: str, deadline_s: float, on_line: Callable[[str], None], on_silence: Callable[[], None]) -> int:
        """Run a long command and give each line to ``on_line`` as it comes; returns its exit status.

        ``on_silence`` is called about once a second while nothing comes. Raises GitError when ``deadline_s`` is over;
        the command is ended then.
        """
        process = subprocess.Popen(
            ["git", *arguments],
            cwd=self.repository,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            self._follow(process, f"`git {arguments[0]}`", deadline_s, on_line, on_silence)
            return process.wait(timeout=10)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=10)

    def head(self) -> str:
        """The commit that is checked out."""
        return self.commit("HEAD") or ""

    def commit(self, name: str) -> str | None:
        """The full id of a commit; None when this repository does not have it."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
        except GitError:
            return None

    def branch(self) -> str | None:
        """The branch that is checked out; None when HEAD is detached."""
        try:
            return self.run("symbolic-ref", "--quiet", "--short", "HEAD").strip()
        except GitError:
            return None

    def tree(self, commit: str) -> str:
        """The id of a commit's tree."""
        return self.run("rev-parse", f"{commit}^{{tree}}").strip()

    def same_tree(self, one: str, other: str) -> bool:
        """Whether two commits hold the same files; false when one of them is not here."""
        return None not in (self.commit(one), self.commit(other)) and self.tree(one) == self.tree(other)

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether ``commit`` is ``ancestor`` or comes after it; false when one of them is not here."""
        if None in (self.commit(commit), self.commit(ancestor)):
            return False
        return not self.run("rev-list", "--max-count=1", ancestor, f"^{commit}", "--").strip()

    def log(self, wanted: str, *excluded: str) -> Log:
        """The commits of ``wanted`` that ``excluded`` do not have, newest first: id, author, subject."""
        text = self.run("log", "--format=%H%x00%an%x00%s", wanted, *(f"^{commit}" for commit in excluded), "--")
        rows = (line.split("\0") for line in text.splitlines())
        return [{"id": commit, "author": author, "subject": subject} for commit, author, subject in rows]

    def status(self) -> str:
        """``git status`` for programs: see _changes.dirty_paths."""
        return self.run("status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=none")

    def remotes(self) -> dict[str, str]:
        """Name and push URL (without credentials) of each remote."""
        names = self.run("remote").split()
        return {name: redacted(self.run("remote", "get-url", "--push", name).strip()) for name in names}

    def tip(self, remote: str, branch: str) -> str | None:
        """The commit of ``branch`` at a remote (name or URL), asked for over the wire; None when it has no such branch."""
        answer = self.run("ls-remote", "--", remote, f"refs/heads/{branch}").split()
        return answer[0] if answer else None

    def diff(self, commit: str) -> str:
        """From ``commit`` to the work tree, files that git does not track yet included."""
        with self._index_with_new_files() as env:
            options = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
            return self.run("-c", "core.quotePath=false", "diff", *options, commit, "--", env=env)

    def changed_paths(self, old: str, new: str) -> list[str]:
        """The paths that differ between two commits."""
        return self.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", old, new).split("\0")[:-1]

    @contextmanager
    def _index_with_new_files(self) -> Iterator[dict[str, str]]:
        """A copy of the index that knows the untracked files by name: nothing is added to the repository itself."""
        index = self.repository / self.run("rev-parse", "--git-path", "index").strip()
        with tempfile.TemporaryDirectory(prefix="pitstop-index-") as folder:
            copy = Path(folder) / "index"
            copy.write_bytes(index.read_bytes())
            env = {"GIT_INDEX_FILE": str(copy)}
            self.run("add", "--intent-to-add", "--", ":/", env={**env, "GIT_LITERAL_PATHSPECS": "0"})
            yield env

    @staticmethod
    def _follow(
        process: subprocess.Popen[str],
        what: str,
        deadline_s: float,
        on_line: Callable[[str], None],
        on_silence: Callable[[], None],
    ) -> None:
        lines: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.put(redacted(line.rstrip("\n")))
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        end = time.monotonic() + deadline_s
        while True:
            if (left := end - time.monotonic()) <= 0:
                raise GitError(f"{what} did not end within {deadline_s:.0f} s", [], next_step="raise the deadline, or try later")
            try:
                line = lines.get(timeout=min(1.0, left))
            except queue.Empty:
                on_silence()
                continue
            if line is None:
                return
            on_line(line)


def environment(outer: Mapping[str, str], config: Mapping[str, str]) -> dict[str, str]:
    """The environment of git: ``outer`` without what harms, no prompts, English, and ``config`` added to its settings."""
    env = {key: value for key, value in outer.items() if key not in HARMFUL and not key.startswith("GIT_TRACE")}
    first = int(env.get("GIT_CONFIG_COUNT") or 0)
    for number, (key, value) in enumerate(config.items(), first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env | {
        "GIT_CONFIG_COUNT": str(first + len(config)),
        "GIT_EDITOR": "true",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "SSH_ASKPASS_REQUIRE": "never",
    }
