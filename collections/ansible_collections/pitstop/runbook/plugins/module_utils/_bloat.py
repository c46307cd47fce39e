# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a table is air, in bytes.

Dead-tuple percentages mislead: after a plain VACUUM they are 0 while the file is as large as before, and three live
rows among nineteen dead ones read "633 %" in 8 kB. So waste is what a file is larger than what its live rows would
need, written anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._estimate import (
    ALIGNMENT,
    LINE_POINTER_BYTES,
    PAGE_BYTES,
    PAGE_HEADER_BYTES,
    VARYING,
    VARYING_CHUNKS,
    heap_bytes,
    packed_btree_bytes,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text

Kind = Literal["heap", "toast", "index"]
Method = Literal["pgstattuple", "pgstattuple_approx", "pgstatindex", "estimate", "unknown"]


@dataclass(frozen=True)
class RelationMeasure:
    """One file: a heap, a TOAST heap or an index. ``expected_bytes`` is what its live rows need, written anew.

    ``free_bytes`` is room inside the file, None where nobody looked. ``scanned_percent`` is the part of the file that
    was read for it. With method ``unknown``, for the reason in ``why_unknown``, the waste counts as none.
    """

    name: str
    kind: Kind
    size_bytes: int
    expected_bytes: int
    dead_bytes: int = 0
    live_rows: int = 0
    dead_rows: int = 0
    free_bytes: int | None = None
    method: Method = "unknown"
    scanned_percent: float = 0.0
    why_unknown: str = ""

    @classmethod
    def unknown(cls, name: str, kind: Kind, size_bytes: int, why: str, dead_rows: int = 0) -> RelationMeasure:
        """A file of which only the size is known."""
        return cls(name, kind, size_bytes, size_bytes, dead_rows=dead_rows, why_unknown=why)

    @property
    def wasted_bytes(self) -> int:
        """What a new copy of the file would give back."""
        return max(0, self.size_bytes - self.expected_bytes)

    @property
    def wasted_percent(self) -> float:
        """Share of the file that is waste, 0 to 100."""
        return 100 * self.wasted_bytes / self.size_bytes if self.size_bytes else 0.0

    @property
    def text(self) -> str:
        """Such as "944.0 KiB, of which 928.0 KiB is waste (98 %, pgstattuple)"."""
        if self.method == "unknown":
            return f"{bytes_text(self.size_bytes)}, waste unknown: {self.why_unknown}"
        waste = f"{bytes_text(self.wasted_bytes)} is waste ({self.wasted_percent:.0f} %, {self.method})"
        return f"{bytes_text(self.size_bytes)}, of which {waste}"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "wasted_bytes": self.wasted_bytes, "wasted_percent": round(self.wasted_percent, 1)}


@dataclass(frozen=True)
class Measure:
    """One table with its TOAST table and its indexes. ``total_bytes`` is all of it, maps and TOAST index included.

    ``activity`` counts rows touched and scans since the statistics were reset: how hot it is beside other tables.
    """

    name: str
    oid: int
    heap: RelationMeasure
    toast: RelationMeasure | None
    indexes: tuple[RelationMeasure, ...]
    total_bytes: int
    activity: float = 0.0

    @property
    def heap_bytes(self) -> int:
        return self.heap.size_bytes

    @property
    def index_bytes(self) -> int:
        return sum(index.size_bytes for index in self.indexes)

    @property
    def toast_bytes(self) -> int:
        return self.toast.size_bytes if self.toast else 0

    @property
    def live_bytes(self) -> int:
        """What the heap's live rows need, and at most what the heap has."""
        return min(self.heap.expected_bytes, self.heap.size_bytes)

    @property
    def dead_bytes(self) -> int:
        return self.heap.dead_bytes

    @property
    def wasted_bytes(self) -> int:
        return self.heap.wasted_bytes

    @property
    def wasted_percent(self) -> float:
        return self.heap.wasted_percent

    @property
    def method(self) -> Method:
        return self.heap.method

    @property
    def files(self) -> tuple[RelationMeasure, ...]:
        """Heap, TOAST heap and indexes."""
        return (self.heap, *((self.toast,) if self.toast else ()), *self.indexes)

    @property
    def rests_on_statistics(self) -> bool:
        """Whether some of it is estimated, or unknown for want of statistics."""
        return any(file.method in ("estimate", "unknown") for file in self.files)

    @property
    def possible_waste_bytes(self) -> int:
        """What could come back, at most: of a heap or TOAST heap that nobody knows, all of it."""
        return sum(
            file.size_bytes if file.method == "unknown" and file.kind != "index" else file.wasted_bytes
            for file in self.files
        )

    def as_dict(self) -> dict[str, Any]:
        """As evidence keeps it: the heap's figures under the table's name, TOAST and indexes beside them."""
        heap = self.heap
        return {
            "name": self.name,
            "total_bytes": self.total_bytes,
            "heap_bytes": self.heap_bytes,
            "index_bytes": self.index_bytes,
            "toast_bytes": self.toast_bytes,
            "live_bytes": self.live_bytes,
            "dead_bytes": heap.dead_bytes,
            "wasted_bytes": heap.wasted_bytes,
            "wasted_percent": round(heap.wasted_percent, 1),
            "live_rows": heap.live_rows,
            "dead_rows": heap.dead_rows,
            "free_bytes": heap.free_bytes,
            "method": heap.method,
            "scanned_percent": heap.scanned_percent,
            "why_unknown": heap.why_unknown,
            "activity": self.activity,
            "toast": self.toast.as_dict() if self.toast else None,
            "indexes": [index.as_dict() for index in self.indexes],
        }


def from_pgstattuple(
    name: str, kind: Kind, size_bytes: int, scan: Mapping[str, Any], method: Method, fillfactor: int = 100
) -> RelationMeasure:
    """From a row of pgstattuple or pgstattuple_approx, their columns named alike (see the wire's SQL).

    What the rows need is told from both sides. The pages hold header, rows, their padding, line pointers and free
    space, so all but the free and dead bytes is an upper bound: old line pointers stay behind. From the mean row, which
    only an exact scan knows, it is the mean, padded, and a line pointer. The smaller one counts.
    """
    rows, dead_rows, live_bytes = int(scan["live_rows"]), int(scan["dead_rows"]), int(scan["live_bytes"])
    pages = size_bytes // PAGE_BYTES
    used = size_bytes - pages * PAGE_HEADER_BYTES - int(scan["free_bytes"]) - int(scan["dead_bytes"])
    slot = max(0, used - dead_rows * LINE_POINTER_BYTES) / rows - LINE_POINTER_BYTES if rows else 0
    left_rows = VARYING_CHUNKS if kind == "toast" else VARYING
    if rows and method == "pgstattuple":
        of_one_size = live_bytes % rows == 0
        padded = (
            math.ceil(live_bytes / rows / ALIGNMENT) * ALIGNMENT if of_one_size else live_bytes / rows + ALIGNMENT - 1
        )
        slot, left_rows = min(slot, padded), 0 if of_one_size else left_rows
    return RelationMeasure(
        name,
        kind,
        size_bytes,
        min(size_bytes, heap_bytes(rows, slot, fillfactor, left_rows=left_rows)),
        dead_bytes=int(scan["dead_bytes"]),
        live_rows=rows,
        dead_rows=dead_rows,
        free_bytes=int(scan["free_bytes"]),
        method=method,
        scanned_percent=round(float(scan["scanned_percent"]), 1),
    )


def from_pgstatindex(
    name: str, size_bytes: int, scan: Mapping[str, Any], *, rows: int, live_share: float, fillfactor: int = 90
) -> RelationMeasure:
    """From a row of pgstatindex. ``live_share`` is how many of the entries belong to rows that are not dead."""
    density = float(scan["avg_leaf_density"])
    filled = 0.0 if math.isnan(density) else int(scan["leaf_pages"]) * density / 100  # NaN where there is no leaf
    inner_share = int(scan["internal_pages"]) / max(1, int(scan["leaf_pages"]))
    return RelationMeasure(
        name,
        "index",
        size_bytes,
        min(size_bytes, packed_btree_bytes(filled * live_share, inner_share, fillfactor)),
        live_rows=rows,
        free_bytes=(int(scan["empty_pages"]) + int(scan["deleted_pages"])) * PAGE_BYTES,
        method="pgstatindex",
        scanned_percent=100.0,
    )


def by_urgency(measures: Iterable[Measure]) -> list[Measure]:
    """Small hot tables first: by size over activity, so that the activity that has to wait is least (Smith's rule)."""
    return sorted(measures, key=lambda measure: (_copy_bytes(measure) / (1 + measure.activity), measure.name))


def _copy_bytes(measure: Measure) -> int:
    return measure.live_bytes + measure.index_bytes + measure.toast_bytes
