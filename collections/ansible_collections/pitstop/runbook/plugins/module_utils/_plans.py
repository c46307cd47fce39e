# SPDX-License-Identifier: GPL-3.0-or-later
"""Query plans: what a plan uses, and whether that is what was expected of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

PlanKind = Literal["bound", "generic", "analyzed"]
"""Of given parameters; of any; or of given ones, with the statement run and rolled back."""

SMALL = 64
"""A table of so many pages, or a difference of so many buffers or cost units (a page read is one), is not worth an
index: half a MiB is read in well under a millisecond."""

Explained = Sequence[Mapping[str, Any]]
"""EXPLAIN's JSON array: one element, or several where a rule rewrites the statement."""


@dataclass(frozen=True)
class Plan:
    """The parts of ``EXPLAIN (VERBOSE, FORMAT JSON)`` that expectations speak of.

    ``sequential_scans`` are tables as schema.name. ``cost`` is the planner's, unitless. ``shared_buffers`` (pages) and
    ``row_error``, the factor by which the worst estimate missed the rows, are known of an analyzed plan only.
    """

    nodes: tuple[str, ...]
    indexes: tuple[str, ...]
    sequential_scans: tuple[str, ...]
    cost: float
    shared_buffers: int | None = None
    row_error: float | None = None
    kind: PlanKind = "bound"

    @classmethod
    def from_explain(cls, explained: Explained, kind: PlanKind = "bound") -> Plan:
        """From EXPLAIN's JSON."""
        roots = [element["Plan"] for element in explained if "Plan" in element]
        nodes = [node for root in roots for node in walk(root)]
        errors = [error for root in roots for error in _row_errors(root)]
        return cls(
            nodes=tuple(node["Node Type"] for node in nodes),
            indexes=tuple(node["Index Name"] for node in nodes if "Index Name" in node),
            sequential_scans=tuple(table_of(node) for node in nodes if node["Node Type"] == "Seq Scan"),
            cost=sum(float(root["Total Cost"]) for root in roots),
            shared_buffers=_buffers(roots),
            row_error=max(errors, default=None),
            kind=kind,
        )

    @classmethod
    def from_evidence(cls, entry: Mapping[str, Any]) -> Plan:
        """From what ``as_dict`` made; what an older run did not keep has its default."""
        kept: dict[str, Any] = {key: entry[key] for key in cls.__dataclass_fields__ if key in entry}
        lists: dict[str, Any] = {key: tuple(value) for key, value in kept.items() if isinstance(value, list)}
        return cls(**{**kept, **lists})

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class TableSize:
    """What decides whether reading all of a table is right."""

    pages: int
    rows: int

    def __str__(self) -> str:
        return f"{self.pages:,} page{'' if self.pages == 1 else 's'}, {self.rows:,} row{'' if self.rows == 1 else 's'}"


IndexState = Literal["absent", "invalid", "not yet usable", "usable"]


@dataclass(frozen=True)
class Surroundings:
    """What is known of the expected index and table. Their ``family`` is themselves and their partitions."""

    sizes: Mapping[str, TableSize] = field(default_factory=dict)
    index_state: IndexState = "usable"
    index_family: frozenset[str] = frozenset()
    table_family: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Expectation:
    """What a plan should do. Factors are against the plan before, and hold where there is one."""

    uses_index: str | None = None
    no_sequential_scan_on: str | None = None
    max_sequential_rows: int | None = None
    max_cost_factor: float | None = None
    max_buffers_factor: float | None = None

    def __str__(self) -> str:
        above = "" if self.max_sequential_rows is None else f" above {self.max_sequential_rows:,} rows"
        wanted = (
            (self.uses_index, f"uses {self.uses_index}"),
            (self.no_sequential_scan_on, f"no sequential scan of {self.no_sequential_scan_on}{above}"),
            (self.max_cost_factor, f"cost at most {self.max_cost_factor or 0:g} times that before"),
            (self.max_buffers_factor, f"buffers at most {self.max_buffers_factor or 0:g} times those before"),
        )
        return " and ".join(text for given, text in wanted if given is not None) or "none"


@dataclass(frozen=True)
class Look:
    """One statement's plan; the same with enable_seqscan off; and what is known of what it touches."""

    plan: Plan
    without_seqscan: Plan
    around: Surroundings = field(default_factory=Surroundings)


Finding = tuple[bool, str]


def judge(expectation: Expectation, look: Look, before: Plan | None = None) -> Finding:
    """Whether the expectation is met, and why.

    The plan without sequential scans tells "the planner prefers one because the table is a few pages" (met: the index
    can be used) from "the index cannot be used"; the catalogue tells an index that is absent, invalid, or not usable by
    the transactions of now.
    """
    findings = [
        *([_index(expectation, look)] if expectation.uses_index else []),
        *([_sequential(expectation, look)] if expectation.no_sequential_scan_on else []),
        *_factors(expectation, look.plan, before),
    ]
    missed = [why for met, why in findings if not met]
    return not missed, "; ".join(missed or [why for _, why in findings] or [f"uses {_used(look.plan)}"])


def walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A node of EXPLAIN's JSON and all below it."""
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)


def table_of(node: Mapping[str, Any]) -> str:
    """The table of a scan, as schema.name."""
    return ".".join(node[key] for key in ("Schema", "Relation Name") if key in node)


def _index(expectation: Expectation, look: Look) -> Finding:
    index, family = expectation.uses_index, look.around.index_family | {expectation.uses_index}
    if family & set(look.plan.indexes):
        return True, f"uses {index}"
    unusable = {
        "absent": f"there is no index {index}",
        "invalid": f"{index} is invalid: its build failed or is not done, and no plan can use it",
        "not yet usable": f"{index} is valid, but older transactions are open that it does not serve; it is used once "
        "they have ended",
    }
    if why := unusable.get(look.around.index_state):
        return False, why
    if not family & set(look.without_seqscan.indexes):
        return False, f"uses {_used(look.plan)}; {index} cannot serve this statement"
    return _preferred(str(index), look.plan.sequential_scans, expectation.max_sequential_rows, look)


def _sequential(expectation: Expectation, look: Look) -> Finding:
    table, family = expectation.no_sequential_scan_on, look.around.table_family
    scanned = [name for name in look.plan.sequential_scans if name in family]
    if not scanned:
        return True, f"no sequential scan of {table}, uses {_used(look.plan)}"
    size, limit = _size(scanned, look.around.sizes), expectation.max_sequential_rows
    if limit is not None and size.rows <= limit:
        return True, f"reads all of {table} ({size}), as {limit:,} rows may be"
    if family & set(look.without_seqscan.sequential_scans):
        return False, f"reads all of {table} ({size}): no index serves this statement"
    return _preferred(_used(look.without_seqscan), scanned, limit, look)


def _preferred(index: str, scanned: Sequence[str], limit: int | None, look: Look) -> Finding:
    """An index can be used and a sequential scan is preferred: right where the tables are small."""
    size = _size(scanned, look.around.sizes)
    costs = f"cost {look.plan.cost:,.1f} against {look.without_seqscan.cost:,.1f}"
    if size.pages <= SMALL if limit is None else size.rows <= limit:
        names = ", ".join(scanned)
        return True, f"could use {index}; the planner prefers a sequential scan of {names}, being {size} ({costs})"
    return False, (
        f"reads all of {', '.join(scanned)} ({size}) although it could use {index} ({costs}): the statement asks for "
        "many rows, or random_page_cost or the statistics mislead the planner"
    )


def _factors(expectation: Expectation, plan: Plan, before: Plan | None) -> Iterator[Finding]:
    for what, limit in (("cost", expectation.max_cost_factor), ("shared_buffers", expectation.max_buffers_factor)):
        if limit is None:
            continue
        new, old = getattr(plan, what), getattr(before, what, None)
        name = what.replace("_", " ")
        if new is None or old is None:
            yield True, f"its {name} before or after is not known, so no factor is"
        else:
            yield new <= old * limit, f"{name} {old:,.0f} → {new:,.0f}, where {limit:g} times is the limit"


def _used(plan: Plan) -> str:
    return ", ".join(dict.fromkeys(plan.indexes)) or "no index"


def _size(tables: Sequence[str], sizes: Mapping[str, TableSize]) -> TableSize:
    known = [sizes.get(name, TableSize(0, 0)) for name in dict.fromkeys(tables)]
    return TableSize(sum(size.pages for size in known), sum(size.rows for size in known))


def _buffers(roots: Sequence[Mapping[str, Any]]) -> int | None:
    counts = [root[key] for root in roots for key in ("Shared Hit Blocks", "Shared Read Blocks") if key in root]
    return sum(counts) if counts else None


def _row_errors(node: Mapping[str, Any]) -> Iterator[float]:
    """Of every node that ran to its end; what a LIMIT stops early was not meant to give all its rows."""
    if node.get("Actual Loops"):
        estimated, actual = max(1.0, node["Plan Rows"]), max(1.0, node["Actual Rows"])
        yield round(max(estimated, actual) / min(estimated, actual), 1)
    if node["Node Type"] != "Limit":
        for child in node.get("Plans", []):
            yield from _row_errors(child)
