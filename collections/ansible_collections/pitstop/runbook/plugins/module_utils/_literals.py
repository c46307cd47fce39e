# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's statements, fit to be shown: without the values in them."""

from __future__ import annotations

import re

# The server cuts long statements, so a literal may have no end. A backslash may escape a quote, or not: what is taken
# for a part of the literal by mistake is only hidden. In one expression, since either may hold the other's mark.
HIDDEN = re.compile(
    r"(?P<comment>/\*.*?(?:\*/|$)|--[^\n]*)"
    r"|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|$)"
    r"|'(?:[^'\\]|''|\\.)*(?:'|$)"
    r"|\b\d[\w.]*",
    re.DOTALL,
)


def without_literals(sql: str, length: int = 60) -> str:
    """The start of ``sql`` in one line, each string and number in it as ``?``, comments left out."""
    hidden = HIDDEN.sub(lambda found: " " if found["comment"] is not None else "?", sql)
    return re.sub(r"\s+", " ", hidden).strip()[:length]
