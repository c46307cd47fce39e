# SPDX-License-Identifier: GPL-3.0-or-later
"""A second session that watches a statement of ours: how far it is, and who waits for it.

When somebody has waited longer than allowed, it cancels our statement. It never cancels theirs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Self

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._progress import Progress
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import describe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

POLL_S = 0.1
SAY_AFTER_S = 1.0
"""What ends sooner is not worth a line."""

# In 19 pg_stat_progress_cluster is a view over pg_stat_progress_repack.
VIEWS_SQL = """
SELECT relname, current_setting('block_size')::int AS block_bytes FROM pg_class
 WHERE relnamespace = 'pg_catalog'::regnamespace
   AND relname IN ('pg_stat_progress_repack', 'pg_stat_progress_cluster', 'pg_stat_progress_vacuum',
                   'pg_stat_progress_create_index', 'pg_stat_progress_analyze')
 ORDER BY relname = 'pg_stat_progress_cluster', relname
"""

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

SESSION_SQL = """
SELECT pid, application_name, usename, state, query,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s
  FROM pg_stat_activity WHERE pid = %s
"""

# Not the statement after the one that others were seen waiting for.
CANCEL_SQL = """
SELECT pg_cancel_backend(pid) AS cancelled FROM pg_stat_activity
 WHERE pid = %s AND state = 'active' AND query_start = %s
"""


class Watch:
    """Watch one session while a ``with`` block runs. Times in milliseconds.

    ``longest_stall_ms`` is the longest wait that others were seen to have behind the watched session;
    ``cancelled`` whether it was cancelled because that passed ``max_blocking_ms`` (0: never).
    """

    def __init__(
        self, database: Database, watched: Database, console: Console, label: str, max_blocking_ms: int = 0
    ) -> None:
        self._database = database
        self._pid = watched.pid
        self._console = console
        self._label = label
        self._max_blocking_ms = max_blocking_ms
        self._first_seen: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.longest_stall_ms = 0.0
        self.cancelled = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._console.done(self._label)

    def _run(self) -> None:
        try:
            self._watch()
        except psycopg2.Error as error:
            why = (str(error).strip() or "its session is closed").splitlines()[0]
            self._console.say(f"{self._label}: cannot be watched any more ({why}); its statement goes on", "yellow")

    def _watch(self) -> None:
        began = time.monotonic()
        views = self._database.rows(VIEWS_SQL)
        progress = Progress(began, int(views[0]["block_bytes"]))
        has_waitstart = bool(self._database.rows(HAS_WAITSTART_SQL))
        waiting_sql = WAITING_SQL.format(waited_ms=WAITED_MS if has_waitstart else "NULL::float8")
        while not self._stop.wait(POLL_S):
            self._look_for_blocked(waiting_sql)
            row = self._row([view["relname"] for view in views])
            blocker = self._blocker(row)
            now = time.monotonic()
            if row and now - began >= SAY_AFTER_S:
                self._console.progress(self._label, f"{self._label}: {progress.text(row, now, blocker)}")

    def _look_for_blocked(self, waiting_sql: str) -> None:
        waiting = self._database.rows(waiting_sql, {"pid": self._pid})
        now = time.monotonic()
        self._first_seen = {session["pid"]: self._first_seen.get(session["pid"], now) for session in waiting}
        # 13 does not say since when; later ones not for a moment after a wait has begun.
        seen_ms = {pid: 1000 * (now - first) for pid, first in self._first_seen.items()}
        longest_ms = max((session["waited_ms"] or seen_ms[session["pid"]] for session in waiting), default=0.0)
        self.longest_stall_ms = max(self.longest_stall_ms, longest_ms)
        if self._max_blocking_ms and longest_ms > self._max_blocking_ms and not self.cancelled:
            self._cancel(waiting[0]["query_start"], len(waiting), longest_ms)

    def _cancel(self, query_start: object, sessions: int, longest_ms: float) -> None:
        self.cancelled = True  # before the statement's error reaches whoever asks
        self.cancelled = bool(self._database.rows(CANCEL_SQL, (self._pid, query_start)))
        if self.cancelled:
            self._console.say(
                f"{self._label}: {sessions} session(s) have waited up to {longest_ms:.0f} ms for it,"
                f" above {self._max_blocking_ms} ms: cancelled it",
                "yellow",
            )

    def _row(self, views: Sequence[str]) -> dict[str, Any] | None:
        for view in views:
            if rows := self._database.rows(f"SELECT * FROM pg_catalog.{view} WHERE pid = %s", (self._pid,)):
                return rows[0]
        return None

    def _blocker(self, row: dict[str, Any] | None) -> str | None:
        if not row or not row.get("current_locker_pid"):
            return None
        found = self._database.rows(SESSION_SQL, (row["current_locker_pid"],))
        return describe(found[0]) if found else None
