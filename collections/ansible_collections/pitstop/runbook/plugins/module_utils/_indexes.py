# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes as declared state: what is there, what is wanted, and the statements between the two.

``CREATE INDEX … IF NOT EXISTS`` goes by the name alone: it accepts an INVALID index and one with another definition.
Here definitions are compared as PostgreSQL itself prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

MAX_NAME_BYTES = 63
NEW_SUFFIX = "_pitstop_new"

Found = Literal["absent", "building", "invalid", "valid_same", "valid_different"]
Action = Literal["none", "create", "replace", "drop"]
Quote = Callable[[str], str]


@dataclass(frozen=True)
class DeclaredIndex:
    """An index as the inventory declares it. ``columns`` are written as in SQL: ``created_at DESC``."""

    name: str
    table: str
    columns: tuple[str, ...]
    unique: bool = False
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
            method=options["method"],
            include=tuple(options["include"] or ()),
            where=options["where"],
            parameters=tuple((str(key), str(value)) for key, value in (options["parameters"] or {}).items()),
            absent=options["state"] == "absent",
        )
        if len(index.name.encode()) > MAX_NAME_BYTES:
            raise PitstopError(
                f"The index name {index.name!r} is too long",
                why=f"PostgreSQL cuts names at {MAX_NAME_BYTES} bytes, and would then never find it again",
                next_step=f"use {index.name.encode()[:MAX_NAME_BYTES].decode(errors='ignore')}",
            )
        if not index.columns and not index.absent:
            raise PitstopError(f"The index {index.name} has no columns", next_step="declare columns: [tenant_id, …]")
        return index

    def create(self, quote: Quote, *, table: str, name: str | None = None, concurrently: bool = True) -> str:
        """The CREATE INDEX statement; ``table`` already quoted."""
        parts = ["CREATE", "UNIQUE" if self.unique else "", "INDEX", "CONCURRENTLY" if concurrently else ""]
        parts += [quote(name or self.name), "ON", table, "USING", quote(self.method), f"({', '.join(self.columns)})"]
        if self.include:
            parts.append(f"INCLUDE ({', '.join(self.include)})")
        if self.parameters:
            parts.append(f"WITH ({', '.join(f'{quote(key)} = {value}' for key, value in self.parameters)})")
        if self.where:
            parts.append(f"WHERE {self.where}")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class PresentIndex:
    """An index in the catalogue. ``tail`` is its definition from USING on, which names neither index nor table."""

    name: str
    valid: bool
    building: bool
    unique: bool
    tail: str


def definition_tail(indexdef: str) -> str:
    """What pg_get_indexdef prints, from the method on."""
    return indexdef[indexdef.index(" USING ") + 1 :]


@dataclass(frozen=True)
class IndexPlan:
    """How one declared index is brought about. ``same_as`` is another valid index with the very definition."""

    name: str
    table: str
    found: Found
    action: Action
    reason: str
    statements: tuple[str, ...] = ()
    same_as: str | None = None


def plan_index(
    declared: DeclaredIndex, wanted_tail: str, present: Sequence[PresentIndex], *, schema: str, table: str, quote: Quote
) -> IndexPlan:
    """The plan for one index. ``schema`` and ``table`` are quoted; ``wanted_tail`` is empty for one declared absent."""
    mine = next((index for index in present if index.name == declared.name), None)
    twin = next((i for i in present if i.name != declared.name and i.valid and _same(i, declared, wanted_tail)), None)
    found = _found(mine, declared, wanted_tail)
    drop = f"DROP INDEX CONCURRENTLY {schema}.{quote(declared.name)}"
    create = "" if declared.absent else declared.create(quote, table=table)
    same_as = twin.name if twin and not declared.absent else None

    def planned(action: Action, reason: str, *statements: str) -> IndexPlan:
        return IndexPlan(declared.name, table, found, action, reason, statements, same_as)

    if found == "building":
        return planned("none", "another session is building it")
    if declared.absent:
        return planned("none", "is absent, as declared") if mine is None else planned("drop", "declared absent", drop)
    if found == "absent":
        return planned("create", f"absent; {same_as} has the same definition" if same_as else "absent", create)
    if found == "invalid":
        return planned("create", "an invalid one is left of a failed build", drop, create)
    if found == "valid_same":
        return planned("none", "is there, valid and as declared")
    new = declared.name.encode()[: MAX_NAME_BYTES - len(NEW_SUFFIX)].decode(errors="ignore") + NEW_SUFFIX
    leftover = [f"DROP INDEX CONCURRENTLY {schema}.{quote(new)}"] if any(i.name == new for i in present) else []
    return planned(
        "replace",
        f"is there with another definition: {mine.tail if mine else ''}",
        *leftover,
        declared.create(quote, table=table, name=new),
        drop,
        f"ALTER INDEX {schema}.{quote(new)} RENAME TO {quote(declared.name)}",
    )


def _same(index: PresentIndex, declared: DeclaredIndex, wanted_tail: str) -> bool:
    return index.unique == declared.unique and index.tail == wanted_tail


def _found(mine: PresentIndex | None, declared: DeclaredIndex, wanted_tail: str) -> Found:
    if mine is None:
        return "absent"
    if mine.building:
        return "building"
    if not mine.valid:
        return "invalid"
    return "valid_same" if _same(mine, declared, wanted_tail) else "valid_different"
