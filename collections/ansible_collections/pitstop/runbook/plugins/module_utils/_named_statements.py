# SPDX-License-Identifier: GPL-3.0-or-later
"""A named statement as PREPARE takes it: one command, with ``$1`` for its parameters.

psycopg2 sends what it is given as one message, which may hold several commands, and puts parameters into the text. So a
text with a semicolon is refused, wherever it stands, and no parameter ever enters it: PREPARE then takes one SELECT,
INSERT, UPDATE, DELETE, MERGE or VALUES and nothing else, least of all a COMMIT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

Params = Sequence[Any] | Mapping[str, Any] | None

_PLACEHOLDER = re.compile(r"%(?:\((?P<name>\w+)\)s|(?P<next>s)|%)")
_NUMBERED = re.compile(r"\$\d")


@dataclass(frozen=True)
class PreparedStatement:
    """``text`` for PREPARE, and the ``values`` of its parameters in their order; None when none were given."""

    name: str
    text: str
    values: tuple[Any, ...] | None


def prepared_statement(name: str, sql: str, params: Params) -> PreparedStatement:
    """From a text with ``%s``, ``%(key)s`` or ``$1``. Raises PitstopError for several commands and for missing params.

    Without ``params`` the text stays as it is, percent signs included.
    """
    text = sql.strip().removesuffix(";").rstrip()
    if not text or ";" in text:
        raise PitstopError(
            f"The statement {name} {'has a semicolon inside' if text else 'is empty'}",
            why="one command is looked at at a time, and a semicolon can begin another",
            next_step="give each command a name of its own, and a value that holds a semicolon in params",
        )
    if params is None:
        return PreparedStatement(name, text, None)
    if _NUMBERED.search(text):
        return PreparedStatement(name, text, tuple(_sequence(name, params)))
    return _numbered(name, text, params)


def _numbered(name: str, text: str, params: Params) -> PreparedStatement:
    values: list[Any] = []

    def number(found: re.Match[str]) -> str:
        if found["name"]:
            values.append(_named(name, params, found["name"]))
        elif found["next"]:
            given = _sequence(name, params)
            if len(values) >= len(given):
                raise _miscounted(name, text.count("%s"), len(given))
            values.append(given[len(values)])
        else:
            return "%"
        return f"${len(values)}"

    numbered = _PLACEHOLDER.sub(number, text)
    if isinstance(params, Sequence) and len(params) > len(values):
        raise _miscounted(name, len(values), len(params))
    return PreparedStatement(name, numbered, tuple(values))


def _sequence(name: str, params: Params) -> Sequence[Any]:
    if isinstance(params, Sequence) and not isinstance(params, str):
        return params
    raise PitstopError(
        f"The params of {name} are no list", next_step="give a list for %s or $1, or write %(key)s in its sql"
    )


def _named(name: str, params: Params, key: str) -> Any:
    if isinstance(params, Mapping) and key in params:
        return params[key]
    given = ", ".join(params) if isinstance(params, Mapping) and params else "no key"
    raise PitstopError(f"The statement {name} has %({key})s, and its params have {given}", next_step=f"add {key} there")


def _miscounted(name: str, wanted: int, given: int) -> PitstopError:
    return PitstopError(
        f"The statement {name} has {wanted} parameters, and {given} were given", next_step="correct its params"
    )
