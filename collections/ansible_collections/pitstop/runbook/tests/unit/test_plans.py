# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans, and what is expected of them."""

from __future__ import annotations

from ansible_collections.pitstop.runbook.plugins.module_utils._plans import Expectation, Plan, judge

INDEXED = Plan(("Index Scan",), ("i",), (), 8.3)
SEQUENTIAL = Plan(("Seq Scan",), (), ("t",), 1.1)


def test_nested_nodes_are_seen() -> None:
    """An index used below a join is used."""
    scan = {"Node Type": "Index Scan", "Index Name": "i", "Relation Name": "t", "Total Cost": 1}
    explained = {"Plan": {"Node Type": "Limit", "Total Cost": 9.5, "Plans": [scan]}}
    assert Plan.from_explain(explained).indexes == ("i",)


def test_a_small_table_read_sequentially_is_no_missing_index() -> None:
    """A sequential scan of one page is the right plan; failing it would stop a good run."""
    met, why = judge(Expectation(uses_index="i"), SEQUENTIAL, INDEXED)
    assert met
    assert "could use i" in why


def test_an_index_that_cannot_serve_is_told() -> None:
    """The declared index is there but of no use: the user has to know before the deploy."""
    assert judge(Expectation(uses_index="i"), SEQUENTIAL, SEQUENTIAL)[0] is False
    assert judge(Expectation(no_sequential_scan_on="t"), SEQUENTIAL, SEQUENTIAL)[0] is False
