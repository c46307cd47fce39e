# SPDX-License-Identifier: GPL-3.0-or-later
"""Named statements, and that nothing but one command gets through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._named_statements import prepared_statement


@pytest.mark.parametrize(
    ("sql", "params", "text", "values"),
    [
        ("SELECT 1;\n", None, "SELECT 1", None),
        ("SELECT * FROM t WHERE b LIKE 'x%'", None, "SELECT * FROM t WHERE b LIKE 'x%'", None),
        ("SELECT * FROM t WHERE a = $1", None, "SELECT * FROM t WHERE a = $1", None),
        ("SELECT * FROM t WHERE a = $1", [7], "SELECT * FROM t WHERE a = $1", (7,)),
        ("SELECT %s, %s, 5 %% 2", [1, "x"], "SELECT $1, $2, 5 % 2", (1, "x")),
        ("SELECT %(a)s, %(b)s, %(a)s", {"a": 1, "b": 2}, "SELECT $1, $2, $3", (1, 2, 1)),
    ],
)
def test_placeholders_become_numbers(sql: str, params: Any, text: str, values: Any) -> None:
    """The app's own text can be copied from its code, whichever placeholders its driver has."""
    prepared = prepared_statement("n", sql, params)
    assert (prepared.text, prepared.values) == (text, values)


@given(before=st.text(max_size=20), after=st.text(min_size=1, max_size=20), params=st.none() | st.lists(st.text()))
def test_a_second_command_never_gets_through(before: str, after: str, params: Any) -> None:
    """`SELECT 1; COMMIT; DROP TABLE …` in an inventory would run on production, in spite of the rollback."""
    try:
        prepared = prepared_statement("n", f"{before};{after}", params)
    except PitstopError:
        return
    assert ";" not in prepared.text


@given(st.lists(st.text(alphabet="';$%s()-"), min_size=1))
def test_no_parameter_enters_the_text(values: list[str]) -> None:
    """A value that ends the literal it stands in would be a command."""
    sql = "SELECT " + ", ".join(["%s"] * len(values))
    prepared = prepared_statement("n", sql, values)
    assert prepared.text == "SELECT " + ", ".join(f"${n}" for n in range(1, len(values) + 1))
    assert prepared.values == tuple(values)


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("SELECT 1; SELECT 2", None, "semicolon"),
        ("SELECT ';'", None, "semicolon"),
        (" ; ", None, "is empty"),
        ("SELECT %s, %s", [1], "2 parameters, and 1"),
        ("SELECT %s", [1, 2], "1 parameters, and 2"),
        ("SELECT %(a)s", {"b": 1}, "have b"),
        ("SELECT %(a)s", [1], "no key"),
        ("SELECT %s", {"a": 1}, "no list"),
        ("SELECT %s", "abc", "no list"),
    ],
)
def test_what_is_wrong_is_said_before_the_server_is_asked(sql: str, params: Any, words: str) -> None:
    """A mistake in the inventory is corrected by what the message says."""
    with pytest.raises(PitstopError, match=words):
        prepared_statement("n", sql, params)
