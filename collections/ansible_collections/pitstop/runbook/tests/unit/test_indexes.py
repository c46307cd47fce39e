# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan from what is there to what is declared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._index_definition import (
    Definition,
    Key,
    covered_by,
    differences,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._index_names import (
    MAX_NAME_BYTES,
    is_leftover_of,
    is_partition_index_name,
    new_name,
    old_name,
    partition_index_name,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._index_plan import IndexPlan, Planner
from ansible_collections.pitstop.runbook.plugins.module_utils._index_state import Bound, Builder, PresentIndex, Table
from ansible_collections.pitstop.runbook.plugins.module_utils._indexes import DeclaredIndex, refuse_twice

A = Definition("btree", (Key("a", "int4_ops", ""),), text="USING btree (a)")
B = Definition("btree", (Key("b", "int4_ops", ""),), text="USING btree (b)")
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=80)


def declared(**changes: Any) -> DeclaredIndex:
    plain = {"name": "i", "table": "t", "columns": ["a"], "unique": False, "nulls_not_distinct": False}
    rest = {"method": "btree", "include": None, "where": None, "parameters": None, "state": "present"}
    return DeclaredIndex.from_options({**plain, **rest, **changes})


def plan(
    *present: PresentIndex, builder: Builder | None = None, names: tuple[str, ...] = (), **changes: Any
) -> IndexPlan:
    index = declared(**changes)
    table = Table(1, "public.t", "public", "t", indexes=present, builder=builder)
    return Planner(index, None if index.absent else A, table, lambda name: name, frozenset(names)).plan()


def test_an_invalid_index_is_dropped_before_it_is_built_again() -> None:
    """CREATE alone would fail on the name, IF NOT EXISTS would accept the invalid one."""
    assert plan(PresentIndex(1, "i", A, valid=False)).statements == [
        "DROP INDEX CONCURRENTLY public.i",
        "CREATE INDEX CONCURRENTLY i ON public.t USING btree (a)",
    ]


def test_an_index_that_somebody_builds_is_left_to_them() -> None:
    """Dropping it would throw away somebody's hour of work."""
    planned = plan(PresentIndex(1, "i", A, valid=False), builder=Builder(7, False, "pid 7"))
    assert (planned.found, planned.action, planned.statements) == ("building", "none", [])


def test_a_differing_index_serves_until_its_successor_has_its_name() -> None:
    """The old index may serve other statements: it goes last."""
    assert plan(PresentIndex(1, "i", B)).statements == [
        "CREATE INDEX CONCURRENTLY i_pitstop_new ON public.t USING btree (a)",
        "ALTER INDEX public.i RENAME TO i_pitstop_old; ALTER INDEX public.i_pitstop_new RENAME TO i",
        "DROP INDEX CONCURRENTLY public.i_pitstop_old",
    ]


def test_a_successor_that_is_built_already_is_used() -> None:
    """An hour of building must not be lost because only the swap found no lock."""
    planned = plan(PresentIndex(1, "i", B), PresentIndex(2, "i_pitstop_new", A))
    assert planned.statements[0].startswith("ALTER INDEX public.i RENAME")


def test_what_an_interrupted_swap_left_goes() -> None:
    """A third index costs every write."""
    planned = plan(PresentIndex(1, "i", A), PresentIndex(2, "i_pitstop_old", B))
    assert planned.statements == ["DROP INDEX CONCURRENTLY public.i_pitstop_old"]


def test_the_same_definition_is_renamed_only_where_nobody_else_declares_it() -> None:
    """Two declarations of one index would take it from each other at every run."""
    twin = PresentIndex(1, "other", A)
    assert plan(twin).statements == ["ALTER INDEX public.other RENAME TO i"]
    assert plan(twin, names=("other",)).action == "none"
    assert plan(replace(twin, bound=Bound("constraint", "t_a_key"))).action == "none"


@pytest.mark.parametrize("kind", ["constraint", "foreign key", "replica identity", "cluster", "partition"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_bound_index_is_refused_with_the_better_way(kind: Any, state: str) -> None:
    """Its constraint, or replication, would go with it."""
    with pytest.raises(PitstopError, match="Next: "):
        plan(PresentIndex(1, "i", B, bound=Bound(kind, "c", "u")), state=state)


def test_a_name_that_postgresql_would_cut_is_refused() -> None:
    """Cut at 63 bytes it would never be found again, and be built at each run."""
    with pytest.raises(PitstopError, match=f"use {'ñ' * 31}$"):
        declared(name="ñ" * 40)


def test_what_is_declared_twice_is_refused() -> None:
    """The second would replace the first, at every run."""
    with pytest.raises(PitstopError, match="declared 2 times"):
        refuse_twice([declared(), declared(columns=["b"])])


def test_a_difference_is_named() -> None:
    """Whoever reads the plan has to see what is wrong without comparing two lines of SQL."""
    found = replace(A, unique=True, predicate="(a > 1)", parameters=(("fillfactor", "70"),))
    assert differences(A, found) == (
        "unique: yes instead of no",
        "predicate: (a > 1) instead of none",
        "storage parameter fillfactor: 70 instead of the default",
    )


def test_an_index_is_covered_by_one_that_begins_with_it() -> None:
    """A unique one enforces something, another order or predicate serves other statements: they are not redundant."""
    longer = replace(A, keys=(*A.keys, *B.keys))
    assert covered_by(A, longer)
    assert not covered_by(longer, A)
    assert not covered_by(replace(A, unique=True), longer)
    assert not covered_by(A, replace(longer, predicate="(a > 1)"))
    assert not covered_by(B, longer)


@given(name=NAMES, partition=NAMES, definition=st.text())
def test_names_fit_and_are_found_again(name: str, partition: str, definition: str) -> None:
    """A name that the server cuts is another at the next run, and so is its index."""
    part = partition_index_name(partition, name, definition)
    assert max(len(one.encode()) for one in (part, new_name(name), old_name(name))) <= MAX_NAME_BYTES
    assert part == partition_index_name(partition, name, definition)
    assert is_partition_index_name(part, partition, name)


@pytest.mark.parametrize("suffix", ["_ccnew", "_ccold", "_ccnew12"])
def test_leftovers_are_told_by_the_cut_name(suffix: str) -> None:
    """The server cuts the name for its suffix; another index's leftover may be somebody's."""
    name = "x" * 63
    assert is_leftover_of(name[: 63 - len(suffix)] + suffix, name)
    assert is_leftover_of(f"i{suffix}", "i")
    assert not is_leftover_of(f"other{suffix}", "i")
    assert not is_leftover_of("i", "i")


@given(
    present=st.lists(
        st.builds(
            PresentIndex,
            st.integers(1, 99),
            st.sampled_from(["i", "i_pitstop_new", "i_pitstop_old", "i_ccnew", "other"]),
            st.sampled_from([A, B]),
            st.booleans(),
        ),
        unique_by=lambda index: index.name,
    ),
    state=st.sampled_from(["present", "absent"]),
)
def test_only_our_own_names_are_ever_dropped(present: list[PresentIndex], state: str) -> None:
    """Whatever is there, another index of the user's must survive."""
    for statement in plan(*present, state=state).statements:
        assert "DROP INDEX CONCURRENTLY public.other" not in statement
        assert "CONCURRENTLY" in statement or "RENAME" in statement
