# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as the report reads it: whatever is missing, or of another type than expected, reads as absent.

A run may have stopped anywhere, and its report is needed most when something went wrong. So nothing here raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import PHASE_OF
from ansible_collections.pitstop.runbook.plugins.module_utils._run import Outcome

NEXT: Final = " Next: "
"""How PitstopError sets off the next step in its text."""


@dataclass(frozen=True)
class Fact:
    """A place in the evidence: ``fact["deploy"]["release"]["version"].text`` holds even where there was no deploy."""

    value: Any = None

    def __getitem__(self, key: str) -> Fact:
        return Fact(self.value.get(key)) if isinstance(self.value, Mapping) else Fact()

    def __iter__(self) -> Iterator[Fact]:
        """The items of a list; nothing for whatever is no list."""
        return iter([Fact(item) for item in self.value] if isinstance(self.value, list | tuple) else [])

    def __bool__(self) -> bool:
        return self.value not in (None, "", [], {})

    def items(self) -> list[tuple[str, Fact]]:
        """The entries of a mapping; nothing for whatever is no mapping."""
        return [(str(key), Fact(item)) for key, item in self.value.items()] if isinstance(self.value, Mapping) else []

    def records(self) -> list[Fact]:
        """The items of a list that are mappings."""
        return [item for item in self if isinstance(item.value, Mapping)]

    @property
    def text(self) -> str:
        """A string or number as text, trimmed; empty for whatever is neither."""
        return str(self.value).strip() if isinstance(self.value, str | int | float) else ""

    @property
    def texts(self) -> list[str]:
        """The texts of a list, without the empty ones."""
        return [item.text for item in self if item.text]

    @property
    def number(self) -> float | None:
        """A finite number, else None. A boolean is no number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            return None
        try:
            number = float(self.value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    @property
    def flag(self) -> bool | None:
        """True or false, else None."""
        return self.value if isinstance(self.value, bool) else None

    @property
    def moment(self) -> datetime | None:
        """An ISO 8601 moment in UTC, else None."""
        if not isinstance(self.value, str):
            return None
        try:
            moment = datetime.fromisoformat(self.value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class Evidence:
    """All that is known of a run. ``files``: evidence name to content; ``hashes``: file name to SHA-256."""

    run: Mapping[str, Any]
    outcome: Outcome
    files: Mapping[str, Mapping[str, Any]]
    hashes: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Fact:
        """The evidence called ``name``; absent when this run has none."""
        return Fact(self.files.get(name))

    @property
    def facts(self) -> Fact:
        """What ``run.json`` says."""
        return Fact(self.run)

    @property
    def tags(self) -> list[str]:
        """The tags that the run was opened with; ``all`` for the whole runbook."""
        return self.facts["tags"].texts or ["all"]

    def parts(self, name: str) -> list[Fact]:
        """The evidence itself and its sections."""
        evidence = self[name]
        return [evidence, *(part for _, part in evidence.items())]

    def whole(self, name: str) -> bool:
        """Whether the step that writes ``name`` ran, and neither it nor a section of it failed."""
        return bool(self[name]) and not any(part["failed"].flag for part in self.parts(name))

    def error(self, name: str) -> str:
        """Why ``name``, or a section of it, failed, without the next step; empty when it did not or does not say."""
        return next((part["error"].text for part in self.parts(name) if part["failed"].flag), "").partition(NEXT)[0]

    def planned(self, name: str) -> bool:
        """Whether the step, or a section of it, ran in check mode."""
        return any(part["check_mode"].flag for part in self.parts(name))

    def by_start(self) -> list[str]:
        """The names of the steps that ran, in the order in which they began."""
        known = [name for name in PHASE_OF if name in self.files and self[name]["started_at"].moment]
        return sorted(known, key=lambda name: self[name]["started_at"].moment or datetime.min.replace(tzinfo=UTC))
