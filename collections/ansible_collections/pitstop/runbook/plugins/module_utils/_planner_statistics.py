# SPDX-License-Identifier: GPL-3.0-or-later
"""From what pg_class, pg_stats and pg_stats_ext say of a table to what its files should need, or why nobody can tell.

Rows are those of the wire's catalogue queries (plugin_utils/_bloat_readings.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _estimate
from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import RelationMeasure
from ansible_collections.pitstop.runbook.plugins.module_utils._estimate import BTree, Column

NEVER_ANALYZED = "never analyzed: ANALYZE it"
NEVER_VACUUMED = "its rows are counted by VACUUM only, and it had none: VACUUM the table"

COMPRESSED_FROM_BYTES = 508
"""CREATE INDEX compresses or fetches longer values itself: how long they are in the heap says little of the index."""

Row = Mapping[str, Any]


def estimate_heap(table: Row, columns: Sequence[Row]) -> RelationMeasure:
    """The heap of a table, from its row and those of all its columns in order, dropped ones too."""
    name, size, dead_rows = table["name"], table["heap_bytes"], table["dead_rows"]
    if table["rows"] is None:
        return RelationMeasure.unknown(name, "heap", size, NEVER_ANALYZED, dead_rows)
    if table["rows"] > 0 and (why := why_unknown(columns)):
        return RelationMeasure.unknown(name, "heap", size, why, dead_rows)
    stored = [stored_column(column) for column in columns]
    row_size = _estimate.row_bytes(stored)
    left_rows = _estimate.VARYING if any(column.varies for column in stored) else 0
    expected = _estimate.heap_bytes(table["rows"], row_size, table["fillfactor"], left_rows=left_rows)
    return RelationMeasure(
        name,
        "heap",
        size,
        expected,
        dead_bytes=min(size, round(dead_rows * row_size)),
        live_rows=round(table["rows"]),
        dead_rows=dead_rows,
        method="estimate",
    )


def without_dropped_columns(measured: RelationMeasure, table: Row, columns: Sequence[Row]) -> RelationMeasure:
    """A measured heap whose rows still hold what was in dropped columns; written anew they will not.

    So where the widths of the other columns are known, they tell what as many rows need.
    """
    estimated = estimate_heap({**table, "rows": measured.live_rows}, columns)
    if estimated.method == "unknown":
        return measured
    return replace(measured, expected_bytes=min(measured.expected_bytes, estimated.expected_bytes))


def estimate_toast(toast: Row) -> RelationMeasure:
    """The TOAST heap. How long its chunks are is not in the statistics, so this is what it needs at most."""
    name, size = toast["name"], toast["heap_bytes"]
    if toast["rows"] is None:
        return RelationMeasure.unknown(name, "toast", size, NEVER_VACUUMED, toast["dead_rows"])
    return RelationMeasure(
        name,
        "toast",
        size,
        _estimate.toast_bytes(toast["rows"]),
        live_rows=round(toast["rows"]),
        dead_rows=toast["dead_rows"],
        method="estimate",
    )


def estimate_index(
    index: Row, columns: Sequence[Row], table_rows: float | None, groups: Mapping[frozenset[int], float]
) -> RelationMeasure:
    """A B-tree from its row, those of its columns, and the known numbers of different combinations of columns."""
    name, size = index["name"], index["size_bytes"]
    rows = entries(index, table_rows)
    why = why_no_btree(index) or (NEVER_ANALYZED if rows is None else why_unknown(columns) or _too_long(columns))
    if rows == 0:
        why = why_no_btree(index)
    if why or rows is None:
        return RelationMeasure.unknown(name, "index", size, why)
    expected = _estimate.btree_bytes(btree(index, columns, rows, table_rows or rows, groups))
    return RelationMeasure(name, "index", size, expected, live_rows=round(rows), method="estimate")


def entries(index: Row, table_rows: float | None) -> float | None:
    """How many entries an index has when its table has ``table_rows``: all of them, unless it is partial."""
    if not index["partial"] or table_rows is None:
        return table_rows
    counted, of = index["rows"], index["table_rows"]
    if counted is None or not of:
        return None
    return float(min(table_rows, table_rows * counted / of))


def why_no_btree(index: Row) -> str:
    """Why an index is none that can be measured; empty when it is."""
    if index["method"] != "btree":
        return f"an index of method {index['method']} is not measured"
    return "" if index["valid"] else "it is not valid"


def btree(
    index: Row, columns: Sequence[Row], rows: float, table_rows: float, groups: Mapping[frozenset[int], float]
) -> BTree:
    """What the estimate needs to know of an index."""
    keys = columns[: index["key_columns"]]
    equal = index["equal_images"] and index["deduplicate_items"] and index["key_columns"] == len(columns)
    return BTree(
        columns=tuple(stored_column(column) for column in columns),
        rows=rows,
        distinct=rows if index["unique"] else min(rows, distinct_keys(keys, table_rows, groups)),
        frequencies=_frequencies(keys[0]) if len(keys) == 1 else (),
        fillfactor=index["fillfactor"],
        deduplicates=equal and not index["unique"],
    )


def distinct_keys(keys: Sequence[Row], rows: float, groups: Mapping[frozenset[int], float]) -> float:
    """How many different keys ``rows`` have. Where nobody counted the combination: as many as there may be.

    That keeps the expected size above the real one, and so the waste below it.
    """
    numbers = [key["number"] for key in keys]
    counted = groups.get(frozenset(numbers)) if all(numbers) else None
    if counted is None:
        counted = math.prod(_distinct(key, rows) for key in keys)
    return max(1.0, min(rows, counted))


def read_groups(statistics: Sequence[Row]) -> dict[frozenset[int], float]:
    """Numbers of different combinations, by column numbers, from pg_stats_ext's n_distinct as text.

    Up to 18 it reads ``{"1, 2": 30}``, from 19 on ``[{"attributes": [1, 2], "ndistinct": 30}]``.
    """
    found: dict[frozenset[int], float] = {}
    for row in statistics:
        value = json.loads(row["n_distinct"])
        if isinstance(value, dict):
            found.update({frozenset(map(int, key.split(","))): number for key, number in value.items()})
        else:
            found.update({frozenset(item["attributes"]): item["ndistinct"] for item in value})
    return found


def stored_column(column: Row) -> Column:
    """A column as the estimate knows it; one that no new row stores (dropped, virtual) is NULL in each."""
    return Column(
        length=column["length"],
        alignment=column["alignment"],
        null_fraction=1.0 if column["absent"] else column["null_frac"] or 0.0,
        width=column["avg_width"] or 0,
        same_length=bool(column["same_length"]),
    )


def why_unknown(columns: Sequence[Row]) -> str:
    """Why the widths of some columns are not known; empty when all are."""
    without = [column for column in columns if not column["absent"] and column["null_frac"] is None]
    hidden = [column["name"] for column in without if not column["visible"]]
    if hidden:
        return f"this role may not see the statistics of {_listed(hidden)}: GRANT SELECT on it"
    if without:
        return f"no statistics of {_listed([column['name'] for column in without])}: ANALYZE it"
    return ""


def _too_long(columns: Sequence[Row]) -> str:
    long = [column["name"] for column in columns if column["length"] < 0 and _may_be_long(column)]
    return (
        f"values of {_listed(long)} may be stored apart from the row: what the index keeps is not known" if long else ""
    )


def _may_be_long(column: Row) -> bool:
    return bool((column["avg_width"] or 0) > COMPRESSED_FROM_BYTES)


def _distinct(column: Row, rows: float) -> float:
    """PostgreSQL's n_distinct: a number, or, negative, a share of the rows; 0 is unknown, so all may differ."""
    number = column["n_distinct"] or -1.0
    return max(1.0, float(-number * rows if number < 0 else number))


def _frequencies(column: Row) -> tuple[float, ...]:
    nulls = (column["null_frac"],) if column["null_frac"] else ()
    return (*nulls, *(column["common_freqs"] or ()))


def _listed(names: Sequence[str], at_most: int = 3) -> str:
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
