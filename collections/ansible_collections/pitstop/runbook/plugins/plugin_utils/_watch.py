# SPDX-License-Identifier: GPL-3.0-or-later
"""A second session that watches a statement of ours: how far it is, and who waits for it.

When somebody has waited longer than allowed, it cancels our statement. It never cancels theirs.
"""

from __future__ import annotations

import threading
import time
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

# pg_blocking_pids counts those ahead in the queue as well, so whoever waits behind a waiting statement of ours is seen.
WAITING_SQL = """
SELECT a.pid, extract(epoch FROM clock_timestamp() - {since})::float8 * 1000 AS waited_ms
  FROM pg_stat_activity a {join}
 WHERE a.wait_event_type = 'Lock' AND %s = ANY (pg_blocking_pids(a.pid))
"""
WAITSTART_JOIN = "JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted"
HAS_WAITSTART_SQL = "SELECT FROM pg_attribute WHERE attrelid = 'pg_locks'::regclass AND attname = 'waitstart'"

SESSION_SQL = """
SELECT pid, application_name, usename, state, query,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s
  FROM pg_stat_activity WHERE pid = %s
"""

CANCEL_SQL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"


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
        views = database.rows(VIEWS_SQL)
        self._views = [view["relname"] for view in views]
        self._block_bytes = int(views[0]["block_bytes"])
        has_waitstart = bool(database.rows(HAS_WAITSTART_SQL))
        self._waiting_sql = WAITING_SQL.format(
            since="l.waitstart" if has_waitstart else "a.query_start", join=WAITSTART_JOIN if has_waitstart else ""
        )
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
        began = time.monotonic()
        progress = Progress(began, self._block_bytes)
        while not self._stop.wait(POLL_S):
            try:
                self._look_for_blocked()
                row = self._row()
                blocker = self._blocker(row)
            except psycopg2.Error as error:
                why = str(error).strip().splitlines()[0]
                self._console.say(f"{self._label}: cannot be watched any more ({why}); its statement goes on", "yellow")
                return
            now = time.monotonic()
            if row and now - began >= SAY_AFTER_S:
                self._console.progress(self._label, f"{self._label}: {progress.text(row, now, blocker)}")

    def _look_for_blocked(self) -> None:
        waiting = self._database.rows(self._waiting_sql, (self._pid,))
        # Null for a moment after a wait has begun.
        longest_ms = max((session["waited_ms"] or 0.0 for session in waiting), default=0.0)
        self.longest_stall_ms = max(self.longest_stall_ms, longest_ms)
        if self._max_blocking_ms and longest_ms > self._max_blocking_ms and not self.cancelled:
            self.cancelled = True
            self._console.say(
                f"{self._label}: {len(waiting)} session(s) have waited up to {longest_ms:.0f} ms for it,"
                f" above {self._max_blocking_ms} ms: cancelling it",
                "yellow",
            )
            self._database.rows(CANCEL_SQL, (self._pid,))

    def _row(self) -> dict[str, Any] | None:
        for view in self._views:
            if rows := self._database.rows(f"SELECT * FROM pg_catalog.{view} WHERE pid = %s", (self._pid,)):
                return rows[0]
        return None

    def _blocker(self, row: dict[str, Any] | None) -> str | None:
        if not row or not row.get("current_locker_pid"):
            return None
        found = self._database.rows(SESSION_SQL, (row["current_locker_pid"],))
        return describe(found[0]) if found else None
