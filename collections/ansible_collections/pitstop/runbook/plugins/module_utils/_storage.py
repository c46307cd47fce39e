# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage parameters of tables: what differs from the declaration, and the statements that set it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

SHARED = ("autovacuum_", "log_autovacuum_", "vacuum_", "fillfactor", "toast_tuple_target", "parallel_workers")
"""How those begin that are set without an exclusive lock (reloptions.c: SHARE UPDATE EXCLUSIVE). Others need one."""

TOAST = "toast."
WORDS = {"on": "true", "yes": "true", "off": "false", "no": "false"}

Change = Mapping[str, Any]


def changes(table: str, present: Mapping[str, str], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What has to change: ``{table, parameter, before, after}`` each; ``before`` is None where none was set."""
    return [
        {"table": table, "parameter": name, "before": present.get(name), "after": _text(value)}
        for name, value in wanted.items()
        if not _equal(present.get(name), _text(value))
    ]


def set_statements(
    table: str, differing: Sequence[Change], quote: Callable[[str], str]
) -> list[tuple[str, list[Change]]]:
    """``ALTER TABLE … SET (…)`` with what it changes, once for those that lock nobody out and once for the others.

    ``table`` is already quoted.
    """
    shared = [change for change in differing if not locks_out(change["parameter"])]
    exclusive = [change for change in differing if locks_out(change["parameter"])]
    return [(_set_statement(table, group, quote), group) for group in (shared, exclusive) if group]


def locks_out(parameter: str) -> bool:
    """Whether setting it needs an exclusive lock on the table."""
    return not parameter.removeprefix(TOAST).startswith(SHARED)


def of_toast(wanted: Mapping[str, Any]) -> list[str]:
    """Those of the parameters that are the TOAST table's."""
    return [name for name in wanted if name.startswith(TOAST)]


def _set_statement(table: str, differing: Sequence[Change], quote: Callable[[str], str]) -> str:
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
        return _word(present) == _word(wanted)


def _word(value: str) -> str:
    return WORDS.get(value.lower(), value.lower())
