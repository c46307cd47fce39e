# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of an app, as Logplex keeps it: the last 1500 lines, filtered and followed by sessions."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox.heroku.streams import Signal

KEPT_LINES = 1500
_LINE = re.compile(r"(?P<time>\S+) (?P<source>\w+)\[(?P<process>[^\]]+)\]: (?P<text>.*)")


@dataclass(frozen=True)
class Line:
    """One log line; ``id`` grows strictly, also over a restart of the server."""

    id: int
    source: str
    process: str
    text: str

    def __str__(self) -> str:
        moment = datetime.fromtimestamp(self.id / 1e6, UTC)
        return f"{moment.isoformat(timespec='microseconds')} {self.source}[{self.process}]: {self.text}"


@dataclass(frozen=True)
class Filter:
    """Which lines a session wants: of a source (``app``, ``heroku``) and of a dyno (``web.1``) or a type (``web``)."""

    source: str | None = None
    process: str | None = None

    def accepts(self, line: Line) -> bool:
        """Whether the line is wanted."""
        if self.source and line.source != self.source:
            return False
        return not self.process or self.process in (line.process, line.process.partition(".")[0])


class LogBook:
    """All lines of one app."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(exist_ok=True)
        self.lines: deque[Line] = deque(_read(file), maxlen=KEPT_LINES)
        self._file = file
        self._signal = Signal()
        self._closed = False
        file.write_text("".join(f"{line}\n" for line in self.lines))

    def write(self, source: str, process: str, text: str) -> None:
        """Append a line; what a process prints may hold several."""
        for part in text.splitlines() or [""]:
            last = self.lines[-1].id if self.lines else 0
            line = Line(max(time.time_ns() // 1000, last + 1), source, process, part)
            self.lines.append(line)
            with self._file.open("a") as file:
                file.write(f"{line}\n")
        self._signal.fire()

    def api(self, text: str) -> None:
        """A line of the platform's own doing: ``app[api]: …``."""
        self.write("app", "api", text)

    def newest(self, count: int, wanted: Filter) -> list[Line]:
        """The newest ``count`` wanted lines, oldest first."""
        found = [line for line in self.lines if wanted.accepts(line)]
        return found[-count:] if count else []

    def close(self) -> None:
        """End all followers: the server is about to stop. Lines can still be written."""
        self._closed = True
        self._signal.fire()

    async def follow(self, after: int, wanted: Filter) -> AsyncIterator[Line]:
        """Every wanted line with an id above ``after``, until the log is closed."""
        while not self._closed:
            fresh = [line for line in self.lines if line.id > after]
            if not fresh:
                await self._signal.wait()
                continue
            after = fresh[-1].id
            for line in filter(wanted.accepts, fresh):
                yield line


def _read(file: Path) -> list[Line]:
    if not file.exists():
        return []
    matches = (_LINE.fullmatch(text) for text in file.read_text().splitlines())
    return [_parse(match) for match in matches if match]


def _parse(match: re.Match[str]) -> Line:
    moment = datetime.fromisoformat(match["time"])
    micros = int(moment.timestamp()) * 1_000_000 + moment.microsecond
    return Line(micros, match["source"], match["process"], match["text"])
