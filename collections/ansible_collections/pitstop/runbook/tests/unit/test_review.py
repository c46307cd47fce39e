# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be shipped, read in a diff."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._review import findings


def test_secrets_and_conflict_markers_in_added_lines_are_found() -> None:
    """Once pushed, a secret is everybody's."""
    password = "postgres://app:" + "x" * 12 + "@db.example/app"
    marker = "<" * 7 + " HEAD"
    diff = f"+++ b/config.js\n+const url = '{password}'\n+{marker}\n-const old = '{password}'\n"
    assert findings(diff) == ["config.js: a URL with a password", "config.js: a conflict marker"]
    assert findings(f"+++ b/x\n-{password}\n {marker}\n") == []


@given(st.text(alphabet=st.characters(blacklist_characters="\n\r"), max_size=80))
def test_what_is_removed_or_unchanged_never_stops_a_deploy(text: str) -> None:
    """Taking a secret out of the code must be possible."""
    assert findings(f"+++ b/x\n-{text}\n {text}\n") == []


def test_a_password_that_is_a_placeholder_stops_nobody() -> None:
    """A false alarm has no way round: it would keep the fix from being shipped."""
    assert findings("+++ b/x\n+const url = `postgres://app:${process.env.PASSWORD}@db.example/app`\n") == []
    assert findings("+++ b/x\n+# postgres://app:<password>@db.example/app\n") == []
