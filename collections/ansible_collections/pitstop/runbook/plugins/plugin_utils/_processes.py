# SPDX-License-Identifier: GPL-3.0-or-later
"""How a program that we started is ended: gently, with whatever it has started itself, and for good."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

GENTLY_S = 5.0
"""So long a program may take to put its things in order."""


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program that leads a process group: SIGTERM first, then SIGKILL for all that is left of the group.

    On SIGTERM git removes its lock files. What outlives its leader, such as git's helper for HTTP, would keep the pipe.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GENTLY_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
