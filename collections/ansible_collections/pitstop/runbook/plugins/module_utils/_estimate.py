# SPDX-License-Identifier: GPL-3.0-or-later
"""What rows would need if a heap or a B-tree were written anew, from the catalogue's statistics alone.

PostgreSQL's layout, in bytes of its usual 8192-byte page: storage/bufpage.h, access/htup_details.h, nbtree/nbtsort.c
(_bt_buildadd) and nbtree/nbtdedup.c. The estimate errs on the side of "it needs that much": too little waste rather
than too much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PAGE_BYTES = 8192
PAGE_HEADER_BYTES = 24
LINE_POINTER_BYTES = 4
ALIGNMENT = 8
"""MAXALIGN on 64 bits: rows and index entries begin at multiples of it."""

TUPLE_HEADER_BYTES = 23
ROW_MIN_BYTES = 24
SHORT_VARLENA_BYTES = 127
"""Values up to this size have a header of one byte, and then need no alignment."""

VARYING = 0.5
"""Rows' room that is left at a page's end where sizes vary."""
VARYING_CHUNKS = 1.0
"""The same in TOAST, where values are full chunks and a shorter rest: the full ones find no room sooner."""
TOAST_CHUNKS_A_PAGE = 4

INDEX_TUPLE_HEADER_BYTES = 8
NULLS_IN_INDEX_BYTES = 8
"""An index entry with a NULL has a bitmap for INDEX_MAX_KEYS columns, aligned."""
BTREE_SPECIAL_BYTES = 16
BTREE_META_PAGES = 1
INNER_FILLFACTOR = 70
TID_BYTES = 6
POSTING_LIST_MAX_BYTES = 808
"""A posting list built by CREATE INDEX is at most a tenth of a page, aligned down."""


@dataclass(frozen=True)
class Column:
    """A column as stored. ``length`` is attlen: -1 for values of any length, whose mean is ``width``, header included.

    ``same_length`` says that they are all as long. A dropped column is one that is NULL in every new row.
    """

    length: int
    alignment: int
    null_fraction: float = 0.0
    width: float = 0.0
    same_length: bool = False

    @property
    def varies(self) -> bool:
        return (self.length < 0 and not self.same_length) or 0 < self.null_fraction < 1

    @property
    def stored_width(self) -> float:
        """ANALYZE cuts the fraction off a mean, half a byte on average."""
        if self.length >= 0:
            return self.length
        return self.width if self.same_length else self.width + 0.5

    @property
    def stored_alignment(self) -> int:
        return 1 if self.length < 0 and self.width <= SHORT_VARLENA_BYTES else self.alignment


def row_bytes(columns: Sequence[Column]) -> float:
    """Mean size of a heap row, header, padding and NULL bitmap included, aligned, without its line pointer."""
    bitmap = math.ceil(len(columns) / 8)
    with_bitmap = any_null(columns)
    header = with_bitmap * _aligned(TUPLE_HEADER_BYTES + bitmap) + (1 - with_bitmap) * _aligned(TUPLE_HEADER_BYTES)
    return header + data_bytes(columns)


def any_null(columns: Sequence[Column]) -> float:
    """How likely a row has a NULL somewhere, if columns are NULL independently."""
    return 1 - math.prod(1 - column.null_fraction for column in columns)


def data_bytes(columns: Sequence[Column]) -> float:
    """Mean size of the values of a row, padded between them and at the end.

    Follows how likely each position within an alignment unit is: what a fixed column's padding is depends on it.
    """
    likely = [1.0] + [0.0] * (ALIGNMENT - 1)
    size = 0.0
    for column in columns:
        present = 1 - column.null_fraction
        after = [chance * column.null_fraction for chance in likely]
        for position, chance in enumerate(likely):
            padding = -position % column.stored_alignment
            size += chance * present * (padding + column.stored_width)
            _spread(after, chance * present, position + padding, column)
        likely = after
    return size + sum(chance * (-position % ALIGNMENT) for position, chance in enumerate(likely))


def _spread(likely: list[float], chance: float, start: int, column: Column) -> None:
    if column.length < 0 and not column.same_length:
        for position in range(ALIGNMENT):
            likely[position] += chance / ALIGNMENT
    else:
        likely[(start + round(column.stored_width)) % ALIGNMENT] += chance


def heap_bytes(rows: float, row_size: float, fillfactor: int = 100, *, left_rows: float = 0) -> int:
    """Size of a heap that holds ``rows`` of ``row_size`` bytes each (see row_bytes) and nothing else.

    ``left_rows`` is how many mean rows' room is left at the end of a page, where their sizes vary: see VARYING.
    """
    if rows <= 0:
        return 0
    slot = max(row_size, ROW_MIN_BYTES) + LINE_POINTER_BYTES
    usable = PAGE_BYTES * fillfactor / 100 - PAGE_HEADER_BYTES
    fitting = usable / slot - left_rows if left_rows else math.floor(usable / slot)
    return math.ceil(rows / max(1, fitting)) * PAGE_BYTES


def toast_bytes(chunks: float) -> int:
    """Size of a TOAST heap of ``chunks`` rows, if all are as long as they may be: what it needs at most."""
    return math.ceil(max(0.0, chunks) / TOAST_CHUNKS_A_PAGE) * PAGE_BYTES


@dataclass(frozen=True)
class BTree:
    """A B-tree as declared, and its entries. ``distinct`` counts different keys, those with NULL aside.

    ``frequencies`` are the shares of ``rows`` that the most common keys have, as far as they are known.
    """

    columns: tuple[Column, ...]
    rows: float
    distinct: float
    frequencies: tuple[float, ...] = ()
    fillfactor: int = 90
    deduplicates: bool = False


def btree_bytes(tree: BTree) -> int:
    """Size of the index, built anew by CREATE INDEX or REINDEX."""
    if tree.rows <= 0:
        return BTREE_META_PAGES * PAGE_BYTES
    key = _key_bytes(tree)
    pages = leaves = math.ceil(_leaf_pages(tree, key))
    pivot = key + (ALIGNMENT if tree.distinct < tree.rows else 0)  # equal keys are told apart by their row's address
    while leaves > 1:
        leaves = math.ceil(leaves / max(2, _items_a_page(pivot, 0, INNER_FILLFACTOR, varies=False)))
        pages += leaves
    return (pages + BTREE_META_PAGES) * PAGE_BYTES


def packed_btree_bytes(filled_leaves: float, inner_share: float, fillfactor: int = 90) -> int:
    """Size of a B-tree built anew whose entries would fill so many leaves to the last byte.

    ``inner_share`` is how many inner pages it has for each leaf.
    """
    if filled_leaves <= 0:
        return BTREE_META_PAGES * PAGE_BYTES
    full = 1 - PAGE_BYTES * (100 - fillfactor) / 100 / (PAGE_BYTES - PAGE_HEADER_BYTES - BTREE_SPECIAL_BYTES)
    leaves = math.ceil(filled_leaves / full)
    inner = math.ceil(leaves * inner_share) if leaves > 1 else 0
    return (leaves + inner + BTREE_META_PAGES) * PAGE_BYTES


def _key_bytes(tree: BTree) -> float:
    nulls = any_null(tree.columns) * NULLS_IN_INDEX_BYTES
    return INDEX_TUPLE_HEADER_BYTES + nulls + data_bytes(tree.columns)


def _leaf_pages(tree: BTree, key: float) -> float:
    varies = any(column.varies for column in tree.columns)
    if not tree.deduplicates:
        return tree.rows / _items_a_page(key, 0, tree.fillfactor, varies=varies)
    return sum(
        number / _items_a_page(size, size - key, tree.fillfactor, varies=varies)
        for groups, rows in _groups_of_equals(tree)
        for number, size in _items(groups, rows, key)
    )


def _groups_of_equals(tree: BTree) -> Iterator[tuple[float, float]]:
    """How many keys there are that so many rows share."""
    common = [share * tree.rows for share in tree.frequencies]
    yield from ((1, rows) for rows in common)
    others = max(0.0, tree.rows - sum(common))
    if others >= 1:
        keys = min(others, max(1.0, tree.distinct - len(common)))
        yield keys, others / keys


def _items(groups: float, rows: float, key: float) -> Iterator[tuple[float, float]]:
    """How many index entries of which size ``groups`` of so many equal rows make: whole posting lists and a rest."""
    capacity = math.floor((POSTING_LIST_MAX_BYTES - key) / TID_BYTES)
    if rows <= 1 or capacity < 2:
        yield groups * rows, key
        return
    full, rest = divmod(rows, capacity)
    yield groups * full, _aligned(key + capacity * TID_BYTES)
    above = rest % 1
    for length, share in ((math.floor(rest), 1 - above), (math.ceil(rest), above)):
        if length >= 1:
            yield groups * share, _aligned(key + length * TID_BYTES) if length > 1 else key


def _items_a_page(size: float, posting_bytes: float, fillfactor: int, *, varies: bool) -> float:
    """Entries of ``size`` that _bt_buildadd puts on a page before the last one moves on and leaves its key behind."""
    room = PAGE_BYTES - PAGE_HEADER_BYTES - BTREE_SPECIAL_BYTES - 2 * LINE_POINTER_BYTES
    kept_free = PAGE_BYTES * (100 - fillfactor) / 100
    slot = size + LINE_POINTER_BYTES
    fitting = min((room + posting_bytes - kept_free) / slot, (room - size - ALIGNMENT) / slot)
    return max(1.0, fitting - 0.5 if varies else math.floor(fitting))


def _aligned(size: float) -> int:
    return math.ceil(size / ALIGNMENT) * ALIGNMENT
