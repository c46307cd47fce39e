# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that outlive the command that started them, known by a pid file and by their command line."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.account import Account
from sandbox.errors import SandboxError
from sandbox.paths import PROJECT


@dataclass(frozen=True)
class Service:
    """One detached process.

    `marker` is a text that only this process of this sandbox has in its command line: a pid alone may by now
    belong to a stranger, whom nobody here may stop.
    """

    name: str
    command: Sequence[str]
    marker: str
    run_dir: Path
    log_dir: Path
    account: Account = field(default_factory=Account.mine)
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid_file(self) -> Path:
        return self.run_dir / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        return self.log_dir / f"{self.name}.log"

    def pid(self) -> int | None:
        """Return the pid while the process lives, else None."""
        try:
            pid = int(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if self.marker in _command_line(pid) else None

    def start(self, answers: Callable[[], bool], timeout: float = 60) -> None:
        """Start it unless it runs, and wait until `answers` is true; raise SandboxError with the log's end if not.

        One that runs with other arguments, for instance with another distance, is stopped first.
        """
        process = None
        pid = self.pid()
        if pid is not None and _command_line(pid).strip() != " ".join(self.command):
            self.stop()
        if self.pid() is None:
            with self.log_file.open("ab") as log:
                process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=PROJECT,
                    env=self.environment,
                    start_new_session=True,
                    **self.account.popen_arguments(),
                )
            self.pid_file.write_text(f"{process.pid}\n")
        deadline = time.monotonic() + timeout
        while not answers():
            if process is not None and process.poll() is not None:
                raise self._failure(f"ended with status {process.returncode}")
            if time.monotonic() > deadline:
                raise self._failure(f"does not answer after {timeout:g} s")
            time.sleep(0.05)

    def stop(self, timeout: float = 30) -> None:
        """Stop it and wait for its end; after `timeout` seconds kill it."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, self.stop_signal)
            deadline = time.monotonic() + timeout
            while self.pid() is not None:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
        self.pid_file.unlink(missing_ok=True)

    def _failure(self, what: str) -> SandboxError:
        lines = self.log_file.read_text(errors="replace").splitlines()[-12:]
        shown = "\n".join(f"    {line}" for line in lines)
        return SandboxError(
            f"{self.name} {what}. The end of {self.log_file}:\n{shown}\n"
            "Repair what it names, then run `python -m sandbox up` again."
        )


def _command_line(pid: int) -> str:
    """Return the arguments of a living process, or nothing."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        pass
    if Path("/proc/self").exists():
        return ""
    shown = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout
