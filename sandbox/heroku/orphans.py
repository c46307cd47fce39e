# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of dynos that outlived a server which was killed: found again by their pid file and ended."""

from __future__ import annotations

import signal
from pathlib import Path

from sandbox.heroku.processes import kill_group


class PidFiles:
    """One file per running dyno, named by its id, in ``DIR/run/``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def add(self, dyno_id: str, pid: int) -> None:
        """Note a process that has started."""
        (self._folder / dyno_id).write_text(str(pid))

    def remove(self, dyno_id: str) -> None:
        """Forget a process that has ended."""
        (self._folder / dyno_id).unlink(missing_ok=True)

    def end_orphans(self) -> None:
        """Kill what an earlier server left, but never a stranger who got the same pid since."""
        for file in self._folder.iterdir():
            pid = int(file.read_text())
            if _is_dyno(pid, file.name):
                kill_group(pid, signal.SIGKILL)
            file.unlink()


def _is_dyno(pid: int, dyno_id: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"HEROKU_DYNO_ID={dyno_id}".encode() in environment.split(b"\0")
