# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work that speaks: a line every few seconds, not at every event."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL_S = 5.0


class Pace:
    """Passes a line on when the last one is ``INTERVAL_S`` old. ``elapsed_s`` counts from its making."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began = self._last = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def __call__(self, line: Callable[[], str]) -> None:
        if time.monotonic() - self._last >= INTERVAL_S:
            self._last = time.monotonic()
            self._say(line())
