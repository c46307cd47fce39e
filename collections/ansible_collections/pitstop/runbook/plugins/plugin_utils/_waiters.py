# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits because of a session of ours, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

# pg_blocking_pids counts those ahead in the queue as well, so whoever waits behind a waiting statement of ours is seen;
# the recursion sees those who wait behind these. pg_locks shows the waits of all roles, unlike pg_stat_activity.
WAITING_SQL = """
WITH RECURSIVE waiting AS MATERIALIZED (
    SELECT l.pid, pg_blocking_pids(l.pid) AS blockers, {waited_ms} AS waited_ms FROM pg_locks l WHERE NOT l.granted
), behind AS (
    SELECT pid, waited_ms FROM waiting WHERE %(pid)s = ANY (blockers)
     UNION SELECT w.pid, w.waited_ms FROM waiting w JOIN behind b ON b.pid = ANY (w.blockers)
)
SELECT b.pid, max(b.waited_ms)::float8 AS waited_ms,
       (SELECT query_start FROM pg_stat_activity WHERE pid = %(pid)s) AS query_start
  FROM behind b WHERE b.pid <> %(pid)s GROUP BY b.pid
"""
WAITED_MS = "extract(epoch FROM clock_timestamp() - l.waitstart) * 1000"
HAS_WAITSTART_SQL = "SELECT FROM pg_attribute WHERE attrelid = 'pg_locks'::regclass AND attname = 'waitstart'"


@dataclass(frozen=True)
class Queue:
    """One look: how many sessions wait, how long the longest has, and since when our statement runs."""

    sessions: int = 0
    longest_ms: float = 0.0
    query_start: datetime | None = None


class Waiters:
    """Looks from ``database`` for those who wait because of the session ``pid``. ``longest_ms`` is the most seen."""

    def __init__(self, database: Database, pid: int) -> None:
        self._database = database
        self._pid = pid
        self._sql = ""
        self._first_seen: dict[int, float] = {}
        self.longest_ms = 0.0

    def look(self) -> Queue:
        """Who waits now."""
        if not self._sql:
            has_waitstart = bool(self._database.rows(HAS_WAITSTART_SQL))
            self._sql = WAITING_SQL.format(waited_ms=WAITED_MS if has_waitstart else "NULL::float8")
        waiting = self._database.rows(self._sql, {"pid": self._pid})
        now = time.monotonic()
        self._first_seen = {session["pid"]: self._first_seen.get(session["pid"], now) for session in waiting}
        if not waiting:
            return Queue()
        # 13 does not say since when; later ones not for a moment after a wait has begun.
        seen_ms = {pid: 1000 * (now - first) for pid, first in self._first_seen.items()}
        longest_ms = max(session["waited_ms"] or seen_ms[session["pid"]] for session in waiting)
        self.longest_ms = max(self.longest_ms, longest_ms)
        return Queue(len(waiting), longest_ms, waiting[0]["query_start"])
