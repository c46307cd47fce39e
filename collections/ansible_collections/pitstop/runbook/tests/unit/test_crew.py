# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pieces of work at a time, ended together."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from ansible_collections.pitstop.runbook.plugins.plugin_utils._crew import in_threads


def test_one_at_a_time_keeps_the_order() -> None:
    """The small hot tables come first: the window may end before the large ones are done."""
    begun: list[int] = []
    in_threads(range(9), begun.append, threads=1, stop=threading.Event(), cancel_all=pytest.fail)
    assert begun == list(range(9))


def test_no_more_at_a_time_than_allowed() -> None:
    """A server is not asked for more than it was said to bear."""
    at_work: list[int] = []
    lock = threading.Lock()
    present = 0

    def work(_: int) -> None:
        nonlocal present
        with lock:
            present += 1
            at_work.append(present)
        time.sleep(0.01)
        with lock:
            present -= 1

    in_threads(range(9), work, threads=3, stop=threading.Event(), cancel_all=pytest.fail)
    assert len(at_work) == 9
    assert max(at_work) <= 3


def test_an_interruption_ends_all_of_them_and_begins_no_other() -> None:
    """Ctrl-C reaches the main thread alone: without this, VACUUM FULL would go on in the others."""
    stop = threading.Event()
    cancelled = threading.Event()
    both = threading.Barrier(2)
    begun: list[int] = []
    asked = 0

    def work(item: int) -> None:
        begun.append(item)
        if both.wait(10) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        assert cancelled.wait(10)

    def cancel_all() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:  # the first may have come before a statement had begun
            cancelled.set()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            in_threads(range(5), work, threads=2, stop=stop, cancel_all=cancel_all)
    finally:
        signal.signal(signal.SIGINT, before)
    assert stop.is_set()
    assert sorted(begun) == [0, 1]
