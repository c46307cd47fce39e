# SPDX-License-Identifier: GPL-3.0-or-later
"""From the indexes that are there to those that are declared: the state of each, and the steps between the two.

``CREATE INDEX … IF NOT EXISTS`` goes by the name alone: it accepts an INVALID index and one with another definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._index_definition import (
    Definition,
    differences,
    only_parameters_differ,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._index_names import is_leftover_of, new_name, old_name
from ansible_collections.pitstop.runbook.plugins.module_utils._index_state import Bound, PresentIndex, Step, Table
from ansible_collections.pitstop.runbook.plugins.module_utils._index_tree import partition_steps
from ansible_collections.pitstop.runbook.plugins.module_utils._indexes import DeclaredIndex, Quote

Found = Literal[
    "absent",
    "building_by_us",
    "building",
    "invalid",
    "incomplete",
    "valid_same",
    "valid_different",
    "same_under_another_name",
]
Action = Literal["none", "create", "replace", "rename", "alter", "drop"]


@dataclass(frozen=True)
class IndexPlan:
    """How one declared index is brought about, in ``steps``.

    ``same_as`` is another valid index with the very definition; ``before`` and ``after`` are definitions as SQL.
    """

    name: str
    table: str
    found: Found
    action: Action
    reason: str
    steps: tuple[Step, ...] = ()
    differences: tuple[str, ...] = ()
    same_as: str | None = None
    before: str = ""
    after: str = ""

    @property
    def statements(self) -> list[str]:
        """The SQL, in its order."""
        return [step.sql for step in self.steps]


@dataclass(frozen=True)
class Planner:
    """Plans one index. ``wanted`` is None for one declared absent; ``declared_names`` are the table's others."""

    declared: DeclaredIndex
    wanted: Definition | None
    table: Table
    quote: Quote
    declared_names: frozenset[str] = frozenset()

    def plan(self) -> IndexPlan:
        """Raise PitstopError where an index would have to go that something else in the database needs."""
        mine = self._named(self.declared.name)
        plan = self._absent(mine) if self.wanted is None else self._present(mine, self.wanted)
        builder = self.table.builder_of(mine, self._named(new_name(self.declared.name))) if plan.steps else None
        if builder:
            found: Found = "building_by_us" if builder.ours else "building"
            plan = self._planned(found, "none", f"it is being built: {builder.who}")
        # While anything is built on the table, an invalid index may be what is being built.
        leftovers = () if any(table.builder for table in self.table.family()) else tuple(self._leftovers(plan))
        if leftovers and not plan.steps:
            plan = replace(plan, reason=f"{plan.reason}; what an earlier run left goes")
        named = mine.definition.create(self.quote(mine.name), self.table.name) if mine else ""
        wanted = self.wanted.create(self.quote(self.declared.name), self.table.name) if self.wanted else ""
        return replace(plan, steps=(*plan.steps, *leftovers), before=named, after=wanted)

    def _absent(self, mine: PresentIndex | None) -> IndexPlan:
        if mine is None:
            return self._planned("absent", "none", "is absent, as declared")
        self._refuse_bound(mine)
        found: Found = "valid_different" if mine.valid else "invalid"
        return self._planned(found, "drop", "declared absent", self._drop(mine.name))

    def _present(self, mine: PresentIndex | None, wanted: Definition) -> IndexPlan:
        if mine is None:
            return self._missing(wanted)
        named = differences(wanted, mine.definition)
        if not named:
            return self._as_declared(mine, wanted)
        if only_parameters_differ(wanted, mine.definition) and mine.valid and not self.table.partitioned:
            return self._altered(mine, wanted, named)
        self._refuse_bound(mine)
        if not mine.valid and not self.table.partitioned:
            return replace(self._rebuilt(mine, wanted), differences=named)
        plan = self._planned(
            "valid_different",
            "replace",
            f"is there with another definition: {'; '.join(named)}",
            *self._steps_of_new(new_name(self.declared.name), wanted),
            *self._swap(),
        )
        return replace(plan, differences=named)

    def _missing(self, wanted: Definition) -> IndexPlan:
        twin = self._twin(wanted)
        if twin is None:
            return self._planned("absent", "create", "absent", *self._steps_of_new(self.declared.name, wanted))
        bound = twin.bound.text if twin.bound else ""
        if not bound and twin.name in self.declared_names:
            bound = "it is declared too"
        if bound:
            reason = f"{twin.name} has the very definition ({bound}); a second one would only cost every write"
            return replace(self._planned("same_under_another_name", "none", reason), same_as=twin.name)
        rename = Step(self._rename(twin.name, self.declared.name), self.table.name, exclusive=True)
        reason = f"{twin.name} has the very definition and is not declared: renamed, which is cheaper than a second one"
        return replace(self._planned("same_under_another_name", "rename", reason, rename), same_as=twin.name)

    def _as_declared(self, mine: PresentIndex, wanted: Definition) -> IndexPlan:
        if not self.table.partitioned:
            return (
                self._planned("valid_same", "none", "is there, valid and as declared")
                if mine.valid
                else self._rebuilt(mine, wanted)
            )
        steps = partition_steps(self.table, self.declared, wanted, mine.name, self.quote)
        if mine.valid and not steps:
            return self._planned("valid_same", "none", "is there, valid and as declared")
        reason = "not every partition has its index yet: what is missing is built and attached"
        return self._planned("incomplete", "create", reason, *steps)

    def _rebuilt(self, mine: PresentIndex, wanted: Definition) -> IndexPlan:
        self._refuse_bound(mine)
        steps = [self._drop(mine.name), *self._steps_of_new(mine.name, wanted, replacing=True)]
        return self._planned("invalid", "create", "an invalid one is left of a failed build", *steps)

    def _altered(self, mine: PresentIndex, wanted: Definition, named: tuple[str, ...]) -> IndexPlan:
        index = f"{self.table.schema}.{self.quote(mine.name)}"
        change = {name: value for name, value in wanted.settings.items() if mine.definition.settings.get(name) != value}
        reset = [name for name in mine.definition.settings if name not in wanted.settings]
        statements = []
        if change:
            pairs = ", ".join(f"{self.quote(name)} = {value}" for name, value in change.items())
            statements.append(f"ALTER INDEX {index} SET ({pairs})")
        if reset:
            statements.append(f"ALTER INDEX {index} RESET ({', '.join(map(self.quote, reset))})")
        steps = [Step(statement, self.table.name, exclusive=True) for statement in statements]
        reason = f"{'; '.join(named)}; holds for what is written from now on, REINDEX INDEX CONCURRENTLY does the rest"
        return replace(self._planned("valid_different", "alter", reason, *steps), differences=named)

    def _steps_of_new(self, name: str, wanted: Definition, *, replacing: bool = False) -> Iterator[Step]:
        """What brings a valid index ``name`` about, whatever an earlier run has done of it already."""
        there = None if replacing else self._named(name)
        if there and not there.definition.same(wanted):
            yield self._drop(there.name)
            there = None
        if self.table.partitioned:
            yield from partition_steps(self.table, self.declared, wanted, name, self.quote, dropped=there is None)
            return
        if there and not there.valid:
            yield self._drop(there.name)
        if not (there and there.valid):
            yield Step(self.declared.create(self.quote, table=self.table.name, name=name), self.table.name)

    def _swap(self) -> Iterator[Step]:
        """Both names change in one transaction: a reader of the catalogue sees the one index or the other."""
        name, old = self.declared.name, old_name(self.declared.name)
        if self._named(old):
            yield self._drop(old)
        both = f"{self._rename(name, old)}; {self._rename(new_name(name), name)}"
        yield Step(both, self.table.name, exclusive=True)
        yield self._drop(old)

    def _leftovers(self, plan: IndexPlan) -> Iterator[Step]:
        """Ours by name and table: what an interrupted replacement left, and what REINDEX CONCURRENTLY left invalid."""
        name = self.declared.name
        own = {old_name(name), new_name(name)} if plan.action in ("none", "drop", "alter") else set()
        for index in self.table.indexes:
            if index.bound or index.name in self.declared_names:
                continue
            if index.name in own or (not index.valid and is_leftover_of(index.name, name)):
                yield self._drop(index.name)

    def _twin(self, wanted: Definition) -> PresentIndex | None:
        same = [index for index in self.table.indexes if index.valid and index.definition.same(wanted)]
        return min(same, key=lambda index: (index.bound is not None, index.name in self.declared_names), default=None)

    def _refuse_bound(self, index: PresentIndex) -> None:
        if index.bound:
            raise refusal(self.declared, self.table, index.bound)

    def _named(self, name: str) -> PresentIndex | None:
        return next((index for index in self.table.indexes if index.name == name), None)

    def _drop(self, name: str) -> Step:
        # A partitioned index cannot be dropped concurrently.
        how = "" if self.table.partitioned else "CONCURRENTLY "
        statement = f"DROP INDEX {how}{self.table.schema}.{self.quote(name)}"
        return Step(statement, self.table.name, exclusive=self.table.partitioned)

    def _rename(self, name: str, to: str) -> str:
        return f"ALTER INDEX {self.table.schema}.{self.quote(name)} RENAME TO {self.quote(to)}"

    def _planned(self, found: Found, action: Action, reason: str, *steps: Step) -> IndexPlan:
        return IndexPlan(self.declared.name, self.table.name, found, action, reason, steps)


def refusal(declared: DeclaredIndex, table: Table, bound: Bound) -> PitstopError:
    """Why an index stays, and the better way."""
    better = {
        "constraint": f"ALTER TABLE {table.name} DROP CONSTRAINT {bound.name}",
        "foreign key": f"ALTER TABLE {bound.on} DROP CONSTRAINT {bound.name} first, if that is meant",
        "replica identity": f"ALTER TABLE {table.name} REPLICA IDENTITY USING INDEX another, or DEFAULT",
        "cluster": f"ALTER TABLE {table.name} SET WITHOUT CLUSTER",
        "partition": f"declare it on the parent, whose index is {bound.name}",
    }[bound.kind]
    if bound.kind == "constraint" and not declared.absent:
        better = (
            f"declare the new definition under another name; then ALTER TABLE {table.name} DROP CONSTRAINT"
            f" {bound.name}, ADD CONSTRAINT {bound.name} UNIQUE USING INDEX that one (it has to be unique: true)"
        )
    verb = "dropped" if declared.absent else "replaced"
    return PitstopError(f"The index {declared.name} on {table.name} is not {verb}", why=bound.text, next_step=better)
