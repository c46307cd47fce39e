# SPDX-License-Identifier: GPL-3.0-or-later
"""An index of a partitioned table, as PostgreSQL needs it: the parent's ON ONLY, each leaf's CONCURRENTLY, ATTACH.

The parents come first, since a partition that is made meanwhile then gets its index by itself; they stay invalid until
all is attached, from the leaves up. What an interrupted run has built and attached is found and used.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.pitstop.runbook.plugins.module_utils._index_definition import Definition
from ansible_collections.pitstop.runbook.plugins.module_utils._index_names import partition_index_name
from ansible_collections.pitstop.runbook.plugins.module_utils._index_state import PresentIndex, Step, Table
from ansible_collections.pitstop.runbook.plugins.module_utils._indexes import DeclaredIndex, Quote


def partition_steps(
    table: Table, declared: DeclaredIndex, wanted: Definition, name: str, quote: Quote, *, dropped: bool = False
) -> list[Step]:
    """The steps to a valid index ``name`` on a partitioned table; ``dropped`` when one of that name goes before."""
    tree = _Tree(declared, wanted, quote)
    top = None if dropped else next((index for index in table.indexes if index.name == name), None)
    tree.grow(table, name, top)
    return [*tree.parents, *tree.builds, *tree.attachments]


@dataclass
class _Tree:
    declared: DeclaredIndex
    wanted: Definition
    quote: Quote
    parents: list[Step] = field(default_factory=list)
    builds: list[Step] = field(default_factory=list)
    attachments: list[Step] = field(default_factory=list)

    def grow(self, table: Table, name: str, there: PresentIndex | None) -> None:
        """The index ``name`` of a partitioned table, with those of its partitions."""
        if there is None:
            only = self.declared.create(self.quote, table=f"ONLY {table.name}", name=name, how="")
            self.parents.append(Step(only, table.name, exclusive=True))
        for partition in table.partitions:
            attached = next((i for i in partition.indexes if there and i.parent == there.oid), None)
            child = attached or self._usable(partition)
            child_name = child.name if child else self._name_for(partition)
            if partition.partitioned:
                self.grow(partition, child_name, child)
            else:
                self._leaf(partition, child_name, child)
            if not attached:
                parent, part = (f"{t.schema}.{self.quote(n)}" for t, n in ((table, name), (partition, child_name)))
                attach = f"ALTER INDEX {parent} ATTACH PARTITION {part}"
                self.attachments.append(Step(attach, partition.name, exclusive=True))

    def _leaf(self, leaf: Table, name: str, there: PresentIndex | None) -> None:
        index = f"{leaf.schema}.{self.quote(name)}"
        if there and there.valid:
            return
        if there and there.parent:
            self.builds.append(Step(f"REINDEX INDEX CONCURRENTLY {index}", leaf.name))
            return
        if any(i.name == name for i in leaf.indexes):
            self.builds.append(Step(f"DROP INDEX CONCURRENTLY {index}", leaf.name))
        self.builds.append(Step(self.declared.create(self.quote, table=leaf.name, name=name), leaf.name))

    def _usable(self, partition: Table) -> PresentIndex | None:
        """An index that is not part of another and has the definition, as ATTACH PARTITION takes it.

        That of an inner partitioned table may be invalid still, a leaf's has to be valid.
        """
        return next(
            (
                index
                for index in partition.indexes
                if not index.bound and index.definition.same(self.wanted) and (index.valid or partition.partitioned)
            ),
            None,
        )

    def _name_for(self, partition: Table) -> str:
        return partition_index_name(partition.relname, self.declared.name, self.wanted.create("i", "t"))
