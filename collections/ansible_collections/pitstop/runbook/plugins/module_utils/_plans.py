# SPDX-License-Identifier: GPL-3.0-or-later
"""Query plans: what a plan uses, and whether that is what was expected of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """The parts of an ``EXPLAIN (FORMAT JSON)`` that expectations speak of. ``cost`` is the planner's, unitless."""

    nodes: tuple[str, ...]
    indexes: tuple[str, ...]
    sequential_scans: tuple[str, ...]
    cost: float
    shared_buffers: int | None = None

    @classmethod
    def from_explain(cls, explained: Mapping[str, Any]) -> Plan:
        """From the one element of EXPLAIN's JSON array."""
        nodes = list(_walk(explained["Plan"]))
        buffers = [explained["Plan"].get(f"Shared {kind} Blocks") for kind in ("Hit", "Read")]
        return cls(
            nodes=tuple(node["Node Type"] for node in nodes),
            indexes=tuple(node["Index Name"] for node in nodes if "Index Name" in node),
            sequential_scans=tuple(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"),
            cost=float(explained["Plan"]["Total Cost"]),
            shared_buffers=sum(buffers) if None not in buffers else None,
        )

    def as_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Expectation:
    """What a plan should do: use an index, or not read a table from end to end."""

    uses_index: str | None = None
    no_sequential_scan_on: str | None = None

    def __str__(self) -> str:
        parts = [f"uses {self.uses_index}"] if self.uses_index else []
        parts += [f"no sequential scan of {self.no_sequential_scan_on}"] if self.no_sequential_scan_on else []
        return " and ".join(parts) or "none"


def judge(expectation: Expectation, plan: Plan, without_seqscan: Plan) -> tuple[bool, str]:
    """Whether the expectation is met, and why.

    ``without_seqscan`` is the plan of the same statement with enable_seqscan off. It tells "the planner prefers a
    sequential scan because the table is a few pages" (met: the index can be used) from "the index cannot be used".
    """
    index, table = expectation.uses_index, expectation.no_sequential_scan_on
    used = ", ".join(plan.indexes) or "no index"
    if index and index not in plan.indexes:
        if plan.sequential_scans and index in without_seqscan.indexes:
            return True, f"could use {index}; the planner prefers a sequential scan, the table being small"
        return False, f"uses {used}; {index} cannot serve this statement, or is not there"
    if table and table in plan.sequential_scans:
        if table not in without_seqscan.sequential_scans:
            usable = ", ".join(without_seqscan.indexes)
            return True, f"could use {usable}; the planner prefers a sequential scan, the table being small"
        return False, f"reads all of {table}: no index serves this statement"
    return True, f"uses {used}"


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _walk(child)
