# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes as declared state: what may be declared, and the statement that builds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._index_names import MAX_NAME_BYTES, cut

Quote = Callable[[str], str]


@dataclass(frozen=True)
class DeclaredIndex:
    """An index as the inventory declares it. ``columns`` are written as in SQL: ``created_at DESC``."""

    name: str
    table: str
    columns: tuple[str, ...]
    unique: bool = False
    nulls_not_distinct: bool = False
    method: str = "btree"
    include: tuple[str, ...] = ()
    where: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    absent: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> DeclaredIndex:
        """From one item of the operation's ``indexes``; raises PitstopError when it cannot be an index."""
        index = cls(
            name=options["name"],
            table=options["table"],
            columns=tuple(options["columns"] or ()),
            unique=options["unique"],
            nulls_not_distinct=options["nulls_not_distinct"],
            method=options["method"],
            include=tuple(options["include"] or ()),
            where=options["where"],
            parameters=tuple((str(key), str(value)) for key, value in (options["parameters"] or {}).items()),
            absent=options["state"] == "absent",
        )
        size = len(index.name.encode())
        if size > MAX_NAME_BYTES:
            raise PitstopError(
                f"The index name {index.name!r} is too long",
                why=f"it has {size} bytes; PostgreSQL cuts names at {MAX_NAME_BYTES}, and would never find it again",
                next_step=f"use {cut(index.name)}",
            )
        if not index.columns and not index.absent:
            raise PitstopError(f"The index {index.name} has no columns", next_step="declare columns: [tenant_id, …]")
        if index.nulls_not_distinct and not index.unique:
            raise PitstopError(
                f"The index {index.name} has nulls_not_distinct without unique",
                why="only a unique index compares rows",
                next_step="add unique: true, or take nulls_not_distinct away",
            )
        return index

    def create(self, quote: Quote, *, table: str, name: str | None = None, how: str = "CONCURRENTLY") -> str:
        """The CREATE INDEX statement; ``table`` already quoted, with ``ONLY`` before it where that is meant."""
        parts = ["CREATE", "UNIQUE" if self.unique else "", "INDEX", how]
        parts += [quote(name or self.name), "ON", table, "USING", quote(self.method), f"({', '.join(self.columns)})"]
        if self.include:
            parts.append(f"INCLUDE ({', '.join(self.include)})")
        if self.nulls_not_distinct:
            parts.append("NULLS NOT DISTINCT")
        if self.parameters:
            parts.append(f"WITH ({', '.join(f'{quote(key)} = {value}' for key, value in self.parameters)})")
        if self.where:
            parts.append(f"WHERE {self.where}")
        return " ".join(part for part in parts if part)


def refuse_twice(declared: Sequence[DeclaredIndex]) -> None:
    """Raise PitstopError where a name is declared twice on a table: each would undo the other at every run."""
    for (name, table), count in Counter((index.name, index.table) for index in declared).items():
        if count > 1:
            raise PitstopError(
                f"The index {name} on {table} is declared {count} times", next_step="keep one of the declarations"
            )
