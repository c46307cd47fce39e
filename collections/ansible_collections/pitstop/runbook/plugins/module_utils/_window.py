# SPDX-License-Identifier: GPL-3.0-or-later
"""A maintenance window: days, hours and a time zone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EXAMPLE = "Sat,Sun 23:00-02:00 America/Mexico_City"

_FORM = re.compile(
    r"(?:(?P<days>[A-Za-z]{3,}(?:[,-][A-Za-z]{3,})*)\s+)?(?P<opens>\d{1,2}:\d{2})-(?P<closes>\d{1,2}:\d{2})\s+(?P<zone>\S+)"
)
_HORIZON_DAYS = 8


@dataclass(frozen=True)
class Window:
    """Opens at ``opens`` on each of ``days`` (0 is Monday) and closes ``minutes`` later on the wall's clock.

    ``text`` is what people wrote.
    """

    text: str
    days: frozenset[int]
    opens: time
    minutes: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Window:
        """``[DAYS ]HH:MM-HH:MM ZONE``. Without days every day; a window that ends before it begins wraps midnight.

        Raises PitstopError that says what to write instead.

        >>> Window.parse("Mon-Fri 23:00-02:00 America/Mexico_City").minutes
        180
        """
        found = _FORM.fullmatch(text.strip())
        if not found:
            raise _refused(text, "it is not DAYS HH:MM-HH:MM ZONE", _suggestion(text))
        opens, closes = (_minute(text, found[name]) for name in ("opens", "closes"))
        if opens == closes or opens == 24 * 60:
            raise _refused(text, "it is never open", "for the whole day write 00:00-24:00")
        return cls(
            text=text.strip(),
            days=_days(text, found["days"]),
            opens=time(opens // 60, opens % 60),
            minutes=(closes - opens) % (24 * 60) or 24 * 60,
            zone=_zone(text, found["zone"]),
        )

    def contains(self, moment: datetime) -> bool:
        """Whether the window is open at ``moment``, which knows its time zone."""
        return any(opens <= moment < closes for opens, closes in self._openings(moment, -1, 1))

    def next_opening(self, moment: datetime) -> datetime:
        """When it opens next after ``moment``, in the window's own time zone."""
        opening = next(opens for opens, _ in self._openings(moment, 0, _HORIZON_DAYS) if opens > moment)
        return opening.astimezone(self.zone)

    def _openings(self, moment: datetime, first: int, last: int) -> Iterator[tuple[datetime, datetime]]:
        """Openings and closings around ``moment``, in UTC: two local times of a zone would compare by their clocks."""
        today = moment.astimezone(self.zone).date()
        for day in (today + timedelta(days=number) for number in range(first, last + 1)):
            if day.weekday() in self.days:
                yield self._at(day, 0), self._at(day, self.minutes)

    def _at(self, day: date, minutes: int) -> datetime:
        clock = datetime.combine(day, self.opens) + timedelta(minutes=minutes)
        return clock.replace(tzinfo=self.zone).astimezone(UTC)


def _minute(text: str, clock: str) -> int:
    hours, minutes = (int(part) for part in clock.split(":"))
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise _refused(text, f"there is no {clock} o'clock", "use 00:00 to 24:00")
    return hours * 60 + minutes


def _days(text: str, names: str | None) -> frozenset[int]:
    if names is None:
        return frozenset(range(7))
    found = set[int]()
    for part in names.split(","):
        first, _, last = part.partition("-")
        begin, end = _day(text, first), _day(text, last or first)
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(found)


def _day(text: str, name: str) -> int:
    short = name.capitalize()[:3]
    if short not in DAYS:
        raise _refused(text, f"there is no day {name}", f"use {', '.join(DAYS)}")
    return DAYS.index(short)


def _zone(text: str, name: str) -> ZoneInfo:
    known = available_timezones()
    if name in known:
        return ZoneInfo(name)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    raise _refused(text, f"there is no time zone {name}", f"did you mean {near[0]}?" if near else f"write {EXAMPLE}")


def _suggestion(text: str) -> str:
    with_zone = f"{text.strip()} UTC"
    return f"write {with_zone}, or your own zone" if _FORM.fullmatch(with_zone) else f"write {EXAMPLE}"


def _refused(text: str, why: str, next_step: str) -> PitstopError:
    return PitstopError(f"The window {text!r} cannot be used", why=why, next_step=next_step)
