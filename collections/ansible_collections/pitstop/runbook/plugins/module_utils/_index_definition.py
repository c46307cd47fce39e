# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of an index, taken apart, so that a difference can be named instead of shown as two long lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

_ON = {"true": "on", "yes": "on", "false": "off", "no": "off"}


@dataclass(frozen=True)
class Key:
    """One key column or expression, each part as PostgreSQL prints it; opclass with its options."""

    expression: str
    opclass: str
    collation: str
    descending: bool = False
    nulls_first: bool = False

    @property
    def order(self) -> str:
        """For example ``DESC NULLS LAST``; as CREATE INDEX has it, defaults left out."""
        nulls = "" if self.nulls_first == self.descending else f" NULLS {'FIRST' if self.nulls_first else 'LAST'}"
        return ("DESC" if self.descending else "ASC") + nulls


@dataclass(frozen=True)
class Definition:
    """What an index is, apart from its name and its table. ``text`` is the server's own print from USING on."""

    method: str
    keys: tuple[Key, ...]
    unique: bool = False
    nulls_not_distinct: bool = False
    include: tuple[str, ...] = ()
    predicate: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    text: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Key columns and expressions, without order, operator class and collation."""
        return tuple(key.expression for key in self.keys)

    @property
    def bare(self) -> Definition:
        """Without storage parameters and print: equal when two indexes answer the same questions."""
        return replace(self, parameters=(), text="")

    def same(self, other: Definition) -> bool:
        """Whether both are the same index by another name."""
        return self.bare == other.bare and self.settings == other.settings

    @property
    def settings(self) -> dict[str, str]:
        """The storage parameters: ``true`` and ``on`` are one."""
        return {name: _ON.get(value.lower(), value.lower()) for name, value in self.parameters}

    def create(self, name: str, table: str) -> str:
        """The CREATE INDEX statement, name and table quoted, as PostgreSQL prints it."""
        return f"CREATE {'UNIQUE ' if self.unique else ''}INDEX {name} ON {table} {self.text}"


def differences(wanted: Definition, found: Definition) -> tuple[str, ...]:
    """What ``found`` has otherwise than ``wanted``, a phrase each; empty when they are the same."""
    return tuple(_differences(wanted, found))


def only_parameters_differ(wanted: Definition, found: Definition) -> bool:
    """Whether ALTER INDEX … SET would do."""
    return wanted.bare == found.bare and wanted.settings != found.settings


def covered_by(index: Definition, other: Definition) -> bool:
    """Whether ``other`` serves each statement that ``index`` serves: its keys begin with those of ``index``."""
    return (
        not index.unique
        and index.method == other.method == "btree"
        and index.predicate == other.predicate
        and other.keys[: len(index.keys)] == index.keys
        and set(index.include) <= {*other.include, *other.columns}
    )


def _differences(wanted: Definition, found: Definition) -> Iterator[str]:
    yield from _difference("method", wanted.method, found.method)
    yield from _difference("unique", _yes(wanted.unique), _yes(found.unique))
    yield from _difference("NULLS NOT DISTINCT", _yes(wanted.nulls_not_distinct), _yes(found.nulls_not_distinct))
    if wanted.columns != found.columns:
        yield from _difference("columns", _list(wanted.columns), _list(found.columns))
    else:
        for want, have in zip(wanted.keys, found.keys, strict=True):
            yield from _difference(f"order of {want.expression}", want.order, have.order)
            yield from _difference(f"operator class of {want.expression}", want.opclass, have.opclass)
            yield from _difference(f"collation of {want.expression}", want.collation, have.collation)
    yield from _difference("INCLUDE", _list(wanted.include), _list(found.include))
    yield from _difference("predicate", wanted.predicate or "none", found.predicate or "none")
    for name in sorted(wanted.settings.keys() | found.settings.keys()):
        given = (settings.get(name, "the default") for settings in (wanted.settings, found.settings))
        yield from _difference(f"storage parameter {name}", *given)


def _difference(what: str, wanted: str, found: str) -> Iterator[str]:
    if wanted != found:
        yield f"{what}: {found or 'none'} instead of {wanted or 'none'}"


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _list(items: tuple[str, ...]) -> str:
    return f"({', '.join(items)})" if items else ""
