# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for a table, and what came of it: the entry of the evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import Decision, Remedy

Outcome = Literal["planned", "nothing", "done", "postponed", "failed"]


@dataclass
class Repair:
    """One table. ``remedy`` is what was decided, ``outcome`` what came of it, ``blocker`` what it was postponed for.

    ``waited_for`` has the gates at which it had to wait: ``gate``, ``what`` and ``seconds``. Sizes are of the table
    with all its files; ``got_back_bytes`` is below 0 where it grew meanwhile.
    """

    name: str
    remedy: Remedy
    reason: str
    outcome: Outcome = "planned"
    expected_bytes: int = 0
    lock_seconds: float = 0.0
    disk_bytes: int = 0
    indexes: list[str] = field(default_factory=list)
    considered: list[dict[str, Any]] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    size_before_bytes: int = 0
    size_after_bytes: int = 0
    got_back_bytes: int = 0
    seconds: float = 0.0
    longest_stall_ms: float = 0.0
    attempts: int = 0
    blocker: str | None = None
    error: str | None = None
    compaction: dict[str, Any] | None = None
    waited_for: list[dict[str, Any]] = field(default_factory=list)
    changed: bool = False

    @classmethod
    def planned(cls, measure: Measure, decision: Decision, statements: list[str]) -> Repair:
        """The entry of a table before anything was done."""
        return cls(
            name=measure.name,
            remedy=decision.remedy,
            reason=decision.reason,
            expected_bytes=decision.expected_bytes,
            lock_seconds=round(decision.lock_seconds, 2),
            disk_bytes=decision.disk_bytes,
            indexes=list(decision.indexes),
            considered=[asdict(considered) for considered in decision.considered],
            statements=statements,
            size_before_bytes=measure.total_bytes,
            size_after_bytes=measure.total_bytes,
            blocker=decision.obstacle or None,
        )

    def postpone(self, why: str, blocker: str) -> None:
        self.outcome = "postponed"
        self.reason += f"; postponed: {why}"
        self.blocker = blocker

    def fail(self, error: str) -> None:
        self.outcome = "failed"
        self.error = error

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
