# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets taken out of whatever is about to be shown or kept: error messages, evidence, reports.

This is the last line of defence. Operations do not return secrets in the first place, but the text of somebody
else's error (a driver's, a proxy's, git's) may hold one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MARK = "***"

_SENSITIVE = r"(?:passw(?:or)?d|secret|token|api[_-]?key)"

_RULES = (
    # user:password@ in a URL. Greedy up to the last @ before a slash, since a password may hold an unencoded @.
    (re.compile(r"([a-z][a-z0-9+.-]{0,20}://[^\s:/@'\"]*):[^\s/'\"]*@", re.IGNORECASE), rf"\1:{MARK}@"),
    # A user name alone is a token for HTTP (https://TOKEN@host), but just a name elsewhere (ssh://git@host).
    (re.compile(r"(https?://)[^\s:/@'\"]+@", re.IGNORECASE), rf"\1{MARK}@"),
    (
        re.compile(r"(authorization['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer|token)\s+)?)[^\s'\",]+", re.IGNORECASE),
        rf"\1{MARK}",
    ),
    (re.compile(r"\b(bearer\s+)[\w.~+/=-]{16,}", re.IGNORECASE), rf"\1{MARK}"),
    (re.compile(r"\bHRKU-[\w-]+"), f"HRKU-{MARK}"),
    # password=… of a libpq connection string, a query string or an environment; quoted values may hold spaces.
    (re.compile(rf"({_SENSITIVE}\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s&;,'\"]+)", re.IGNORECASE), rf"\1{MARK}"),
    (re.compile(rf"({_SENSITIVE}['\"]\s*:\s*)('[^']*'|\"[^\"]*\")", re.IGNORECASE), rf'\1"{MARK}"'),
)

_SECRET_KEY = re.compile(rf"(?:{_SENSITIVE}|authorization)$", re.IGNORECASE)


def redacted(text: str) -> str:
    """``text`` with passwords in URLs and connection strings, Authorization headers and Heroku tokens replaced."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redacted_data(value: Any) -> Any:
    """A copy of JSON-like ``value`` whose strings are redacted, and whose entries named like a secret are replaced."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: _redacted_entry(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_data(item) for item in value]
    return value


def _redacted_entry(key: Any, value: Any) -> Any:
    if isinstance(key, str) and isinstance(value, str) and _SECRET_KEY.search(key):
        return MARK
    return redacted_data(value)
