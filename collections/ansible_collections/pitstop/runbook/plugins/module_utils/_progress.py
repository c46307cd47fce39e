# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a statement is, in one line, from rows of any pg_stat_progress_* view.

Columns differ between the views and between majors, so those that are there are used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text

MIN_SHARE = 0.02
MIN_PHASE_S = 1.0
"""Before so much is done, and for so long, an estimate of what is left would be a guess."""


@dataclass(frozen=True)
class Counter:
    """A pair of columns that says how much of a phase is done."""

    done: str
    total: str
    unit: str
    phases: str
    """Pattern of the phases that it belongs to: the others show what an earlier one left in its columns."""

    def share(self, row: Mapping[str, Any]) -> float | None:
        """0 to 1, or None where the view has no such columns or the phase does not count."""
        total = row.get(self.total)
        if not total or not re.search(self.phases, str(row.get("phase"))):
            return None
        return float(min(1.0, (row.get(self.done) or 0) / total))

    def text(self, row: Mapping[str, Any], share: float, block_bytes: int) -> str:
        total = row[self.total]
        amount = bytes_text(total * block_bytes) if self.unit == "pages" else f"{total:,} {self.unit}"
        return f"{100 * share:.0f} % of {amount}"


COUNTERS = (
    Counter("lockers_done", "lockers_total", "transactions waited for", "^waiting"),
    Counter("tuples_done", "tuples_total", "rows", "loading tuples"),
    Counter("blocks_done", "blocks_total", "pages", "scanning|^building index$"),
    Counter("heap_blks_vacuumed", "heap_blks_total", "pages", "^vacuuming heap"),
    Counter("heap_blks_scanned", "heap_blks_total", "pages", "scanning heap"),
    Counter("indexes_processed", "indexes_total", "indexes", "indexes$"),
    Counter("sample_blks_scanned", "sample_blks_total", "pages", "sample rows"),
)
"""The first that counts is taken."""


class Progress:
    """Follows one statement from row to row; times in seconds, on one clock."""

    def __init__(self, began_s: float, block_bytes: int = 8192) -> None:
        self._began_s = began_s
        self._block_bytes = block_bytes
        self._phase = ""
        self._phase_began_s = began_s
        self._share_at_begin = 0.0

    def text(self, row: Mapping[str, Any], now_s: float, blocker: str | None = None) -> str:
        """For example ``seq scanning heap, 40 % of 93.8 MiB, 3.1 s so far, about 4.6 s left of this phase``.

        ``blocker`` describes the session that the statement waits for (current_locker_pid).
        """
        phase = str(row.get("phase") or "working")
        counter, share = self._counted(row)
        if phase != self._phase or share < self._share_at_begin:
            self._phase, self._phase_began_s, self._share_at_begin = phase, now_s, share
        parts = [phase]
        if blocker:
            parts.append(f"waits for {blocker}")
        if counter:
            parts.append(counter.text(row, share, self._block_bytes))
        parts += self._counts(row)
        parts.append(f"{seconds_text(now_s - self._began_s)} so far")
        if (left := self._left_s(share, now_s)) is not None:
            parts.append(f"about {seconds_text(left)} left of this phase")
        return ", ".join(parts)

    @staticmethod
    def _counted(row: Mapping[str, Any]) -> tuple[Counter | None, float]:
        for counter in COUNTERS:
            if (share := counter.share(row)) is not None:
                return counter, share
        return None, 0.0

    @staticmethod
    def _counts(row: Mapping[str, Any]) -> list[str]:
        parts = []
        if row.get("heap_tuples_written"):
            parts.append(f"{row['heap_tuples_written']:,} rows written")
        if row.get("index_rebuild_count"):
            parts.append(f"{row['index_rebuild_count']} indexes rebuilt")
        if row.get("index_vacuum_count"):
            parts.append(f"{row['index_vacuum_count']} rounds over the indexes")
        return parts

    def _left_s(self, share: float, now_s: float) -> float | None:
        """From the pace of this phase since it was first seen."""
        done, elapsed = share - self._share_at_begin, now_s - self._phase_began_s
        if done < MIN_SHARE or elapsed < MIN_PHASE_S:
            return None
        return elapsed * (1 - share) / done
