# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders in the requests of a probe, such as ``$[unique]``: Ansible has the braces for itself.

``$[iteration]``, ``$[unique]`` and ``$[now]`` are numbers that change, ``$[file:PATH]``, ``$[config_var:NAME]`` and
``$[env:NAME]`` are texts that stay. A text that is nothing but one number is that number, as JSON wants it.
``$$[`` is a literal ``$[``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

NUMBERS = ("iteration", "unique", "now")
FILE, CONFIG_VAR, ENV = "file", "config_var", "env"
SECRET = (CONFIG_VAR, ENV)

_KNOWN = "$[iteration], $[unique], $[now], $[file:PATH], $[config_var:NAME], $[env:NAME]"
_PLACEHOLDER = re.compile(r"\$(?:(?P<literal>\$\[)|\[(?P<name>[^\[\]]*)\])")

Values = Mapping[str, int | str]


def names_in(value: Any) -> list[str]:
    """The names of all placeholders in the texts of JSON-like ``value``, such as ``unique`` and ``file:order.pdf``.

    Raises PitstopError for one that there is not.
    """
    if isinstance(value, str):
        names = [found["name"] for found in _PLACEHOLDER.finditer(value) if not found["literal"]]
        for name in names:
            _require_known(name)
        return names
    if isinstance(value, Mapping):
        return [name for key, item in value.items() for name in [*names_in(key), *names_in(item)]]
    if isinstance(value, list | tuple):
        return [name for item in value for name in names_in(item)]
    return []


def filled(value: Any, values: Values) -> Any:
    """A copy of JSON-like ``value`` with each placeholder replaced by what ``values`` has for its name."""
    if isinstance(value, str):
        return _filled_text(value, values)
    if isinstance(value, Mapping):
        return {str(_filled_text(str(key), values)): filled(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, values) for item in value]
    return value


def _filled_text(text: str, values: Values) -> int | str:
    alone = _PLACEHOLDER.fullmatch(text)
    if alone and alone["name"] in NUMBERS:
        return values[alone["name"]]
    return _PLACEHOLDER.sub(lambda found: "$[" if found["literal"] else str(values[found["name"]]), str(text))


def _require_known(name: str) -> None:
    kind, _, argument = name.partition(":")
    if name not in NUMBERS and not (kind in (FILE, *SECRET) and argument):
        raise PitstopError(
            f"There is no placeholder $[{name}]", next_step=f"use one of {_KNOWN}; write $$[ where $[ itself is meant"
        )
