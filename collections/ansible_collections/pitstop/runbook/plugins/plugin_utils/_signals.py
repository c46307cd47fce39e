# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C and a cancelled job, as an exception: so that what is held is given back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

PARENT_EVERY_S = 0.5


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into one KeyboardInterrupt, so that what the block holds is cleaned up.

    Ansible's worker dies of them at once otherwise: a script or a checkout would stay behind, and PostgreSQL would go
    on with our statement. The worker outlives a main process that was killed, so that counts as SIGTERM.
    """

    def interrupt(number: int, _frame: object) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.strsignal(number))

    def look_after_parent(parent: int) -> None:
        while not over.wait(PARENT_EVERY_S):
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    over = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, interrupt)
        threading.Thread(target=look_after_parent, args=(os.getppid(),), daemon=True).start()
        yield
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)
