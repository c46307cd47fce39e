# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pieces of work at a time, ended together."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from ansible_collections.pitstop.runbook.plugins.plugin_utils._crew import in_threads


def test_work_begins_in_its_order_and_as_many_at_a_time_as_allowed() -> None:
    """The small hot tables come first, and a server is not asked for more than it was said to bear."""
    begun: list[int] = []
    at_work: list[int] = []
    lock = threading.Lock()
    present = 0

    def work(item: int) -> None:
        nonlocal present
        with lock:
            begun.append(item)
            present += 1
            at_work.append(present)
        time.sleep(0.01)
        with lock:
            present -= 1

    in_threads(range(9), work, threads=3, stop=threading.Event(), cancel_all=pytest.fail)
    assert begun == list(range(9))
    assert max(at_work) <= 3


def test_an_interruption_ends_all_of_them_and_begins_no_other() -> None:
    """Ctrl-C reaches the main thread alone: without this, VACUUM FULL would go on in the others."""
    stop = threading.Event()
    cancelled = threading.Event()
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        os.kill(os.getpid(), signal.SIGINT)  # to the process, as from outside: raise_signal's is this thread's alone
        # A statement that was cancelled before it had begun is cancelled once more.
        assert cancelled.wait(10)

    asked = 0

    def cancel_all() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            cancelled.set()

    with pytest.raises(KeyboardInterrupt):
        in_threads(range(5), work, threads=2, stop=stop, cancel_all=cancel_all)
    assert stop.is_set()
    assert len(begun) <= 2
