# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is in a tracked file. The hunt is proved by secrets that are made here, at run time."""

from __future__ import annotations

import re
import secrets
import uuid
from pathlib import Path

import pytest

from .tree import ROOT, tracked

TOKEN = r"[A-Za-z0-9_+/~-]"
SECRETS = {
    "private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40,}",
    "Heroku API key": r"HRKU-[\w-]{30,}",
    "GitHub token": r"\b(?:gh[opsu]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
    "AWS access key": r"\bAKIA[0-9A-Z]{16}\b",
    "bearer token": rf"\bBearer {TOKEN}{{24,}}",
    "password in a URL": rf"[a-z]+://[^\s:@/\"'{{}}<>]+:(?=[^@\s]*\d)(?=[^@\s]*[A-Za-z]){TOKEN}{{16,}}@",
    "assigned secret": rf"(?i)(?:password|api_key|secret|token)\w*[\"']?\s*[:=]\s*[\"']?(?=\S*\d){TOKEN}{{24,}}[\"']?$",
}
HUNT = {name: re.compile(pattern, re.MULTILINE) for name, pattern in SECRETS.items()}


def hunt(text: str) -> list[str]:
    """The kinds of secrets that ``text`` holds."""
    return [name for name, pattern in HUNT.items() if pattern.search(text)]


def test_no_tracked_file_holds_a_secret() -> None:
    """Git never forgets: what is pushed once is known."""
    found = {}
    for path in tracked():
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        if path != Path("uv.lock") and (kinds := hunt(text)):
            found[str(path)] = kinds
    assert found == {}


@pytest.mark.parametrize(
    ("kind", "planted"),
    [
        ("private key", "-----BEGIN RSA PRIVATE KEY-----\n" + "M" * 64),
        ("Heroku API key", f"key is HRKU-{uuid.uuid4()}"),
        ("GitHub token", "ghp_" + secrets.token_hex(18)),
        ("AWS access key", "AKIA" + secrets.token_hex(8).upper()),
        ("bearer token", "Authorization: Bearer a" + secrets.token_hex(16)),
        ("password in a URL", f"DATABASE_URL=postgres://owner:p1{secrets.token_hex(12)}@db.example.com/app"),
        ("assigned secret", f'pitstop_heroku_api_key: "a1{secrets.token_hex(16)}"'),
        ("assigned secret", f"PGPASSWORD=a1{secrets.token_hex(16)}\n"),
    ],
)
def test_the_hunt_finds_what_is_planted(kind: str, planted: str) -> None:
    """A hunt that finds nothing proves nothing unless it could have."""
    assert kind in hunt(f"before\n{planted}\nafter\n")


@pytest.mark.parametrize(
    "harmless",
    [
        "postgres://owner:$PASSWORD@localhost/app",
        "postgres://u:{password}@127.0.0.1:{port}/invoices",
        "api_key: str | None",
    ],
)
def test_the_hunt_lets_templates_pass(harmless: str) -> None:
    assert hunt(harmless) == []
