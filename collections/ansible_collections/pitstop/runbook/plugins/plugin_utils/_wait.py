# SPDX-License-Identifier: GPL-3.0-or-later
"""A wait with a deadline that says what it waits for. There is no other way to wait for Heroku, git or the app."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console

POLL_S = 1.0
SLOWEST_POLL_S = 5.0
"""For what may take many minutes, as a build: each look at it is a request of a limited number."""


class Wait:
    """Polls for one thing, at most ``timeout_s`` seconds.

        with Wait(console, "release v7", timeout_s=60) as wait:
            while (status := ask()) == "pending":
                if wait.over:
                    raise PitstopError(…)
                wait.pause(f"it is {status}")

    What is asked at the deadline is still asked once: ``over`` is read after the answer. With ``slowest_poll_s`` the
    pauses grow to that: each is a tenth of the time that has gone by.
    """

    def __init__(
        self,
        console: Console,
        what: str,
        timeout_s: float,
        *,
        poll_s: float = POLL_S,
        slowest_poll_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._console = console
        self._what = what
        self._timeout_s = timeout_s
        self._poll_s = poll_s
        self._slowest_poll_s = slowest_poll_s or poll_s
        self._clock = clock
        self._sleep = sleep
        self._began = clock()

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._began

    @property
    def left_s(self) -> float:
        return max(0.0, self._timeout_s - self.elapsed_s)

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return self.elapsed_s >= self._timeout_s

    def show(self, seen: str) -> None:
        """Show what was seen last, and how long it may still take."""
        so_far = f"{self.elapsed_s:.0f} s of at most {self._timeout_s:.0f} s"
        self._console.progress(self._what, f"waiting for {self._what}: {seen}, {so_far}")

    def pause(self, seen: str) -> None:
        """Show what was seen last, then leave it alone until the next look."""
        self.show(seen)
        pause = min(self._slowest_poll_s, max(self._poll_s, self.elapsed_s / 10))
        self._sleep(min(pause, self.left_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._console.done(self._what)
