# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage parameters of tables: what differs from the declaration, and the statement that sets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError


def changes(table: str, present: Mapping[str, str], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What has to change: ``{table, parameter, before, after}`` each; ``before`` is None where none was set."""
    return [
        {"table": table, "parameter": name, "before": present.get(name), "after": _text(value)}
        for name, value in wanted.items()
        if not _equal(present.get(name), _text(value))
    ]


def set_statement(table: str, differing: Sequence[Mapping[str, Any]], quote: Callable[[str], str]) -> str:
    """``ALTER TABLE … SET (…)``; ``table`` already quoted."""
    settings = ", ".join(f"{_parameter(change['parameter'], quote)} = {change['after']}" for change in differing)
    return f"ALTER TABLE {table} SET ({settings})"


def _parameter(name: str, quote: Callable[[str], str]) -> str:
    return ".".join(quote(part) for part in name.split("."))


def _text(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not text.replace(".", "", 1).replace("-", "", 1).replace("_", "").isalnum():
        raise PitstopError(f"The storage parameter value {value!r} is no number and no word", next_step="such as 0.01")
    return text


def _equal(present: str | None, wanted: str) -> bool:
    if present is None:
        return False
    try:
        return float(present) == float(wanted)
    except ValueError:
        return present.lower() == wanted.lower()
