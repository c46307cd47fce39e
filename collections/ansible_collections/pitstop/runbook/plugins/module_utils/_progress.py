# SPDX-License-Identifier: GPL-3.0-or-later
"""One line that says how far a statement is, from a row of any pg_stat_progress_* view.

Columns differ between the views and between majors, so those that are there are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._units import seconds_text

_COUNTERS = (
    ("heap_blks_scanned", "heap_blks_total", "pages"),
    ("blocks_done", "blocks_total", "pages"),
    ("tuples_done", "tuples_total", "rows"),
    ("lockers_done", "lockers_total", "transactions waited for"),
    ("sample_blks_scanned", "sample_blks_total", "pages"),
)


def progress_text(row: Mapping[str, Any], elapsed_s: float) -> str:
    """For example ``seq scanning heap, 40 % of 12,000 pages, 3.1 s so far``."""
    parts = [str(row.get("phase") or "working")]
    for done_key, total_key, unit in _COUNTERS:
        done, total = row.get(done_key), row.get(total_key)
        if total:
            parts.append(f"{100 * min(1.0, (done or 0) / total):.0f} % of {total:,} {unit}")
            break
    if row.get("heap_tuples_written"):
        parts.append(f"{row['heap_tuples_written']:,} rows written")
    if row.get("index_rebuild_count"):
        parts.append(f"{row['index_rebuild_count']} indexes rebuilt")
    if row.get("current_locker_pid"):
        parts.append(f"waits for pid {row['current_locker_pid']}")
    parts.append(f"{seconds_text(elapsed_s)} so far")
    return ", ".join(parts)
