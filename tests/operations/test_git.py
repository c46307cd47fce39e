# SPDX-License-Identifier: GPL-3.0-or-later
"""Committing, pushing and reverting, on real repositories."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from ansible_collections.pitstop.runbook.plugins.action import git_commit
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _git

from .conftest import RunOperation


class Checkout:
    """A work tree with a bare ``origin``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "work"
        self.origin = folder / "origin.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.origin], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", self.path], check=True)
        for key, value in {"user.name": "Test", "user.email": "test@team.example"}.items():
            self.git("config", key, value)
        self.git("remote", "add", "origin", str(self.origin))
        self.write("app.js", "old\n")
        self.write("other.js", "other\n")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "first")
        self.git("push", "-q", "origin", "main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", self.path, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def origin_commit(self) -> str:
        return self.git("ls-remote", str(self.origin), "refs/heads/main").split()[0]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A clean checkout."""
    return Checkout(tmp_path)


def test_only_declared_paths_are_committed(run_operation: RunOperation, checkout: Checkout) -> None:
    """A colleague's half-done work in the same tree must not be shipped."""
    checkout.write("app.js", "new\n")
    checkout.write("other.js", "half done\n")
    checkout.write("notes.txt", "private\n")
    args = {"repository": str(checkout.path), "paths": ["app.js"], "message": "perf: faster"}
    planned = run_operation("git_commit", args, check=True)
    assert planned.result["changed"] is True
    assert checkout.git("log", "--format=%s") == "first"
    done = run_operation("git_commit", args).result
    assert checkout.git("show", "--format=%s", "--name-only", "HEAD").split("\n") == ["perf: faster", "", "app.js"]
    assert done["commit"] == checkout.git("rev-parse", "HEAD")
    assert set(checkout.git("status", "--porcelain").split("\n")) == {"M other.js", "?? notes.txt"}
    assert run_operation("git_commit", args).result["changed"] is False


def test_somebody_elses_commit_is_never_pushed_away(
    run_operation: RunOperation, checkout: Checkout, tmp_path: Path
) -> None:
    """`--force` can drop a colleague's hotfix: a diverged branch stops the run and says what to do."""
    colleague = tmp_path / "colleague"
    subprocess.run(["git", "clone", "-q", checkout.origin, colleague], check=True)
    identity = ["-c", "user.name=C", "-c", "user.email=c@team.example"]
    subprocess.run(["git", "-C", colleague, *identity, "commit", "-q", "--allow-empty", "-m", "hotfix"], check=True)
    subprocess.run(["git", "-C", colleague, "push", "-q", "origin", "main"], check=True)
    hotfix = checkout.origin_commit()
    checkout.git("commit", "-q", "--allow-empty", "-m", "ours")
    refused = run_operation("git_push", {"repository": str(checkout.path), "remote": "origin"})
    assert refused.failed
    assert "force would lose them" in refused.message
    assert "git pull --rebase" in refused.message
    assert checkout.origin_commit() == hotfix


def test_a_push_arrives_once(run_operation: RunOperation, checkout: Checkout) -> None:
    """Started again, a deploy must see that the remote has the commit."""
    checkout.git("commit", "-q", "--allow-empty", "-m", "ours")
    args = {"repository": str(checkout.path), "remote": "origin"}
    planned = run_operation("git_push", args, check=True)
    assert planned.result["changed"] is True
    assert checkout.origin_commit() != checkout.git("rev-parse", "HEAD")
    assert run_operation("git_push", args).result["changed"] is True
    assert checkout.origin_commit() == checkout.git("rev-parse", "HEAD")
    assert run_operation("git_push", args).result["changed"] is False


def _deploy(checkout: Checkout, run: Run, live: str) -> None:
    head = checkout.git("rev-parse", "HEAD")
    run.write("deploy.review", {"live": {"version": 5, "commit": live}, "base_commit": live}, "2026-01-01")
    run.write("deploy.commit", {"commit": head}, "2026-01-01")


def test_a_deploy_of_several_commits_and_a_merge_is_reverted_to_the_old_tree(
    run_operation: RunOperation, checkout: Checkout, run: Run
) -> None:
    """Whatever was shipped, the branch must have the old content again, and the change must not be lost."""
    live = checkout.git("rev-parse", "HEAD")
    checkout.git("switch", "-q", "-c", "side")
    checkout.write("side.js", "side\n")
    checkout.git("add", "side.js")
    checkout.git("commit", "-q", "-m", "side")
    checkout.git("switch", "-q", "main")
    checkout.write("app.js", "new\n")
    checkout.git("commit", "-q", "-a", "-m", "fix")
    checkout.git("merge", "-q", "--no-ff", "-m", "merge side", "side")
    _deploy(checkout, run, live)
    args = {"repository": str(checkout.path)}
    assert len(run_operation("git_revert", args, run=run, check=True).result["reverted"]) == 2
    result = run_operation("git_revert", args, run=run).result
    assert result["changed"] is True
    assert checkout.git("rev-parse", "HEAD^{tree}") == checkout.git("rev-parse", f"{live}^{{tree}}")
    assert checkout.git("status", "--porcelain") == ""
    assert run_operation("git_revert", args, run=run).result["changed"] is False


def test_a_commit_on_top_is_not_reverted(run_operation: RunOperation, checkout: Checkout, run: Run) -> None:
    """A colleague went on working: what to take back is for a person to decide, and nothing is touched."""
    live = checkout.git("rev-parse", "HEAD")
    checkout.write("app.js", "new\n")
    checkout.git("commit", "-q", "-a", "-m", "fix")
    _deploy(checkout, run, live)
    checkout.write("other.js", "more\n")
    checkout.git("commit", "-q", "-a", "-m", "a colleague's")
    head = checkout.git("rev-parse", "HEAD")
    refused = run_operation("git_revert", {"repository": str(checkout.path)}, run=run)
    assert refused.failed
    assert "git revert" in refused.message
    assert checkout.git("rev-parse", "HEAD") == head


def test_a_revert_leaves_unrelated_work_alone_staged_or_not(
    run_operation: RunOperation, checkout: Checkout, run: Run
) -> None:
    """On request days later, somebody is in the middle of other work in the same tree: it must survive."""
    live = checkout.git("rev-parse", "HEAD")
    checkout.write("app.js", "new\n")
    checkout.git("commit", "-q", "-a", "-m", "fix")
    _deploy(checkout, run, live)
    checkout.write("other.js", "staged work\n")
    checkout.git("add", "other.js")
    checkout.write("notes.txt", "private\n")
    done = run_operation("git_revert", {"repository": str(checkout.path)}, run=run)
    assert not done.failed, done.message
    assert checkout.git("rev-parse", "HEAD^{tree}") == checkout.git("rev-parse", f"{live}^{{tree}}")
    assert checkout.git("status", "--porcelain").split("\n") == ["M  other.js", "?? notes.txt"]
    assert (checkout.path / "other.js").read_text() == "staged work\n"
    assert (checkout.path / "app.js").read_text() == "old\n"


def test_a_revert_that_would_overwrite_unfinished_work_touches_nothing(
    run_operation: RunOperation, checkout: Checkout, run: Run
) -> None:
    """The deployed file has new edits: a person decides, and both the edits and the commits are still there."""
    live = checkout.git("rev-parse", "HEAD")
    checkout.write("app.js", "new\n")
    checkout.git("commit", "-q", "-a", "-m", "fix")
    _deploy(checkout, run, live)
    head = checkout.git("rev-parse", "HEAD")
    checkout.write("app.js", "newer, unfinished\n")
    refused = run_operation("git_revert", {"repository": str(checkout.path)}, run=run)
    assert refused.failed
    assert refused.result["left"]
    assert checkout.git("rev-parse", "HEAD") == head
    assert (checkout.path / "app.js").read_text() == "newer, unfinished\n"


def test_the_fix_comes_back_with_the_command_that_the_revert_names(
    run_operation: RunOperation, checkout: Checkout, run: Run
) -> None:
    """A taken-back fix is mended and shipped again: the command has to work for several commits as well."""
    live = checkout.git("rev-parse", "HEAD")
    for text in ("new\n", "newer\n"):
        checkout.write("app.js", text)
        checkout.git("commit", "-q", "-a", "-m", text)
    _deploy(checkout, run, live)
    [sentence] = run_operation("git_revert", {"repository": str(checkout.path)}, run=run).result["undone"]
    command = sentence.rpartition("to have them back: git ")[2].split()
    checkout.git("-c", "core.editor=true", *command)
    assert (checkout.path / "app.js").read_text() == "newer\n"


def test_a_push_that_hangs_is_ended_at_its_deadline(
    run_operation: RunOperation, checkout: Checkout, tmp_path: Path
) -> None:
    """What hangs is not git but its helper: left alone, it keeps the run waiting for ever."""
    done = tmp_path / "done"
    hook = checkout.origin / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\nsleep 30\ntouch {done}\n")
    hook.chmod(0o755)
    checkout.git("commit", "-q", "--allow-empty", "-m", "ours")
    refused = run_operation("git_push", {"repository": str(checkout.path), "remote": "origin", "timeout": 1})
    assert refused.failed
    assert "did not end within 1 s" in refused.message
    assert not done.exists(), "the run waited for the helper's own end"


COMMIT = {"paths": ["app.js", "gone.js", "fresh.js"], "message": "perf: faster"}


def _hook(checkout: Checkout, name: str, script: str) -> None:
    hook = checkout.path / ".git" / "hooks" / name
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def test_deletions_are_committed_and_what_others_have_staged_stays_staged(
    run_operation: RunOperation, checkout: Checkout
) -> None:
    """A fix may remove a file, and a colleague's staged work is not part of it."""
    checkout.write("gone.js", "x\n")
    checkout.git("add", "gone.js")
    checkout.git("commit", "-q", "-m", "second")
    checkout.git("rm", "-q", "gone.js")
    checkout.write("fresh.js", "new\n")
    checkout.write("other.js", "staged\n")
    checkout.git("add", "other.js")
    done = run_operation("git_commit", {"repository": str(checkout.path), **COMMIT})
    assert not done.failed, done.message
    assert checkout.git("show", "--format=", "--name-status", "HEAD") == "A\tfresh.js\nD\tgone.js"
    assert checkout.git("status", "--porcelain") == "M  other.js"


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo the linter says no; exit 1", "the linter says no"), ("echo x > other.js; git add other.js", "other.js")],
)
def test_a_hook_that_refuses_or_adds_to_the_commit_stops_it(
    run_operation: RunOperation, checkout: Checkout, script: str, said: str
) -> None:
    """Hooks are the team's rules; what one adds has been reviewed by nobody."""
    _hook(checkout, "pre-commit", script)
    checkout.write("app.js", "new\n")
    refused = run_operation("git_commit", {"repository": str(checkout.path), **COMMIT})
    assert refused.failed
    assert said in refused.message


def test_a_hook_that_leaves_something_running_does_not_hold_the_commit_up(
    run_operation: RunOperation, checkout: Checkout
) -> None:
    """Its child keeps git's output open for minutes; the commit is there, and the deploy goes on."""
    _hook(checkout, "post-commit", "sleep 60 & echo $! > sleeper")
    checkout.write("app.js", "new\n")
    done = run_operation("git_commit", {"repository": str(checkout.path), **COMMIT})
    os.kill(int((checkout.path / "sleeper").read_text()), signal.SIGKILL)  # it is still there, so it was not waited for
    assert not done.failed, done.message
    assert checkout.git("log", "-1", "--format=%s") == "perf: faster"


def test_a_lock_that_a_killed_git_left_is_named(
    run_operation: RunOperation, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows git's locks by heart: the error has the very command."""
    monkeypatch.setattr(git_commit, "LOCK_TIMEOUT_S", 0.1)
    checkout.write("app.js", "new\n")
    lock = checkout.path / ".git" / "index.lock"
    lock.touch()
    refused = run_operation("git_commit", {"repository": str(checkout.path), **COMMIT})
    assert refused.failed
    assert f"rm {lock}" in refused.message


@pytest.mark.parametrize("signer", ["sleep 60", "exit 1"])
def test_a_key_that_cannot_sign_fails_and_does_not_hang(
    run_operation: RunOperation, checkout: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, signer: str
) -> None:
    """A passphrase that is asked for in the night is answered by nobody."""
    monkeypatch.setattr(_git, "SIGNING_TIMEOUT_S", 0.5)
    program = tmp_path / "gpg"
    program.write_text(f"#!/bin/sh\n{signer}\n")
    program.chmod(0o755)
    for key, value in {"commit.gpgsign": "true", "gpg.program": str(program)}.items():
        checkout.git("config", key, value)
    checkout.write("app.js", "new\n")
    refused = run_operation("git_commit", {"repository": str(checkout.path), **COMMIT})
    assert refused.failed
    assert "cannot sign" in refused.message
    assert checkout.git("log", "-1", "--format=%s") == "first"


def test_an_interrupted_git_removes_its_locks(checkout: Checkout) -> None:
    """Killed at once it would leave index.lock, and the next start would have to be mended by hand."""
    _hook(checkout, "pre-commit", "echo hook runs; sleep 60")
    checkout.write("app.js", "new\n")

    def interrupt(_line: str) -> None:
        assert (checkout.path / ".git" / "index.lock").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _git.Git(checkout.path).stream("commit", "-am", "x", say=interrupt, timeout=30)
    assert not (checkout.path / ".git" / "index.lock").exists()
