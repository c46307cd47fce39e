# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pieces of work at a time, each in a thread, and all of them ended together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

CANCEL_EVERY_S = 0.5


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
    with ThreadPoolExecutor(max_workers=threads) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            while wait(futures, timeout=CANCEL_EVERY_S).not_done:
                cancel_all()
            raise
