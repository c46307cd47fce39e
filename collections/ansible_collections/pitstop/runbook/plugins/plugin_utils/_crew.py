# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pieces of work at a time, each in a thread, and all of them ended together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

LOOK_EVERY_S = 0.5


def in_threads[T](
    items: Iterable[T],
    work: Callable[[T], None],
    *,
    threads: int,
    stop: threading.Event,
    cancel_all: Callable[[], None],
) -> None:
    """Do ``work`` on each item, begun in their order, ``threads`` at a time.

    An interruption of the main thread, or an error of one piece, ends all: no other begins, ``stop`` is set, and what
    runs on the server is cancelled until every thread has seen it. Then it is raised.
    """
    all_there = threading.Event()

    def piece(item: T) -> None:
        all_there.wait()
        if not stop.is_set():
            work(item)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        futures: list[Future[None]] = []
        try:
            # An interruption in the middle of this finds none at work that is not yet known.
            futures += [pool.submit(piece, item) for item in items]
            all_there.set()
            _look_until_done(futures)
        except BaseException:
            stop.set()
            all_there.set()
            while wait(futures, timeout=LOOK_EVERY_S).not_done:
                cancel_all()
            raise


def _look_until_done(futures: list[Future[None]]) -> None:
    """Wait for all, or raise the first error.

    In short waits: the kernel may give a signal to another thread, and the main thread sees it only when it wakes up.
    """
    not_done = set(futures)
    while not_done:
        done, not_done = wait(not_done, timeout=LOOK_EVERY_S, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
