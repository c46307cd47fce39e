# SPDX-License-Identifier: GPL-3.0-or-later
"""If these fail, a report has a hole where a word should be, or a number that its reader misreads."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import MINUS, SPACE, Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.words import WORDS

EN, ES = Language("en"), Language("es")


def _fields(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_say_the_same_things(key: str) -> None:
    """A translation that drops a value, or is empty, loses it for half of the readers."""
    english, spanish = WORDS[key]
    assert english
    assert spanish
    assert _fields(english) == _fields(spanish)


def test_another_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(PitstopError, match="en, es"):
        Language("fr")


@pytest.mark.parametrize(
    ("value", "decimals", "english", "spanish"),
    [
        (0, 0, "0", "0"),
        (999.5, 1, "999.5", "999,5"),
        (1234.5, 1, "1,234.5", "1234,5"),
        (12345.6, 1, "12,345.6", "12.345,6"),
        (9999.99, 1, "10,000.0", "10.000,0"),
        (1234567, 0, "1,234,567", "1.234.567"),
        (-4.25, 2, f"{MINUS}4.25", f"{MINUS}4,25"),
        (-0.01, 1, "0.0", "0,0"),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(
    value: float, decimals: int, english: str, spanish: str
) -> None:
    assert (EN.number(value, decimals), ES.number(value, decimals)) == (english, spanish)


def test_quantities_keep_to_one_line_with_their_unit() -> None:
    """A line break between a number and its unit makes both hard to read."""
    assert EN.milliseconds(3412) == f"3,412{SPACE}ms"
    assert EN.milliseconds(48.72) == f"48.7{SPACE}ms"
    assert ES.milliseconds(0.4167) == f"0,42{SPACE}ms"
    assert EN.duration(65) == f"1{SPACE}min 5{SPACE}s"
    assert EN.duration(3 * 3600 + 120) == f"3{SPACE}h 2{SPACE}min"
    assert ES.bytes(1.5 * 2**20) == f"1,5{SPACE}MiB"
    assert EN.bytes(512) == f"512{SPACE}B"
    assert EN.percent(-46.2, signed=True) == f"{MINUS}46.2%"
    assert ES.percent(3, signed=True) == f"+3,0{SPACE}%"


def test_dates_are_written_as_the_language_writes_them() -> None:
    moment = datetime(2026, 11, 4, 6, 5, tzinfo=UTC)
    assert EN.date(moment) == f"4 November 2026, 06:05{SPACE}UTC"
    assert ES.date(moment) == f"4 de noviembre de 2026, 06:05{SPACE}UTC"


@given(st.floats(0, 10**9))
@example(59.96)
@example(3599.6)
def test_a_duration_never_shows_sixty_of_a_unit(seconds: float) -> None:
    """``1 min 60 s`` makes a reader doubt the rest."""
    assert not re.search(rf"(?<![\d,])60(\.0)?{SPACE}(s|min)", EN.duration(seconds))


@given(st.integers(0, 2**60))
@example(2**20 - 1)
def test_a_size_never_shows_a_thousand_and_more_of_a_unit(count: int) -> None:
    number, _, unit = EN.bytes(count).replace(",", "").partition(SPACE)
    assert float(number) < 1024 or unit == "TiB"


def test_an_unknown_code_is_shown_as_it_is() -> None:
    """A remedy that a later version adds must not break an older report."""
    assert ES.term("remedy", "vacuum_full_twice") == "vacuum full twice"
