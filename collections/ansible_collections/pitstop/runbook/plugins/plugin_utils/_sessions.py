# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of one operation that works in several threads: opened by each, cancelled together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database


class Sessions:
    """Opens sessions with ``connect``, and knows those that are open."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._open: set[Database] = set()
        self._lock = threading.Lock()

    @contextmanager
    def open(self) -> Iterator[Database]:
        """A session of its own, closed at the end of the block."""
        with self._connect() as database:
            with self._lock:
                self._open.add(database)
            try:
                yield database
            finally:
                with self._lock:
                    self._open.discard(database)

    def cancel_all(self) -> None:
        """Cancel what each of them has under way on the server. Ctrl-C reaches the main thread alone."""
        with self._lock:
            for database in self._open:
                database.cancel()
