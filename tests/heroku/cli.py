# SPDX-License-Identifier: GPL-3.0-or-later
"""The real, unmodified Heroku CLI, kept on loopback.

It is kept there twice. Its settings are checked before it starts, since a wrong HEROKU_HOST makes it go to
api.heroku.com with whatever token it has. And node loads ``loopback_only.cjs`` before it, which refuses and notes
every other connection, since a setting might have been forgotten.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.node import PROGRAMS, link_programs

VERSION = "11.10.0"
GUARD = Path(__file__).with_name("loopback_only.cjs")
SECONDS = 120

_HOST = r"(localhost|127\.0\.0\.1)"
NEEDED = {
    "HEROKU_HOST": rf"https?://{_HOST}:\d+",
    "HEROKU_DATA_HOST": _HOST,
    "HEROKU_GIT_HOST": rf"{_HOST}:\d+",
    "HEROKU_PARTICLEBOARD_URL": rf"https?://{_HOST}:\d+",
    "PGDIAGNOSE_URL": _HOST,
    "DISABLE_TELEMETRY": "true",
    "HEROKU_SKIP_NEW_VERSION_CHECK": "1",
    "HEROKU_DISABLE_AUTOUPDATE": "1",
    "LOOPBACK_ONLY_REFUSED": ".+",
    "NODE_OPTIONS": f"--require={re.escape(str(GUARD))}",
}
"""Settings of the CLI, and what each has to be so that it stays on this machine."""
FORBIDDEN = ("http_proxy", "https_proxy", "all_proxy", "heroku_debug", "heroku_headers")


class LeavesLoopback(Exception):
    """With these settings the CLI could reach another host than this one."""


@dataclass(frozen=True)
class Cli:
    """The CLI with its settings.

    Raises:
        LeavesLoopback: a setting is missing or would let it reach another host; the message names it.

    """

    program: Path
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        for name, pattern in NEEDED.items():
            value = self.environment.get(name)
            if value is None or not re.fullmatch(pattern, value):
                raise LeavesLoopback(f"{name}={value!r} has to match {pattern}: the CLI is not started.")
        for name in self.environment:
            if name.lower() in FORBIDDEN:
                raise LeavesLoopback(f"{name} has to be unset: the CLI is not started.")

    def __call__(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; fail if it tried to leave this machine."""
        return self._run(str(self.program), *arguments, cwd=cwd)

    def git(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run git, which asks the CLI for the token as the CLI has set it up to."""
        return self._run("git", *arguments, cwd=cwd)

    def _run(self, *command: str, cwd: Path | None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            env=dict(self.environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.assert_stayed()
        return done

    def json(self, *arguments: str) -> object:
        """What a command prints with ``--json``."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def running(self, *arguments: str, output: Path) -> Iterator[subprocess.Popen[str]]:
        """Run a command that does not end by itself, its output in a file."""
        command = [str(self.program), *arguments]
        with (
            output.open("w") as target,
            subprocess.Popen(
                command, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=target, stderr=target, text=True
            ) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()
        self.assert_stayed()

    def assert_stayed(self) -> None:
        """Fail if any process with these settings tried to connect to another host."""
        refused = Path(self.environment["LOOPBACK_ONLY_REFUSED"])
        assert not refused.exists(), f"the CLI tried to reach {refused.read_text().split()}"


def settings(port: int, token: str, authority: Path, home: Path, programs: Path) -> dict[str, str]:
    """The environment in which the CLI, and git with its credential helper, use the server at this port only."""
    return {
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSL_CAINFO": str(authority),
        "NODE_EXTRA_CA_CERTS": str(authority),
        "NODE_OPTIONS": f"--require={GUARD}",
        "LOOPBACK_ONLY_REFUSED": str(home / "refused"),
        "HEROKU_HOST": f"http://localhost:{port}",
        "HEROKU_DATA_HOST": "localhost",
        "HEROKU_GIT_HOST": f"localhost:{port}",
        "HEROKU_PARTICLEBOARD_URL": f"http://127.0.0.1:{port}",
        "PGDIAGNOSE_URL": "127.0.0.1",
        "HEROKU_API_KEY": token,
        "DISABLE_TELEMETRY": "true",
        "HEROKU_SKIP_NEW_VERSION_CHECK": "1",
        "HEROKU_DISABLE_AUTOUPDATE": "1",
    }


def install(folder: Path) -> Path:
    """Install the CLI unless this version is there, with the wheel's npm; return the folder to put on PATH.

    It holds ``heroku``, and ``node`` to run it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _installed(folder) != VERSION:
            command = [str(PROGRAMS["node"]), str(PROGRAMS["npm"]), "install", "--prefix", str(folder)]
            command += ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", f"heroku@{VERSION}"]
            subprocess.run(command, check=True)
        programs = folder / "bin"
        link_programs(programs)
        if not (programs / "heroku").exists():
            (programs / "heroku").symlink_to(folder / "node_modules" / ".bin" / "heroku")
    return programs


def _installed(folder: Path) -> str | None:
    manifest = folder / "node_modules" / "heroku" / "package.json"
    return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else None
