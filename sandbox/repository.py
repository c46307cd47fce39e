# SPDX-License-Identifier: GPL-3.0-or-later
"""The bot's git repository: its history, its two remotes, and the fix that waits in the work tree."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import node, worktree
from sandbox.errors import SandboxError
from sandbox.paths import SOURCE, Paths

BRANCH = "main"
AUTHOR = "Invoice Bot Team"
EMAIL = "team@invoice-bot.example"
APP = SOURCE / "bot" / "app"


@dataclass(frozen=True)
class Commit:
    """One commit of the history: what it adds, and the version that the changelog then begins with."""

    date: str
    message: str
    files: Sequence[str]
    version: str


HISTORY = (
    Commit(
        "2026-08-03T09:12:00+00:00",
        "feat: answer a PDF in a chat with an invoice\n\nWebhook, invoice list, health check and release check.",
        (
            ".gitignore",
            "Procfile",
            "README.md",
            "lib/app.js",
            "lib/customers.js",
            "lib/db.js",
            "lib/facturapi.js",
            "lib/folios.js",
            "lib/invoices.js",
            "lib/pdf.js",
            "lib/subscriptions.js",
            "lib/updates.js",
            "lib/users.js",
            "package-lock.json",
            "package.json",
            "scripts/release-check.js",
            "server.js",
        ),
        "1.2.0",
    ),
    Commit(
        "2026-09-14T15:40:00+00:00",
        "feat: benchmark the database operations\n\nUsers wait 8 to 10 s for an invoice; now it can be seen for what.",
        ("lib/summary.js", "scripts/benchmark-before-after.js"),
        "1.3.0",
    ),
    Commit(
        "2026-10-05T11:05:00+00:00",
        "feat: probe the bot as the chat platform does\n\nTimes taken by hand are few and hide repeated numbers.",
        ("scripts/order.pdf", "scripts/probe-bot.js"),
        "1.4.0",
    ),
)


def ensure(paths: Paths, heroku_git_url: str) -> None:
    """Make origin and work tree unless they exist: both whole, or neither."""
    if not paths.repository.exists():
        shutil.rmtree(paths.origin, ignore_errors=True)
        partial = paths.repository.with_name(paths.repository.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        _make_origin(paths.origin)
        _make_work_tree(partial, paths, heroku_git_url)
        partial.rename(paths.repository)
    git(paths.repository, "remote", "set-url", "heroku", heroku_git_url)


def remove(paths: Paths) -> None:
    shutil.rmtree(paths.repository, ignore_errors=True)
    shutil.rmtree(paths.origin, ignore_errors=True)


def deployed_commit(paths: Paths, token: str) -> str | None:
    """Return the commit that the local Heroku has as its main branch, None before the first release."""
    answer = git(paths.repository, "ls-remote", "heroku", BRANCH, environment=authorization(token))
    return answer.split()[0] if answer else None


def deploy(paths: Paths, token: str) -> str:
    """Push the committed main branch to the local Heroku; return the commit."""
    git(paths.repository, "push", "heroku", BRANCH, environment=authorization(token))
    return git(paths.repository, "rev-parse", BRANCH).strip()


def authorization(token: str) -> dict[str, str]:
    """Return the variables that give git the token without showing it in an argument or a file."""
    credential = base64.b64encode(f":{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {credential}",
    }


def git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run git without the caller's configuration; return its output."""
    isolated = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    isolated |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, env=isolated | (environment or {}), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(
            f"`{' '.join(command)}` ended with status {done.returncode}:\n{done.stderr.strip()}\n"
            "Repair what it names, or begin anew: python -m sandbox up --fresh"
        )
    return done.stdout


def _make_origin(origin: Path) -> None:
    origin.mkdir()
    git(origin, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}")


def _make_work_tree(folder: Path, paths: Paths, heroku_git_url: str) -> None:
    folder.mkdir()
    git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    for name, value in {"user.name": AUTHOR, "user.email": EMAIL, "commit.gpgSign": "false"}.items():
        git(folder, "config", name, value)
    for commit in HISTORY:
        _commit(folder, commit)
    git(folder, "remote", "add", "origin", str(paths.origin))
    git(folder, "remote", "add", "heroku", heroku_git_url)
    git(folder, "push", "--quiet", "--set-upstream", "origin", BRANCH)
    shutil.copytree(node.ensure_modules(paths), folder / "node_modules", symlinks=True)
    worktree.lay(worktree.FIX, folder)


def _commit(folder: Path, commit: Commit) -> None:
    for name in commit.files:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(APP / name, folder / name)
    changelog = (APP / "CHANGELOG.md").read_text()
    newer = re.compile(rf"(?<=\n\n)## .*(?=## {re.escape(commit.version)}\n)", re.DOTALL)
    (folder / "CHANGELOG.md").write_text(newer.sub("", changelog))
    git(folder, "add", "--", "CHANGELOG.md", *commit.files)
    dates = {"GIT_AUTHOR_DATE": commit.date, "GIT_COMMITTER_DATE": commit.date}
    git(folder, "commit", "--quiet", "--message", commit.message, environment=dates)
