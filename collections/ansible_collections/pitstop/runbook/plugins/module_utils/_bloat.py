# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a table is air, in bytes, and which remedy pays.

Dead-tuple percentages mislead: after a plain VACUUM they are 0 while the file is as large as before, and three live
rows among nineteen dead ones read "633 %" in 8 kB. So decisions are made in bytes, against the size that the live rows
would need if they were written anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text

PAGE_BYTES = 8192
PAGE_HEADER_BYTES = 24
LINE_POINTER_BYTES = 4
TUPLE_HEADER_BYTES = 24
ALIGNMENT = 8

Method = Literal["pgstattuple", "pgstattuple_approx", "estimate", "unknown"]
Remedy = Literal["nothing", "vacuum", "vacuum_full"]


@dataclass(frozen=True)
class TableSize:
    """Sizes in bytes of one table, as the catalogue has them. ``heap_bytes`` is the main file alone."""

    name: str
    heap_bytes: int
    index_bytes: int
    toast_bytes: int
    total_bytes: int
    fillfactor: int = 100


@dataclass(frozen=True)
class Measure:
    """A table's size and what of it is waste. ``live_bytes`` is what the live rows would need, written anew.

    With method ``unknown`` nothing is known about the waste, and it counts as none.
    """

    name: str
    total_bytes: int
    heap_bytes: int
    index_bytes: int
    toast_bytes: int
    live_bytes: int
    dead_bytes: int
    wasted_bytes: int
    live_rows: int
    dead_rows: int
    method: Method
    scanned_percent: float

    @property
    def wasted_percent(self) -> float:
        """Share of the heap that is waste, 0 to 100."""
        return 100 * self.wasted_bytes / self.heap_bytes if self.heap_bytes else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "wasted_percent": round(self.wasted_percent, 1)}


def rewritten_bytes(rows: float, row_bytes: float, fillfactor: int = 100) -> int:
    """Size of a heap that holds ``rows`` of ``row_bytes`` each (header included) and nothing else."""
    if rows <= 0:
        return 0
    slot = math.ceil(max(row_bytes, TUPLE_HEADER_BYTES) / ALIGNMENT) * ALIGNMENT + LINE_POINTER_BYTES
    usable = (PAGE_BYTES - PAGE_HEADER_BYTES) * fillfactor / 100
    return math.ceil(rows / max(1, math.floor(usable / slot))) * PAGE_BYTES


def measure_from_pgstattuple(size: TableSize, scan: Mapping[str, Any], method: Method) -> Measure:
    """From a row of pgstattuple or pgstattuple_approx, their columns renamed alike (see BLOAT_SQL)."""
    rows = int(scan["live_rows"])
    live = rewritten_bytes(rows, scan["live_bytes"] / rows if rows else 0, size.fillfactor)
    return _measure(
        size,
        live=live,
        dead_bytes=int(scan["dead_bytes"]),
        live_rows=rows,
        dead_rows=int(scan["dead_rows"]),
        method=method,
        scanned_percent=float(scan["scanned_percent"]),
    )


def measure_from_statistics(size: TableSize, *, rows: float | None, row_width: float | None, dead_rows: int) -> Measure:
    """From pg_class and pg_stats: ``rows`` (reltuples) times the mean ``row_width`` of data. Without them: unknown."""
    if rows is None or rows < 0 or row_width is None:
        return _measure(size, live=size.heap_bytes, dead_bytes=0, live_rows=0, dead_rows=dead_rows, method="unknown")
    row_bytes = TUPLE_HEADER_BYTES + row_width
    return _measure(
        size,
        live=rewritten_bytes(rows, row_bytes, size.fillfactor),
        dead_bytes=round(dead_rows * row_bytes),
        live_rows=round(rows),
        dead_rows=dead_rows,
        method="estimate",
    )


def _measure(
    size: TableSize,
    *,
    live: int,
    dead_bytes: int,
    live_rows: int,
    dead_rows: int,
    method: Method,
    scanned_percent: float = 0.0,
) -> Measure:
    return Measure(
        name=size.name,
        total_bytes=size.total_bytes,
        heap_bytes=size.heap_bytes,
        index_bytes=size.index_bytes,
        toast_bytes=size.toast_bytes,
        live_bytes=min(live, size.heap_bytes),
        dead_bytes=dead_bytes,
        wasted_bytes=max(0, size.heap_bytes - live),
        live_rows=live_rows,
        dead_rows=dead_rows,
        method=method,
        scanned_percent=round(scanned_percent, 1),
    )


@dataclass(frozen=True)
class Limits:
    """When a remedy pays. Bytes and percent of the heap; the rewrite's rate in bytes per second."""

    min_wasted_bytes: int
    min_wasted_percent: float
    max_lock_seconds: float
    rewrite_bytes_per_second: float


@dataclass(frozen=True)
class Decision:
    """A remedy, why, what it should give back, and for how long it should lock the table."""

    remedy: Remedy
    reason: str
    expected_bytes: int = 0
    lock_seconds: float = 0.0


def decide(measure: Measure, limits: Limits, forced: Remedy | None = None) -> Decision:
    """The mildest remedy that pays, or the ``forced`` one. VACUUM gives nothing back to the file system."""
    lock_seconds = (measure.live_bytes + measure.index_bytes + measure.toast_bytes) / limits.rewrite_bytes_per_second
    waste = f"{bytes_text(measure.wasted_bytes)} of {bytes_text(measure.heap_bytes)} is waste"
    waste += f" ({measure.wasted_percent:.0f} %, {measure.method})"
    if forced is not None:
        expected = measure.wasted_bytes if forced == "vacuum_full" else 0
        return Decision(forced, f"asked for in db_maintenance_remedies; {waste}", expected, _lock(forced, lock_seconds))
    if measure.method == "unknown":
        return Decision("nothing", "its waste is unknown: no statistics; ANALYZE it, or allow pgstattuple")
    if measure.wasted_bytes < limits.min_wasted_bytes:
        return Decision("nothing", f"{waste}, below the floor of {bytes_text(limits.min_wasted_bytes)}")
    mild: Remedy = "vacuum" if measure.dead_bytes >= limits.min_wasted_bytes else "nothing"
    mild_note = "its dead rows become free space inside the file" if mild == "vacuum" else "it has few dead rows"
    if measure.wasted_percent < limits.min_wasted_percent:
        return Decision(mild, f"{waste}, below {limits.min_wasted_percent:.0f} %; {mild_note}")
    if lock_seconds > limits.max_lock_seconds:
        too_long = f"a rewrite would lock it for about {seconds_text(lock_seconds)}"
        limit = f"above the limit of {seconds_text(limits.max_lock_seconds)}"
        return Decision(mild, f"{waste}; {too_long}, {limit}; {mild_note}")
    reason = f"{waste}; a rewrite locks it for about {seconds_text(lock_seconds)}"
    return Decision("vacuum_full", reason, measure.wasted_bytes, lock_seconds)


def _lock(remedy: Remedy, lock_seconds: float) -> float:
    return lock_seconds if remedy == "vacuum_full" else 0.0


def by_urgency(measures: list[Measure]) -> list[Measure]:
    """Small hot tables first: they lock shortest and are asked most often."""
    return sorted(measures, key=lambda measure: (measure.live_bytes + measure.index_bytes, measure.name))
