# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans, and what is expected of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._plan_changes import compare_plans
from ansible_collections.pitstop.runbook.plugins.module_utils._plans import (
    SMALL,
    Expectation,
    Look,
    Plan,
    Surroundings,
    TableSize,
    judge,
)

INDEXED = Plan(("Index Scan",), ("i",), (), 8.3)
SEQUENTIAL = Plan(("Seq Scan",), (), ("public.t",), 900.0)
OTHER = Plan(("Index Scan",), ("j",), (), 8.3)
TABLE = frozenset({"public.t"})


def around(pages: int = 5, rows: int = 400, **more: Any) -> Surroundings:
    known = {"index_family": frozenset({"i"}), "table_family": TABLE, "sizes": {"public.t": TableSize(pages, rows)}}
    return Surroundings(**{**known, **more})


def node(kind: str, *children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Node Type": kind, "Total Cost": 1.0, "Plan Rows": 1, "Plans": list(children), **more}


def scan(estimated: int, actual: float, loops: int = 1) -> dict[str, Any]:
    return node("Seq Scan", **{"Plan Rows": estimated, "Actual Rows": actual, "Actual Loops": loops})


def test_nested_nodes_are_seen() -> None:
    """An index used below a join is used."""
    index_scan = node("Index Scan", **{"Index Name": "i", "Relation Name": "t", "Schema": "public"})
    assert Plan.from_explain([{"Plan": node("Limit", index_scan)}]).indexes == ("i",)


def test_all_commands_of_a_rule_are_seen() -> None:
    """A rule turns one statement into two plans; a sequential scan in the second would stay unseen."""
    explained = [{"Plan": node("Result")}, {"Plan": node("Seq Scan", **{"Relation Name": "t", "Schema": "public"})}]
    assert Plan.from_explain(explained).sequential_scans == ("public.t",)
    assert Plan.from_explain([{"Query Text": "nothing"}]).nodes == ()


def test_the_worst_estimate_is_told_but_not_of_what_a_limit_stopped() -> None:
    """Who reads that rows are misestimated 1000 times looks for statistics; a LIMIT is no such case."""
    assert Plan.from_explain([{"Plan": node("Hash Join", scan(1, 1000), scan(50, 10))}]).row_error == 1000
    assert Plan.from_explain([{"Plan": node("Limit", scan(1000, 1))}]).row_error is None
    assert Plan.from_explain([{"Plan": scan(10, 0, loops=0)}]).row_error is None


def test_a_small_table_read_sequentially_is_no_missing_index() -> None:
    """A sequential scan of five pages is the right plan; failing it would stop a good run."""
    met, why = judge(Expectation(uses_index="i"), Look(SEQUENTIAL, INDEXED, around()))
    assert met
    assert "could use i" in why
    assert "5 pages, 400 rows" in why
    assert judge(Expectation(no_sequential_scan_on="t"), Look(SEQUENTIAL, INDEXED, around()))[0]


def test_a_large_table_read_sequentially_is_told_although_an_index_could_serve() -> None:
    """With statistics that mislead, the planner reads all of a large table: users wait, and the index is in vain."""
    for expectation in (Expectation(uses_index="i"), Expectation(no_sequential_scan_on="t")):
        met, why = judge(expectation, Look(SEQUENTIAL, INDEXED, around(pages=SMALL + 1, rows=40_000)))
        assert not met
        assert "although it could use i" in why


def test_an_index_that_cannot_serve_is_told() -> None:
    """The declared index is there but of no use: the user has to know before the deploy."""
    met, why = judge(Expectation(uses_index="i"), Look(SEQUENTIAL, SEQUENTIAL, around()))
    assert (met, "cannot serve" in why) == (False, True)
    met, why = judge(Expectation(uses_index="i"), Look(OTHER, OTHER, around()))
    assert (met, "uses j" in why) == (False, True)
    met, why = judge(Expectation(no_sequential_scan_on="t"), Look(SEQUENTIAL, SEQUENTIAL, around()))
    assert (met, "no index serves" in why) == (False, True)


@pytest.mark.parametrize(
    ("state", "words"), [("absent", "no index i"), ("invalid", "is invalid"), ("not yet usable", "older transactions")]
)
def test_an_index_that_no_plan_can_use_is_told_by_its_reason(state: Any, words: str) -> None:
    """Each has another remedy: build it, build it anew, or wait."""
    met, why = judge(Expectation(uses_index="i"), Look(SEQUENTIAL, SEQUENTIAL, around(index_state=state)))
    assert not met
    assert words in why


def test_a_partition_stands_for_its_parent() -> None:
    """A plan names the partitions and their indexes, and a user declares those of the parent."""
    plan = Plan(("Index Scan",), ("t_2026_a_idx",), (), 1.0)
    family = frozenset({"i", "t_2026_a_idx"})
    assert judge(Expectation(uses_index="i"), Look(plan, plan, around(index_family=family)))[0]
    scanned = Plan(("Seq Scan",), (), ("public.t_2026",), 900.0)
    known = around(table_family=frozenset({"public.t", "public.t_2026"}))
    assert not judge(Expectation(no_sequential_scan_on="t"), Look(scanned, scanned, known))[0]


@given(rows=st.integers(0, 10**9), limit=st.integers(0, 10**9))
def test_a_table_up_to_the_declared_rows_may_be_read(rows: int, limit: int) -> None:
    """Whatever the planner prefers: the user said from which size on it matters."""
    expectation = Expectation(no_sequential_scan_on="t", max_sequential_rows=limit)
    for without in (SEQUENTIAL, INDEXED):
        met, _ = judge(expectation, Look(SEQUENTIAL, without, around(pages=10**6, rows=rows)))
        assert met == (rows <= limit)


def test_factors_hold_against_the_plan_before() -> None:
    """Where there is no plan before, nothing can be said and nothing fails."""
    expectation = Expectation(max_cost_factor=2)
    look = Look(SEQUENTIAL, SEQUENTIAL, around())
    assert not judge(expectation, look, INDEXED)[0]
    assert judge(expectation, look, SEQUENTIAL)[0]
    assert judge(expectation, look, None)[0]
    assert judge(Expectation(max_buffers_factor=2), look, INDEXED)[0]


def test_an_expectation_says_all_that_is_wanted() -> None:
    """The report shows it beside the plan."""
    wanted = Expectation("i", "t", 5000, 2, 1.5)
    assert str(wanted) == (
        "uses i and no sequential scan of t above 5,000 rows and cost at most 2 times that before"
        " and buffers at most 1.5 times those before"
    )
    assert str(Expectation()) == "none"


def test_a_plan_that_lost_its_index_is_worse() -> None:
    """The database phase must not end with slower statements than it began."""
    change = compare_plans(INDEXED, SEQUENTIAL, 1.5)
    assert change.verdict == "worse"
    assert "no longer uses i" in change.why
    assert "now reads all of public.t" in change.why
    assert compare_plans(SEQUENTIAL, INDEXED, 1.5).verdict == "better"


def test_the_same_plan_that_costs_more_is_not_worse() -> None:
    """ANALYZE told the planner the truth about the rows: the statement takes as long as it did."""
    assert compare_plans(INDEXED, Plan(("Index Scan",), ("i",), (), 8300.0), 1.5).verdict == "same"


def test_pages_read_are_believed_before_costs() -> None:
    """The planner's guess may go up while the statement reads less."""
    before = Plan(("Seq Scan",), (), ("public.t",), 100.0, 5000, kind="analyzed")
    after = Plan(("Seq Scan",), (), ("public.t",), 9000.0, 300, kind="analyzed")
    assert compare_plans(before, after, 1.5).verdict == "better"
    assert compare_plans(after, before, 1.5).verdict == "worse"


def test_plans_of_two_kinds_are_not_compared() -> None:
    """A generic plan's cost says nothing about a bound one's."""
    assert compare_plans(INDEXED, Plan((), (), (), 1.0, kind="generic"), 1.5).verdict == "not comparable"


names = st.lists(st.sampled_from("abc"), max_size=2).map(tuple)
plans = st.builds(Plan, names, names, names, st.floats(0, 1e9), st.none() | st.integers(0, 10**9), st.none())


@given(plans, plans, st.floats(1, 100))
def test_of_two_plans_at_most_one_is_worse(one: Plan, other: Plan, tolerance: float) -> None:
    """A verdict that depends on the order would fail runs at random."""
    verdicts = {compare_plans(one, other, tolerance).verdict, compare_plans(other, one, tolerance).verdict}
    assert verdicts != {"worse"}
    assert compare_plans(one, one, tolerance).verdict == "same"


@given(plans)
def test_evidence_gives_the_plan_back(plan: Plan) -> None:
    """The plan before is read from evidence: what it does not keep cannot be compared."""
    assert Plan.from_evidence({"name": "n", "met": True, **plan.as_dict()}) == plan
