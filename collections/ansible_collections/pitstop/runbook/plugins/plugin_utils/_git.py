# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire to git: one repository, never a prompt, never a secret in argv or in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError, last_lines

LOCAL_TIMEOUT_S = 60
REMOTE_TIMEOUT_S = 120
MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_TRACE")
"""Of the environment: set by a hook, they point git to another repository; traces may print what is sent."""


class GitError(PitstopError):
    """A git command that failed. ``output`` is what it printed."""

    def __init__(self, what: str, output: str, *, next_step: str = "") -> None:
        self.output = output
        super().__init__(what, why=last_lines(output), next_step=next_step)


def with_header(url: str, authorization: str) -> dict[str, str]:
    """Environment that gives git an Authorization header for ``url`` alone, and no credential helper."""
    pairs = {f"http.{url}.extraHeader": f"Authorization: {authorization}", "credential.helper": ""}
    env = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


class Git:
    """Git in one work tree. Raises PitstopError at once when ``path`` is none."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not path or not self.path.is_dir() or not self.succeeds("rev-parse", "--is-inside-work-tree"):
            raise PitstopError(
                f"{str(path)!r} is no git work tree",
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
        process = subprocess.Popen(
            ["git", *argv],
            cwd=self.path,
            env=self._environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            # With its children: git's helper for HTTP would go on, and keep the pipe open.
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(timeout, expire)
        timer.start()
        lines: list[str] = []
        assert process.stdout is not None  # noqa: S101 - for the type checker: stdout is a pipe
        try:
            for line in process.stdout:
                text = line.rstrip()
                lines.append(text)
                if text:
                    say(text)
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
        if expired.is_set():
            raise PitstopError(
                f"`git {' '.join(argv[:2])}` did not end within {timeout:.0f} s",
                next_step="look at the app's activity on Heroku; the release's true state is read at the next run",
            )
        return code, "\n".join(lines)

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
        try:
            return subprocess.run(
                ["git", *argv],
                cwd=self.path,
                env=self._environment(env),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError as error:
            raise PitstopError("git is not installed", next_step="install it, then run again") from error
        except subprocess.TimeoutExpired as error:
            raise PitstopError(
                f"`git {' '.join(argv[:2])}` did not answer within {timeout:.0f} s", next_step="try it by hand"
            ) from error

    def _environment(self, env: Mapping[str, str] | None) -> dict[str, str]:
        outer = {key: value for key, value in os.environ.items() if not key.startswith(MISLEADING)}
        return {**outer, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", **(env or {})}
