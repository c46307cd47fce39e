# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be shipped, read in a diff."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._review import (
    KEPT_BYTES,
    added_lines,
    bounded,
    findings,
    has_release_command,
    irreversible,
    lfs_pointers,
    plan,
    too_large,
)

PASSWORD = "postgres://app:" + "x" * 12 + "@db.example/app"
MIGRATIONS = ["db/migrate/**"]


def added(*lines: str, file: str = "config.js", at: int = 1) -> str:
    """A diff that adds these lines to a file."""
    head = f"--- a/{file}\n+++ b/{file}\n@@ -{at},0 +{at},{len(lines)} @@\n"
    return head + "".join(f"+{line}\n" for line in lines)


def test_secrets_and_conflict_markers_in_added_lines_are_found_with_their_place() -> None:
    """Once pushed, a secret is everybody's; whoever has to take it out needs the line, and not the secret again."""
    diff = added(f"const url = '{PASSWORD}'", "<" * 7 + " HEAD", at=4)
    assert findings(diff) == ["config.js:4 a URL with a password", "config.js:5 a conflict marker"]


@given(st.text(alphabet=st.characters(blacklist_characters="\n\r"), max_size=80))
def test_what_is_removed_or_unchanged_never_stops_a_deploy(text: str) -> None:
    """Taking a secret out of the code must be possible."""
    assert findings(f"--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-{text}\n {text}\n") == []


def test_an_added_line_that_looks_like_a_file_name_is_a_line() -> None:
    """A diff of diffs would else hide all that follows behind a wrong name, and a secret with it."""
    diff = added("++ b/else.js", PASSWORD)
    assert [line.place for line in added_lines(diff)] == ["config.js:1", "config.js:2"]
    assert findings(diff) == ["config.js:2 a URL with a password"]


@pytest.mark.parametrize(
    "line",
    [
        "const url = `postgres://app:${process.env.PASSWORD}@db.example/app`",
        "# postgres://app:<password>@db.example/app",
        f"{PASSWORD} # pragma: allowlist secret",
    ],
)
def test_a_password_that_is_none_stops_nobody(line: str) -> None:
    """A false alarm without a way round would keep the fix from being shipped."""
    assert findings(added(line)) == []


def test_a_title_that_is_underlined_is_no_conflict() -> None:
    """A seven-letter title in a README would stop the deploy."""
    assert findings(added("=" * 7, file="README.md")) == []
    assert findings(added("=" * 7, file="app.js")) == ["app.js:1 a conflict marker"]


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("ALTER TABLE invoices DROP COLUMN note;", "DROP COLUMN"),
        ("alter table invoices drop note;", "DROP"),
        ("ALTER TABLE t ALTER COLUMN id SET DATA TYPE bigint;", "ALTER COLUMN … TYPE"),
        ("ALTER TABLE t RENAME TO u;", "RENAME"),
        ("TRUNCATE invoices;", "TRUNCATE"),
        ("remove_column :invoices, :note", "drop"),
        ("op.drop_column('invoices', 'note')", "drop"),
        ("table.renameColumn('a', 'b')", "new name"),
    ],
)
def test_a_migration_that_cannot_go_back_is_named_with_its_place(line: str, label: str) -> None:
    """After it the old code meets a schema it does not know: a rollback would be the second outage."""
    assert irreversible(added(line, file="db/migrate/3.sql", at=4), MIGRATIONS) == [f"db/migrate/3.sql:4 {label}"]


def test_what_can_go_back_or_is_no_migration_is_not_named() -> None:
    """A rollback that is refused for nothing leaves a bad release up."""
    harmless = added("CREATE INDEX i ON t (a);", "ALTER TABLE t DROP CONSTRAINT c;", file="db/migrate/3.sql")
    assert irreversible(harmless, MIGRATIONS) == []
    assert irreversible(added("DROP TABLE t;", file="lib/a.sql"), MIGRATIONS) == []


def test_only_files_that_become_lfs_pointers_are_found() -> None:
    """An app that has lived with pointers so far must still be deployable."""
    version = "version https://git-lfs.github.com/spec/v1"
    assert lfs_pointers(added(version, "oid sha256:1", file="logo.psd")) == ["logo.psd"]
    assert lfs_pointers(f"+++ b/logo.psd\n@@ -1,2 +1,2 @@\n {version}\n-oid sha256:1\n+oid sha256:2\n") == []


def test_a_large_file_is_named_with_its_size() -> None:
    """A dump that was added by mistake stays in the history for ever."""
    assert too_large({"dump.sql": 6_000_000, "app.js": 10}, 5_000_000) == ["dump.sql (6.0 MB)"]


def test_a_long_diff_is_kept_in_part_and_says_so() -> None:
    """Evidence that silently ends is no evidence."""
    assert bounded("x") == "x"
    assert bounded("x" * (KEPT_BYTES + 7)).endswith("… 7 more characters are not kept: see git diff\n")


@pytest.mark.parametrize(("procfile", "runs"), [("web: x\nrelease: y\n", True), ("web: release: x\n", False)])
def test_a_release_command_is_known_from_the_procfile(procfile: str, runs: bool) -> None:
    """It is what changes the schema."""
    assert has_release_command(procfile) is runs


def test_the_plan_has_the_order_of_what_happens() -> None:
    """A person who says yes to it must get that, and maintenance mode must be seen to end."""
    steps = plan(
        method="git",
        files=["a", "b"],
        remote="origin",
        app="shop",
        promote_from="",
        release_command=True,
        preboot=False,
        maintenance_mode=True,
    )
    words = ("commit 2", "origin", "mode on", "Heroku", "release command", "succeeded", "mode off", "answers")
    assert [word in step for word, step in zip(words, steps, strict=True)] == [True] * len(words)
