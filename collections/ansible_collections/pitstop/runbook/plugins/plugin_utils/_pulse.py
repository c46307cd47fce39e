# SPDX-License-Identifier: GPL-3.0-or-later
"""How others fare while a session of ours works: a second session asks a small question again and again."""

from __future__ import annotations

import threading
import time
from typing import Self

import psycopg2

from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import describe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

POLL_S = 0.1
IDLE_PROBES = 3

PULSE_SQL = """
SELECT coalesce((SELECT max(extract(epoch FROM clock_timestamp() - a.state_change))::float8 * 1000
                   FROM pg_stat_activity a
                  WHERE a.wait_event_type = 'Lock' AND %(pid)s = ANY (pg_blocking_pids(a.pid))), 0) AS stall_ms,
       (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint
          FROM pg_stat_replication WHERE state IN ('streaming', 'catchup')) AS lag_bytes,
       (pg_blocking_pids(%(pid)s))[1] AS blocker
"""
BLOCKER_SQL = """
SELECT pid, application_name, usename, state, query,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s
  FROM pg_stat_activity WHERE pid = %s
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
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._idle_ms = 0.0
        self.slowed_ms = 0.0
        self.lag_bytes: int | None = None
        self.blocker = ""
        self.longest_stall_ms = 0.0
        self.longest_probe_ms = 0.0

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
        self.longest_stall_ms = max(self.longest_stall_ms, row["stall_ms"])
        self.lag_bytes = row["lag_bytes"]
        took_ms = (time.monotonic() - began) * 1000
        if row["blocker"] and (found := self._database.rows(BLOCKER_SQL, (row["blocker"],))):
            self.blocker = describe(found[0])
        return took_ms
