# SPDX-License-Identifier: GPL-3.0-or-later
"""How a language writes what the report has to say: its words, numbers, sizes, durations, dates."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import Cell, Tone
from ansible_collections.pitstop.runbook.plugins.module_utils._report.words import LANGUAGES, WORDS

SPACE: Final = "\N{NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"
EVIDENCE_LANGUAGE: Final = "en"
"""The language in which operations write their reasons and errors."""


class Language:
    """One of LANGUAGES. Raises PitstopError for another."""

    def __init__(self, code: str) -> None:
        if code not in LANGUAGES:
            raise PitstopError(
                f"The report cannot be written in {code!r}",
                next_step=f"set pitstop_language to one of {', '.join(LANGUAGES)}",
            )
        self.code = code
        self._index = LANGUAGES.index(code)

    def __call__(self, key: str, /, **values: object) -> str:
        """The words for ``key``, filled with ``values``."""
        return WORDS[key][self._index].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in WORDS

    def term(self, group: str, code: str) -> str:
        """The word for a code of the evidence, such as ``remedy`` ``vacuum_full``; an unknown code stays."""
        words = WORDS.get(f"{group}.{code}")
        return words[self._index] if words else code.replace("_", " ")

    def quote(self, text: str, tone: Tone = "") -> Cell:
        """Words of the evidence, marked as such where the report is in another language."""
        return Cell(text, tone=tone, lang="" if self.code == EVIDENCE_LANGUAGE else EVIDENCE_LANGUAGE)

    def number(self, value: float, decimals: int = 0) -> str:
        """1,234.5 in English; 1234,5 and 12.345,6 in Spanish, which does not group four digits."""
        text = f"{abs(value):,.{decimals}f}"
        if self.code == "es":
            if abs(value) < 10_000 and len(text.partition(".")[0]) <= len("9,999"):
                text = text.replace(",", "")
            text = text.translate(str.maketrans(",.", ".,"))
        return MINUS + text if value < 0 and any(digit in "123456789" for digit in text) else text

    def percent(self, value: float, *, signed: bool = False) -> str:
        """``value`` in percent with one decimal: 46.2%; in Spanish 46,2 %."""
        text = self.number(value, 1) + ("%" if self.code == "en" else f"{SPACE}%")
        return f"+{text}" if signed and value > 0 else text

    def milliseconds(self, value: float) -> str:
        """A latency with three significant digits: 0.42 ms, 49.7 ms, 3,412 ms."""
        decimals = 0 if abs(value) >= 100 or value == 0 else 1 if abs(value) >= 10 else 2
        return f"{self.number(value, decimals)}{SPACE}ms"

    def duration(self, seconds: float) -> str:
        """0.4 s, 12.0 s, 3 min 20 s, 1 h 5 min."""
        if round(seconds, 1) < 60:
            return f"{self.number(seconds, 1)}{SPACE}s"
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return f"{minutes}{SPACE}min" + (f" {rest}{SPACE}s" if rest else "")
        hours, minutes = divmod(minutes, 60)
        return f"{self.number(hours)}{SPACE}h" + (f" {minutes}{SPACE}min" if minutes else "")

    def bytes(self, count: float) -> str:
        """Binary units: 512 B, 1.5 MiB."""
        size = float(count)
        for unit in ("B", "KiB", "MiB", "GiB"):
            if round(abs(size), 1) < 1024:
                return f"{self.number(size, 0 if unit == 'B' else 1)}{SPACE}{unit}"
            size /= 1024
        return f"{self.number(size, 1)}{SPACE}TiB"

    def date(self, moment: datetime) -> str:
        """24 November 2026, 06:05 UTC; 24 de noviembre de 2026, 06:05 UTC."""
        month = WORDS["months"][self._index].split()[moment.month - 1]
        day = (
            f"{moment.day} de {month} de {moment.year}" if self.code == "es" else f"{moment.day} {month} {moment.year}"
        )
        return f"{day}, {moment:%H:%M}{SPACE}UTC"

    def time(self, moment: datetime) -> str:
        """06:05:35."""
        return f"{moment:%H:%M:%S}"

    def enumeration(self, items: list[str]) -> str:
        """``a, b and c``."""
        if len(items) < 2:
            return "".join(items)
        return f"{', '.join(items[:-1])} {self('and')} {items[-1]}"
