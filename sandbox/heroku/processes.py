# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as dynos have them: a shell command in a session of its own, ended as a group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable
from pathlib import Path
from typing import cast

LINE_LIMIT = 1 << 20


async def spawn(command: str, cwd: Path, env: dict[str, str]) -> Process:
    """Start a shell command; its standard error goes where its output goes."""
    return await asyncio.create_subprocess_shell(
        command, cwd=cwd, env=env, stdout=PIPE, stderr=STDOUT, start_new_session=True, limit=LINE_LIMIT
    )


async def pump(process: Process, sink: Callable[[str], None]) -> None:
    """Give each line a process prints to ``sink`` until it closes its output."""
    async for line in cast(asyncio.StreamReader, process.stdout):
        sink(line.decode(errors="replace").rstrip("\n"))


async def run(command: str, cwd: Path, env: dict[str, str], sink: Callable[[str], None]) -> int:
    """Run a command to its end and return its exit status, as a shell would (143 for SIGTERM)."""
    process = await spawn(command, cwd, env)
    try:
        await pump(process, sink)
        return exit_status(await process.wait())
    finally:
        kill_group(process.pid, signal.SIGKILL)


def exit_status(returncode: int) -> int:
    """What a shell reports for a return code of ``asyncio``, which is negative after a signal."""
    return 128 - returncode if returncode < 0 else returncode


def kill_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a session that ``spawn`` started, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def accepts(port: int) -> bool:
    """Whether something on loopback accepts connections at this port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
