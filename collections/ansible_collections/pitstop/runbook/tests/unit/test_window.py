# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows: days, hours and a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._window import DAYS, EXAMPLE, Window

MOMENTS = st.timedeltas(timedelta(0), timedelta(days=2000)).map(lambda past: datetime(2024, 1, 1, tzinfo=UTC) + past)
CLOCKS = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
ZONES = st.sampled_from(["UTC", "America/Mexico_City", "Asia/Kathmandu", "Asia/Tokyo", "America/Phoenix"])


@st.composite
def windows(draw: st.DrawFn) -> Window:
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True))
    opens, closes = draw(st.tuples(CLOCKS, CLOCKS).filter(lambda pair: pair[0] != pair[1]))
    return Window.parse(f"{','.join(days)} {opens}-{closes} {draw(ZONES)}")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-22T05:00", True),  # Saturday 23:00 in Mexico City, which is six hours behind
        ("2026-11-22T04:59", False),
        ("2026-11-22T07:59", True),  # Sunday 01:59: still Saturday's window
        ("2026-11-22T08:00", False),
        ("2026-11-23T07:59", True),  # Monday 01:59: Sunday's
        ("2026-11-21T05:30", False),  # Friday 23:30
    ],
)
def test_a_window_wraps_midnight_in_its_own_time_zone(moment: str, inside: bool) -> None:
    """Else a table would be locked while customers work, by some hours or by a day."""
    assert Window.parse(EXAMPLE).contains(at(moment)) is inside


def test_it_says_when_it_opens_next() -> None:
    """Whoever reads that a table was postponed wants to know until when."""
    opening = Window.parse(EXAMPLE).next_opening(at("2026-11-24T12:00"))
    assert f"{opening:%a %Y-%m-%d %H:%M %Z}" == "Sat 2026-11-28 23:00 CST"


@pytest.mark.parametrize(
    ("text", "minutes", "days"),
    [
        ("01:00-03:30 UTC", 150, 7),
        ("Mon-Fri 00:00-24:00 UTC", 1440, 5),
        ("fri-mon 22:00-06:00 UTC", 480, 4),
        ("Saturday 1:00-2:00 UTC", 60, 1),
    ],
)
def test_what_people_write_is_understood(text: str, minutes: int, days: int) -> None:
    """A window should not need a manual."""
    window = Window.parse(text)
    assert (window.minutes, len(window.days)) == (minutes, days)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Sat 23:00-02:00", "write Sat 23:00-02:00 UTC"),
        ("at night", f"write {EXAMPLE}"),
        ("Sat 23:00-02:00 America/Mexiko_City", "did you mean America/Mexico_City"),
        ("Foo 23:00-02:00 UTC", "use Mon, Tue"),
        ("Sat 23:00-25:00 UTC", "no 25:00"),
        ("Sat 23:00-23:00 UTC", "00:00-24:00"),
    ],
)
def test_what_is_not_understood_comes_with_what_to_write(text: str, said: str) -> None:
    """Else a window that nobody keeps would look as if it were kept."""
    with pytest.raises(PitstopError, match=said):
        Window.parse(text)


@given(windows(), MOMENTS)
def test_it_is_open_by_the_clock_on_the_wall(window: Window, moment: datetime) -> None:
    """Told another way: by the minutes of today and of yesterday, in zones whose clocks do not change."""
    local = moment.astimezone(window.zone)
    today, minute = local.weekday(), local.hour * 60 + local.minute
    opens = window.opens.hour * 60 + window.opens.minute
    todays = today in window.days and opens <= minute < opens + window.minutes
    yesterdays = (today - 1) % 7 in window.days and minute + 24 * 60 < opens + window.minutes
    assert window.contains(moment) is (todays or yesterdays)


@given(windows(), MOMENTS)
def test_it_opens_when_it_says(window: Window, moment: datetime) -> None:
    """Else a postponed table would wait for an opening that does not open."""
    opening = window.next_opening(moment)
    assert opening > moment
    assert opening - moment <= timedelta(days=7)
    assert window.contains(opening)
    assert (opening.time(), opening.weekday() in window.days) == (window.opens, True)


def test_an_hour_that_summer_time_skips_is_skipped() -> None:
    """In Berlin 02:00 became 03:00 that night; the window closes when the clock says so."""
    window = Window.parse("Sun 01:30-03:30 Europe/Berlin")
    assert window.next_opening(at("2026-03-28T12:00")) == at("2026-03-29T00:30")
    assert window.contains(at("2026-03-29T01:29"))
    assert not window.contains(at("2026-03-29T01:30"))
