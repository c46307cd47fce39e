# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer over HTTP: what a probe expects of it, and what it reads from it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import TO_MS
from ansible_collections.pitstop.runbook.plugins.module_utils._placeholders import Values, filled


class NotAsExpected(Exception):
    """The answer is not what was expected; its text says how, and may quote the answer."""


@dataclass(frozen=True)
class Answer:
    """``at_s`` is when the last byte came, on the clock that the probe measures with."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at_s: float

    @cached_property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @cached_property
    def _json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise NotAsExpected(f"its answer is no JSON: {self._quoted}") from error

    @property
    def _quoted(self) -> str:
        return " ".join(self.text.split()) or "(nothing)"

    def value(self, path: str) -> Any:
        """What is at ``path`` of the JSON: names and indexes with dots between, such as ``items.0.id``."""
        value = self._json
        for part in path.split("."):
            try:
                value = value[int(part)] if isinstance(value, list) else value[part]
            except (LookupError, TypeError, ValueError) as error:
                raise NotAsExpected(f"its answer has no {path}: {self._quoted}") from error
        return value

    def unexpected(self, what: str) -> NotAsExpected:
        """The error that quotes this answer."""
        return NotAsExpected(f"{what}: {self._quoted}")


@dataclass(frozen=True)
class Expectation:
    """The status is one of these, the body matches, and each path of the JSON has its value."""

    status: tuple[int, ...]
    body: re.Pattern[str] | None
    json: Mapping[str, Any]

    def require(self, answer: Answer, values: Values) -> None:
        """Raises NotAsExpected. Placeholders in the values of the JSON are replaced by ``values``."""
        if answer.status not in self.status:
            raise answer.unexpected(f"it was answered {answer.status} instead of {self._statuses}")
        if self.body and not self.body.search(answer.text):
            raise answer.unexpected(f"its answer does not match {self.body.pattern}")
        for path, wanted in filled(self.json, values).items():
            found = answer.value(path)
            if not _same(found, wanted):
                raise NotAsExpected(f"{path} is {json.dumps(found)} instead of {json.dumps(wanted)}")

    @property
    def shown(self) -> str:
        """Such as ``200 and state = "done"``."""
        body = [f"a body like {self.body.pattern}"] if self.body else []
        return " and ".join([self._statuses, *body, *(f"{path} = {json.dumps(v)}" for path, v in self.json.items())])

    @property
    def _statuses(self) -> str:
        return " or ".join(map(str, self.status))


@dataclass(frozen=True)
class Duration:
    """Where an answer says how long something took: at a path of its JSON, or in a header."""

    json: str | None
    header: str | None
    unit: str

    def of(self, answer: Answer) -> float:
        """In milliseconds. Raises NotAsExpected where there is no such number."""
        where = self.json or self.header or ""
        said = answer.value(where) if self.json else answer.headers.get(where)
        try:
            number = math.nan if isinstance(said, bool) else float(said)  # type: ignore[arg-type] # a TypeError is caught
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number < math.inf:
            raise answer.unexpected(f"it gives {said!r} as {where}, which is no time")
        return number * TO_MS[self.unit]


def _same(found: Any, wanted: Any) -> bool:
    """Equal as JSON is: true is not 1."""
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)
