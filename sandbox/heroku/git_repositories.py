# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare repository of each app, with the hook that makes a push a build."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from sandbox.heroku import pre_receive
from sandbox.heroku.models import App


def root(state_dir: Path) -> Path:
    """The folder of all repositories."""
    return state_dir / "git"


async def ensure(state_dir: Path, app: App) -> None:
    """Make the app's repository if it is missing, and point its hook at this checkout and interpreter."""
    repository = root(state_dir) / f"{app.name}.git"
    if not repository.exists():
        command = ("git", "init", "--quiet", "--bare", "--initial-branch=main", str(repository))
        process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL)
        if await process.wait():
            raise SystemExit(f"git init {repository} failed; its message is above.")
    hook = repository / "hooks" / "pre-receive"
    words = [sys.executable, "-I", str(Path(pre_receive.__file__).resolve())]
    hook.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
    hook.chmod(0o755)


async def add_commit(state_dir: Path, app: App) -> bool:
    """Put a colleague's commit on top of main, with the same tree; False when there is no main yet.

    [GUESS] It makes no build and no release, unlike every real push: only what git answers is wanted of it.
    """
    repository = root(state_dir) / f"{app.name}.git"
    main = await _git(repository, "rev-parse", "--quiet", "--verify", "refs/heads/main")
    if not main:
        return False
    commit = await _git(repository, "commit-tree", "main^{tree}", "-p", main, "-m", "fix: a colleague was faster")
    await _git(repository, "update-ref", "refs/heads/main", commit, main)
    return True


async def _git(repository: Path, *arguments: str) -> str:
    """What git prints; empty when it fails."""
    person = {"GIT_AUTHOR_NAME": "A colleague", "GIT_AUTHOR_EMAIL": "colleague@shop.example"}
    person |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in person.items()}
    environment = {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull} | person
    process = await asyncio.create_subprocess_exec(
        "git", "-C", repository, *arguments, env=environment, stdout=PIPE, stderr=DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode().strip() if process.returncode == 0 else ""
