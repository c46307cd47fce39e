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
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import session
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._waiters import Queue, Waiters

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

ROW_SQL = "SELECT to_jsonb(p) AS row FROM pg_catalog.{view} p WHERE pid = %(pid)s"

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
        self._waiters = Waiters(database, watched.pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.cancelled = False

    @property
    def longest_stall_ms(self) -> float:
        return self._waiters.longest_ms

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
        # One round trip for all of them: their columns differ, so rows come as JSON.
        rows_sql = " UNION ALL ".join(ROW_SQL.format(view=view["relname"]) for view in views)
        progress = Progress(began, int(views[0]["block_bytes"]))
        while not self._stop.wait(POLL_S):
            queue = self._waiters.look()
            if self._max_blocking_ms and queue.longest_ms > self._max_blocking_ms and not self.cancelled:
                self._cancel(queue)
            rows = self._database.rows(rows_sql, {"pid": self._pid})
            now = time.monotonic()
            if rows and now - began >= SAY_AFTER_S:
                self._show(progress, rows[0]["row"], now)

    def _show(self, progress: Progress, row: dict[str, Any], now: float) -> None:
        blocker = session(self._database, row["current_locker_pid"]) if row.get("current_locker_pid") else None
        self._console.progress(self._label, f"{self._label}: {progress.text(row, now, blocker)}")

    def _cancel(self, queue: Queue) -> None:
        self.cancelled = True  # before the statement's error reaches whoever asks
        self.cancelled = bool(self._database.rows(CANCEL_SQL, (self._pid, queue.query_start)))
        if self.cancelled:
            self._console.say(
                f"{self._label}: {queue.sessions} session(s) have waited up to {queue.longest_ms:.0f} ms for it,"
                f" above {self._max_blocking_ms} ms: cancelled it",
                "yellow",
            )
