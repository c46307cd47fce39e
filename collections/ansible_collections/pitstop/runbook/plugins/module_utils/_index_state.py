# SPDX-License-Identifier: GPL-3.0-or-later
"""What the catalogue says of a table's indexes, its partitions' included, and one step towards another state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._index_definition import Definition


@dataclass(frozen=True)
class Bound:
    """What else in the database needs an index, so that it is not dropped: ``name`` is a constraint or an index."""

    kind: Literal["constraint", "foreign key", "replica identity", "cluster", "partition"]
    name: str = ""
    on: str = ""

    @property
    def text(self) -> str:
        """The reason, for people."""
        return {
            "constraint": f"it backs the constraint {self.name}",
            "foreign key": f"the foreign key {self.name} of {self.on} needs it",
            "replica identity": "it is the replica identity of its table",
            "cluster": "its table is clustered on it",
            "partition": f"it is a part of {self.name}",
        }[self.kind]


@dataclass(frozen=True)
class Builder:
    """A session that builds an index: ``who`` in one line; ``index`` is its oid, None where that cannot be seen."""

    pid: int
    ours: bool
    who: str
    index: int | None = None


@dataclass(frozen=True)
class PresentIndex:
    """An index in the catalogue. ``parent`` is the oid of the partitioned index that it is a part of."""

    oid: int
    name: str
    definition: Definition
    valid: bool = True
    bound: Bound | None = None
    parent: int | None = None


@dataclass(frozen=True)
class Table:
    """A table, materialized view or partitioned table. ``name`` and ``schema`` are quoted, ``relname`` is not."""

    oid: int
    name: str
    schema: str
    relname: str
    partitioned: bool = False
    indexes: tuple[PresentIndex, ...] = ()
    partitions: tuple[Table, ...] = ()
    builder: Builder | None = None

    def builder_of(self, *indexes: PresentIndex | None) -> Builder | None:
        """Who builds one of these invalid indexes, or any part of a partitioned one."""
        for table in self.family():
            if table.builder and (
                table is not self or any(i and not i.valid and table.builder.index in (None, i.oid) for i in indexes)
            ):
                return table.builder
        return None

    def family(self) -> Iterator[Table]:
        """The table, then its partitions with theirs."""
        yield self
        for partition in self.partitions:
            yield from partition.family()


@dataclass(frozen=True)
class Step:
    """One statement. An ``exclusive`` one locks ``table``, so it is tried for moments only; others take their time."""

    sql: str
    table: str
    exclusive: bool = False
