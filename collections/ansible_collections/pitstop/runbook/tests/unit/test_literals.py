# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's statements, without the values in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._literals import without_literals


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT *\n  FROM t WHERE rfc = 'XAXX010101000'", "SELECT * FROM t WHERE rfc = ?"),
        ("UPDATE t SET a = 12.5, b = 'it''s' WHERE id=42", "UPDATE t SET a = ?, b = ? WHERE id=?"),
        ("SELECT E'it\\'s secret' FROM t1", "SELECT E? FROM t1"),
        ("SELECT $tag$secret$tag$, $$secret$$ FROM t", "SELECT ?, ? FROM t"),
        ("SELECT 'cut off in the middle of a secr", "SELECT ?"),
        ("SELECT 1 /* user=secret */ -- secret\nFROM t", "SELECT ? FROM t"),
        ("SELECT '/*', secret_column, '*/'", "SELECT ?, secret_column, ?"),
    ],
)
def test_no_value_is_shown(sql: str, shown: str) -> None:
    """A blocker's statement goes into the evidence and into chats: a customer's data must not."""
    assert without_literals(sql) == shown


@given(value=st.text(), cut=st.integers(1, 200))
def test_no_quoted_value_comes_through_however_the_server_cut_it(value: str, cut: int) -> None:
    """pg_stat_activity cuts statements at any byte."""
    sql = ("SELECT x FROM t WHERE name = '" + value.replace("'", "''") + "'")[: 29 + cut]
    assert without_literals(sql).startswith("SELECT x FROM t WHERE name = ?"[: len(sql)])
