# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be shipped, read in a diff."""

from __future__ import annotations

import re

_SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Heroku API key": re.compile(r"\bHRKU-[0-9A-Za-z_-]{20,}"),
    "an AWS access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    # ${PASSWORD}, <password>, *** and the like stand for one, and stop nobody.
    "a URL with a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@]+:[^\s:/@${}<>*]{4,}@"),
    "a token of a chat bot": re.compile(r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b"),
}
_CONFLICT = re.compile(r"^\+(<{7} |>{7} |={7}$)")


def findings(diff: str) -> list[str]:
    """What must not be shipped in the added lines of a diff: ``file: kind`` each. The secret itself is not repeated."""
    found: list[str] = []
    file = "?"
    for line in diff.splitlines():
        if line.startswith("+++ "):
            file = line[4:].removeprefix("b/")
        elif line.startswith("+"):
            if _CONFLICT.match(line):
                found.append(f"{file}: a conflict marker")
            found += [f"{file}: {kind}" for kind, pattern in _SECRETS.items() if pattern.search(line)]
    return list(dict.fromkeys(found))
