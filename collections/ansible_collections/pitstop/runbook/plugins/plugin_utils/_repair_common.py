# SPDX-License-Identifier: GPL-3.0-or-later
"""What the repairs of one operation have in common: how they behave, and what they share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._compaction import CompactionPolicy
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import Limits, Remedy
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import GateLimits
from ansible_collections.pitstop.runbook.plugins.module_utils._window import Window
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._rewrite_rate import RewriteRate


@dataclass(frozen=True)
class Policy:
    """How repairs behave towards others. Times in milliseconds as named."""

    limits: Limits
    gates: GateLimits
    compaction: CompactionPolicy
    window: Window | None
    ignore_window: bool
    lock_ms: int
    attempts: int
    max_blocking_ms: int

    def window_now(self) -> Literal["open", "closed"] | None:
        """Whether VACUUM FULL may run now; None where no window is declared."""
        if self.window is None and not self.ignore_window:
            return None
        return "open" if self.ignore_window or (self.window and self.window.contains(datetime.now(UTC))) else "closed"

    def blocking_ms(self, remedy: Remedy) -> int:
        """How long others may wait for our statement, 0 for ever: inside the window, as long as it may lock."""
        if remedy == "vacuum_full" and self.max_blocking_ms and self.window_now() == "open":
            return max(self.max_blocking_ms, round(1000 * self.limits.window_max_lock_seconds))
        return self.max_blocking_ms

    def window_opens(self) -> str:
        """When the window opens next, for people."""
        return (
            f"the window opens {self.window.next_opening(datetime.now(UTC)):%Y-%m-%d %H:%M %Z}" if self.window else ""
        )


@dataclass
class Common:
    """What the repairs of one operation have in common, in whichever thread they are.

    ``exclusive`` is held by the one that locks its table exclusively, ``stop`` ends all waiting, ``url`` is for
    pg_repack.
    """

    capabilities: Capabilities
    policy: Policy
    console: Console
    url: str
    rate: RewriteRate = field(default_factory=RewriteRate)
    stop: threading.Event = field(default_factory=threading.Event)
    exclusive: threading.Lock = field(default_factory=threading.Lock)
    _claimed_bytes: int = 0
    _claiming: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def disk(self, needed_bytes: int) -> Iterator[int]:
        """The disk that all repairs under way need together, this one's included."""
        with self._claiming:
            self._claimed_bytes += needed_bytes
            together = self._claimed_bytes
        try:
            yield together
        finally:
            with self._claiming:
                self._claimed_bytes -= needed_bytes
