# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare repository of each app, with the hook that makes a push a build."""

from __future__ import annotations

import asyncio
import shlex
import sys
from asyncio.subprocess import DEVNULL
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
