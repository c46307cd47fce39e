# SPDX-License-Identifier: GPL-3.0-or-later
"""How others fare while a session of ours works: a second session asks a small question again and again."""

from __future__ import annotations

import threading
import time
from typing import Self

import psycopg2

from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import session
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._waiters import Waiters

POLL_S = 0.1
IDLE_PROBES = 3

PULSE_SQL = """
SELECT (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint
          FROM pg_stat_replication WHERE state IN ('streaming', 'catchup')) AS lag_bytes,
       (pg_blocking_pids(%(pid)s))[1] AS blocker
"""


class Pulse:
    """Ask while a ``with`` block runs. Times in milliseconds.

    ``slowed_ms`` is how much longer the last answer took than before the block, ``lag_bytes`` how far the last replica
    is behind (None: there is none, or it is not shown to this role), ``longest_stall_ms`` the longest wait behind
    ``watched`` that was seen, ``blocker`` who was last seen in the way of ``watched``.
    """

    def __init__(self, database: Database, watched: Database) -> None:
        self._database = database
        self._pid = watched.pid
        self._waiters = Waiters(database, watched.pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._idle_ms = 0.0
        self.slowed_ms = 0.0
        self.lag_bytes: int | None = None
        self.blocker = ""
        self.longest_probe_ms = 0.0

    @property
    def longest_stall_ms(self) -> float:
        return self._waiters.longest_ms

    def __enter__(self) -> Self:
        self._idle_ms = min(self._ask() for _ in range(IDLE_PROBES))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                took_ms = self._ask()
            except psycopg2.Error:
                return  # the work goes on without it, at the pace it has
            self.slowed_ms = max(0.0, took_ms - self._idle_ms)
            self.longest_probe_ms = max(self.longest_probe_ms, took_ms)

    def _ask(self) -> float:
        began = time.monotonic()
        row = self._database.row(PULSE_SQL, {"pid": self._pid})
        took_ms = (time.monotonic() - began) * 1000
        self.lag_bytes = row["lag_bytes"]
        if row["blocker"]:
            self.blocker = session(self._database, row["blocker"]) or self.blocker
        self._waiters.look()
        return took_ms
