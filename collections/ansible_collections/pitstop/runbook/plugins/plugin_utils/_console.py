# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation shows while it works: lines that stay, and one that renews itself on a terminal."""

from __future__ import annotations

import io
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Protocol, TextIO

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted

Mode = Literal["renew", "lines", "none"]

CHOICES = ("auto", "lines", "none")
FIRST_AFTER_S = 1.0
EVERY_S = 5.0
RENEW_EVERY_S = 0.1
TO_THE_END = "\x1b[K\r"
"""Empty the rest of the line and go back to its start: who writes next writes over it. The return also flushes."""


def _kept(stream: TextIO) -> int | None:
    """A descriptor of our own of ``stream``; None where it has none, as in a worker of Ansible."""
    try:
        return os.dup(stream.fileno())
    except (OSError, ValueError):
        return None


# Ansible loads action plugins in its main process first, and forks workers whose stdout and stderr are nowhere. Where
# this module is first imported by a worker after all, lines are shown instead of a renewing one.
ON_TERMINAL = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
COLUMNS = shutil.get_terminal_size().columns
STDERR = _kept(sys.stderr)
if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(line_buffering=True)  # in a pipe, as in CI, lines would come when the task is over


class Display(Protocol):
    """The part of Ansible's Display that is used."""

    def display(
        self, msg: str, color: str | None = None, *, screen_only: bool = False, newline: bool = True
    ) -> None: ...


def mode(choice: str, *, stdout_callback: str, hosts: int) -> Mode:
    """How progress is shown. ``choice`` is the variable pitstop_progress.

    A renewing line needs a terminal for itself, so with several hosts there are lines, and in AWX, whose runner is at
    the other end of a terminal and keeps each line. JSON is not to be disturbed.
    """
    if choice not in CHOICES:
        raise PitstopError(
            f"pitstop_progress is {choice!r}", next_step=f"set it to one of {', '.join(CHOICES)}; auto is the default"
        )
    if choice == "none" or "json" in stdout_callback:
        return "none"
    alone = ON_TERMINAL and hosts <= 1 and stdout_callback != "awx_display"
    return "renew" if choice == "auto" and alone else "lines"


class Console:
    """Shows the lines of one operation, in any of its threads, without secrets and each with ``prefix``."""

    def __init__(
        self,
        display: Callable[[], Display],
        prefix: str,
        mode: Mode,
        *,
        silent: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._display = display
        self._prefix = prefix
        self._mode = mode
        self._silent = silent
        self._clock = clock
        self._lock = threading.RLock()
        self._shown: dict[str, str] = {}
        self._due: dict[str, float] = {}
        self._drawn = False

    def say(self, text: str, color: str | None = None) -> None:
        """A line that stays. Off a terminal colours vanish."""
        if self._silent:
            return
        with self._lock:
            self._erase()
            self._display().display(f"{self._prefix}{redacted(text)}", color=color)
            self._draw()

    def progress(self, key: str, text: str) -> None:
        """How far ``key`` is: renewed in place on a terminal, else a line every so often."""
        if self._mode == "none":
            return
        with self._lock:
            now = self._clock()
            due = self._due.setdefault(key, now + (0 if self._mode == "renew" else FIRST_AFTER_S))
            if now < due:
                return
            self._due[key] = now + (RENEW_EVERY_S if self._mode == "renew" else EVERY_S)
            if self._mode == "lines":
                self.say(text)
                return
            self._shown[key] = redacted(text)
            self._draw()

    def done(self, key: str) -> None:
        """``key`` is over: its progress is not shown any more."""
        with self._lock:
            self._due.pop(key, None)
            if self._shown.pop(key, None) is not None:
                self._erase()
                self._draw()

    def close(self) -> None:
        """The operation is over: nothing of its progress stays on the screen."""
        with self._lock:
            self._shown.clear()
            self._erase()

    def last_words(self, text: str) -> None:
        """A line when Ansible's main process ends before us, so that it shows nothing of ours any more."""
        self.close()
        if STDERR is None:
            self.say(text)
        else:
            with suppress(OSError):
                os.write(STDERR, f"{self._prefix}{redacted(text)}\n".encode())

    def _erase(self) -> None:
        if self._drawn:
            self._display().display(TO_THE_END, screen_only=True, newline=False)
            self._drawn = False

    def _draw(self) -> None:
        if self._shown:
            line = f"{self._prefix}{' | '.join(self._shown.values())}"
            shown = "".join(letter if letter.isprintable() else "?" for letter in line[: COLUMNS - 1])
            self._display().display(f"{shown}{TO_THE_END}", screen_only=True, newline=False)
            self._drawn = True
