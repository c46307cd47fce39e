# SPDX-License-Identifier: GPL-3.0-or-later
"""One command at a time may change a sandbox."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.errors import SandboxError
from sandbox.paths import Paths


@contextmanager
def exclusive(paths: Paths) -> Iterator[None]:
    """Hold the sandbox's lock; the kernel frees it however the holder ends. SandboxError when another one holds it."""
    paths.root.mkdir(parents=True, exist_ok=True)
    with paths.lock.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise SandboxError(
                f"another `python -m sandbox` (pid {holder}) is at work in {paths.root}. Wait until it has ended, then "
                "run this command again; for a second sandbox set PITSTOP_SANDBOX_DIR to another folder."
            ) from None
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield
