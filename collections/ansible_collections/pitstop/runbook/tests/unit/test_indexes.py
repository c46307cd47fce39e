# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan from what is there to what is declared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._indexes import DeclaredIndex, PresentIndex, plan_index

TAIL = "USING btree (a)"


def options(**changes: Any) -> dict[str, Any]:
    plain = {"name": "i", "table": "t", "columns": ["a"], "unique": False, "method": "btree", "include": None}
    return {**plain, "where": None, "parameters": None, "state": "present", **changes}


def plan(present: list[PresentIndex], **changes: Any) -> Any:
    declared = DeclaredIndex.from_options(options(**changes))
    return plan_index(declared, TAIL, present, schema="public", table="public.t", quote=lambda name: name)


def test_an_invalid_index_is_dropped_before_it_is_built_again() -> None:
    """CREATE alone would fail on the name, IF NOT EXISTS would accept the invalid one."""
    steps = plan([PresentIndex("i", False, False, False, TAIL)]).statements
    assert steps == (
        "DROP INDEX CONCURRENTLY public.i",
        "CREATE INDEX CONCURRENTLY i ON public.t USING btree (a)",
    )


def test_an_index_that_somebody_builds_is_left_to_them() -> None:
    """Dropping it would throw away somebody's hour of work."""
    assert plan([PresentIndex("i", False, True, False, TAIL)]).action == "none"


def test_a_differing_index_serves_until_its_successor_is_there() -> None:
    """The old index may serve other statements: it goes last."""
    steps = plan([PresentIndex("i", True, False, False, "USING btree (b)")]).statements
    assert steps[0].startswith("CREATE INDEX CONCURRENTLY i_pitstop_new")
    assert steps[1] == "DROP INDEX CONCURRENTLY public.i"
    assert steps[2] == "ALTER INDEX public.i_pitstop_new RENAME TO i"


def test_the_same_definition_under_another_name_is_told() -> None:
    """Two equal indexes cost every write twice."""
    assert plan([PresentIndex("other", True, False, False, TAIL)]).same_as == "other"


def test_a_name_that_postgresql_would_cut_is_refused() -> None:
    """Cut at 63 bytes it would never be found again, and be built at each run."""
    with pytest.raises(PitstopError, match="too long"):
        plan([], name="x" * 64)


@given(
    present=st.lists(
        st.builds(
            PresentIndex,
            st.sampled_from(["i", "i_pitstop_new", "other"]),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.sampled_from([TAIL, "USING btree (b)"]),
        ),
        unique_by=lambda index: index.name,
    ),
    state=st.sampled_from(["present", "absent"]),
)
def test_only_our_own_names_are_ever_touched(present: list[PresentIndex], state: str) -> None:
    """Whatever is there, another index of the user's must survive."""
    for statement in plan(present, state=state).statements:
        assert "other" not in statement
        assert "CONCURRENTLY" in statement or "RENAME" in statement
