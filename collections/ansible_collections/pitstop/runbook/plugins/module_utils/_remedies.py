# SPDX-License-Identifier: GPL-3.0-or-later
"""Which remedy a table gets: the mildest that gives back the waste that is worth it.

Waste is told apart by where it is, since remedies differ in what they reach: REINDEX the indexes, COMPACT the heap
and then its indexes, a rewrite everything, TOAST too. VACUUM gives nothing back to the file system.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure, RelationMeasure
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text

Remedy = Literal["nothing", "vacuum", "reindex", "compact", "repack", "pg_repack", "vacuum_full"]
REMEDIES = cast("tuple[Remedy, ...]", get_args(Remedy))
"""All of them, from the mildest."""

REWRITES: frozenset[Remedy] = frozenset({"repack", "pg_repack", "vacuum_full"})
"""Those that write the table anew, into other files."""

Part = Literal["heap", "TOAST", "indexes"]
REACHES: Mapping[Remedy, frozenset[Part]] = {
    "nothing": frozenset(),
    "vacuum": frozenset(),
    "reindex": frozenset({"indexes"}),
    "compact": frozenset({"heap", "indexes"}),
    **dict.fromkeys(REWRITES, frozenset({"heap", "TOAST", "indexes"})),
}

COPY_FACTOR = 2.4
"""Disk that a new copy needs: itself, WAL of the same order, and a fifth on top."""
MOVE_FACTOR = 3
"""WAL that compacting writes for each byte it moves: two to three updates a row (facts/compact.md)."""


@dataclass(frozen=True)
class Limits:
    """When a remedy pays, and for how long VACUUM FULL may lock a table: at any time, and inside the window."""

    min_wasted_bytes: int
    min_wasted_percent: float
    max_lock_seconds: float
    window_max_lock_seconds: float

    def pays(self, part: RelationMeasure) -> bool:
        """Whether it is worth it to give back what one file wastes. Unknown waste counts as none."""
        known = part.method != "unknown"
        return known and part.wasted_bytes >= self.min_wasted_bytes and part.wasted_percent >= self.min_wasted_percent


@dataclass(frozen=True)
class Situation:
    """What holds for a table besides its waste. ``rewrite_bytes_per_second`` is the rate of the new copy.

    ``obstacles`` says why a remedy is impossible or wrong here, ``fixed_indexes`` why an index cannot be rebuilt
    concurrently. ``window`` is None where none is declared. ``free_bytes`` is None where nobody can tell.
    """

    rewrite_bytes_per_second: float
    obstacles: Mapping[Remedy, tuple[str, ...]] = field(default_factory=dict)
    fixed_indexes: Mapping[str, str] = field(default_factory=dict)
    window: Literal["open", "closed"] | None = None
    free_bytes: int | None = None


@dataclass(frozen=True)
class Choice:
    """What people have decided: for one table ``forced`` and ``forbidden``, for all of them ``allowed``."""

    forced: Remedy | None = None
    forbidden: frozenset[Remedy] = frozenset()
    allowed: frozenset[Remedy] = frozenset(REMEDIES) - {"repack", "pg_repack"}


@dataclass(frozen=True)
class Considered:
    """A remedy, what it would bring and cost, and why it was or was not chosen."""

    remedy: Remedy
    verdict: str
    expected_bytes: int = 0
    lock_seconds: float = 0.0
    disk_bytes: int = 0


@dataclass(frozen=True)
class Decision:
    """A remedy and why: what it should give back, how long it should lock the table, the disk it needs meanwhile.

    ``indexes`` are those to rebuild concurrently. ``obstacle`` says why a remedy that somebody asked for cannot be.
    """

    remedy: Remedy
    reason: str
    expected_bytes: int = 0
    lock_seconds: float = 0.0
    disk_bytes: int = 0
    indexes: tuple[str, ...] = ()
    considered: tuple[Considered, ...] = ()
    obstacle: str = ""


def decide(measure: Measure, situation: Situation, limits: Limits, choice: Choice) -> Decision:
    """The mildest remedy that gives back all the waste that pays, else the one that gives back most of it.

    A VACUUM FULL that locks for less than ``max_lock_seconds`` comes before COMPACT: it is over sooner, writes less.
    """
    return _Deliberation(measure, situation, limits, choice).decision()


def worth_rebuilding(measure: Measure, situation: Situation, limits: Limits) -> tuple[str, ...]:
    """The indexes whose waste pays, and that can be rebuilt concurrently."""
    movable = (index for index in measure.indexes if index.name not in situation.fixed_indexes)
    return tuple(index.name for index in movable if limits.pays(index))


def copy_bytes(measure: Measure) -> int:
    """Size of the table with all its files, written anew."""
    return measure.total_bytes - sum(part.wasted_bytes for part in measure.files)


class _Deliberation:
    """One decision in the making."""

    def __init__(self, measure: Measure, situation: Situation, limits: Limits, choice: Choice) -> None:
        self._measure = measure
        self._situation = situation
        self._limits = limits
        self._choice = choice
        self._indexes = worth_rebuilding(measure, situation, limits)
        self._copy_bytes = copy_bytes(measure)
        self._lock_seconds = self._copy_bytes / situation.rewrite_bytes_per_second
        self._goal = self._worthy_parts()

    def decision(self) -> Decision:
        remedy = self._choice.forced or self._chosen()
        why_not = {each: self._why_not(each) for each in REMEDIES}
        considered = tuple(
            Considered(each, self._verdict(each, remedy, why_not[each]), *self._figures(each)) for each in REMEDIES
        )
        expected, lock_seconds, disk = self._figures(remedy)
        return Decision(
            remedy=remedy,
            reason=self._reason(remedy),
            expected_bytes=expected,
            lock_seconds=lock_seconds,
            disk_bytes=disk,
            indexes=self._rebuilt(remedy),
            considered=considered,
            obstacle=self._impossible(remedy) if self._choice.forced else "",
        )

    def _chosen(self) -> Remedy:
        usable = [remedy for remedy in self._preference() if not self._why_not(remedy)]
        helpful = [remedy for remedy in usable if REACHES[remedy] & self._goal]
        for remedy in helpful:
            if REACHES[remedy] >= self._goal:
                return remedy
        # Of several that give back the same, max() takes the first: the mildest.
        return max(helpful, key=lambda remedy: self._figures(remedy)[0], default=usable[0])

    def _preference(self) -> list[Remedy]:
        """From the mildest, but VACUUM only where nothing gives space back, and a short VACUUM FULL before COMPACT."""
        order: list[Remedy] = ["reindex", "compact", "repack", "pg_repack"]
        short = self._lock_seconds <= self._limits.max_lock_seconds
        order.insert(1 if short else len(order), "vacuum_full")
        return [*[each for each in order if REACHES[each] & self._goal], "vacuum", "nothing"]

    def _why_not(self, remedy: Remedy) -> str:
        """Why a remedy is no candidate; empty when it is one."""
        if remedy == "nothing":
            return ""
        if remedy in self._choice.forbidden:
            return "forbidden for this table in db_maintenance_forbidden_remedies"
        if remedy not in self._choice.allowed:
            return "not among db_maintenance_allowed_remedies"
        return self._impossible(remedy) or self._useless(remedy) or self._out_of_bounds(remedy)

    def _impossible(self, remedy: Remedy) -> str:
        return "; ".join(self._situation.obstacles.get(remedy, ()))

    def _useless(self, remedy: Remedy) -> str:
        if remedy == "vacuum":
            dead = self._measure.heap.dead_bytes + (self._measure.toast.dead_bytes if self._measure.toast else 0)
            floor = self._limits.min_wasted_bytes
            return "" if dead >= floor else f"only {bytes_text(dead)} of dead rows"
        if REACHES[remedy] & self._goal:
            return ""
        return "no waste that pays in what it reaches" if self._goal else "no waste that pays"

    def _out_of_bounds(self, remedy: Remedy) -> str:
        disk, free = self._figures(remedy)[2], self._situation.free_bytes
        if free is not None and disk > free:
            return f"needs {bytes_text(disk)} of disk meanwhile, and {bytes_text(free)} are free"
        if remedy != "vacuum_full":
            return ""
        if self._situation.window == "closed":
            return "the window is closed (db_maintenance_window)"
        within = self._situation.window == "open"
        limit = self._limits.window_max_lock_seconds if within else self._limits.max_lock_seconds
        if self._lock_seconds <= limit:
            return ""
        shown = f"locks the table for about {seconds_text(self._lock_seconds)}, above {seconds_text(limit)}"
        return f"{shown} ({'db_maintenance_window_max_lock_seconds' if within else 'db_maintenance_max_lock_seconds'})"

    def _verdict(self, remedy: Remedy, chosen: Remedy, why_not: str) -> str:
        if remedy == chosen:
            return "asked for in db_maintenance_remedies" if self._choice.forced else "chosen"
        if why_not:
            return why_not
        if self._choice.forced:
            return f"{chosen} was asked for"
        left = sorted(self._goal - REACHES[remedy])
        return f"would leave the waste of {' and '.join(left)}" if left else f"{chosen} comes first"

    def _figures(self, remedy: Remedy) -> tuple[int, float, int]:
        """Bytes that it should give back, seconds for which it should lock the table, bytes of disk it needs."""
        measure = self._measure
        heap, everything = measure.heap.wasted_bytes, sum(part.wasted_bytes for part in measure.files)
        rebuilt = [index for index in measure.indexes if index.name in self._rebuilt(remedy)]
        from_indexes = sum(index.wasted_bytes for index in rebuilt)
        index_copies = round(COPY_FACTOR * sum(index.expected_bytes for index in rebuilt))
        if remedy == "reindex":
            return from_indexes, 0.0, index_copies
        if remedy == "compact":
            return heap + from_indexes, 0.0, MOVE_FACTOR * min(heap, measure.heap.expected_bytes) + index_copies
        if remedy in REWRITES:
            lock_seconds = self._lock_seconds if remedy == "vacuum_full" else 0.0
            return everything, lock_seconds, round(COPY_FACTOR * self._copy_bytes)
        return 0, 0.0, 0

    def _rebuilt(self, remedy: Remedy) -> tuple[str, ...]:
        if remedy == "reindex" and self._choice.forced and not self._indexes:
            return tuple(i.name for i in self._measure.indexes if i.name not in self._situation.fixed_indexes)
        return self._indexes if remedy in ("reindex", "compact") else ()

    def _worthy_parts(self) -> frozenset[Part]:
        measure, parts = self._measure, set[Part]()
        if self._limits.pays(measure.heap):
            parts.add("heap")
        if measure.toast and self._limits.pays(measure.toast):
            parts.add("TOAST")
        if self._indexes:
            parts.add("indexes")
        return frozenset(parts)

    def _reason(self, remedy: Remedy) -> str:
        waste = "; ".join(_waste_text(name, files) for name, files in _by_part(self._measure))
        if self._choice.forced:
            return f"asked for in db_maintenance_remedies; {waste}"
        return f"{waste}; {self._because(remedy)}"

    def _because(self, remedy: Remedy) -> str:
        if not self._goal:
            floor = f"{bytes_text(self._limits.min_wasted_bytes)} and {self._limits.min_wasted_percent:.0f} %"
            because = f"below the floor of {floor}"
        elif left := sorted(self._goal - REACHES[remedy]):
            because = f"the waste of the {' and '.join(left)} stays: {self._nearest_refusal(frozenset(left))}"
        elif remedy == "vacuum_full":
            because = f"a rewrite locks it for about {seconds_text(self._lock_seconds)}"
        else:
            because = f"{'the indexes' if remedy == 'reindex' else 'all of it'} can be given back without a long lock"
        return f"{because}; its dead rows become free space inside the file" if remedy == "vacuum" else because

    def _nearest_refusal(self, left: frozenset[Part]) -> str:
        """Why the remedies that would have reached more were refused."""
        reaching = [each for each in REMEDIES if REACHES[each] & left and each in self._choice.allowed]
        return ", ".join(f"{each}: {why}" for each in reaching if (why := self._why_not(each))) or "none is allowed"


def _by_part(measure: Measure) -> list[tuple[str, tuple[RelationMeasure, ...]]]:
    """The parts of a table that are worth a word: its heap, and what else wastes something."""
    others = [("TOAST", (measure.toast,) if measure.toast else ()), ("indexes", measure.indexes)]
    return [("", (measure.heap,)), *((name, files) for name, files in others if any(f.wasted_bytes for f in files))]


def _waste_text(name: str, files: Iterable[RelationMeasure]) -> str:
    """Such as "928.0 KiB of 944.0 KiB is waste (98 %, pgstattuple)"."""
    known = [file for file in files if file.method != "unknown"]
    if not known:
        reasons = {file.why_unknown for file in files} - {""}
        return f"{name or 'its'} waste is unknown" + (f": {', '.join(sorted(reasons))}" if reasons else "")
    wasted, size = sum(file.wasted_bytes for file in known), sum(file.size_bytes for file in known)
    methods = ", ".join(sorted({file.method for file in known}))
    prefix = f"{name}: " if name else ""
    percent = 100 * wasted / size if size else 0
    return f"{prefix}{bytes_text(wasted)} of {bytes_text(size)} is waste ({percent:.0f} %, {methods})"
