# SPDX-License-Identifier: GPL-3.0-or-later
"""A second session that watches a statement of ours: how far it is, and who waits for it.

When somebody has waited longer than allowed, it cancels our statement. It never cancels theirs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._progress import progress_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

POLL_S = 0.2
SAY_EVERY_S = 5.0

VIEWS_SQL = """
SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace
   AND relname IN ('pg_stat_progress_repack', 'pg_stat_progress_cluster', 'pg_stat_progress_vacuum',
                   'pg_stat_progress_create_index', 'pg_stat_progress_analyze')
 ORDER BY relname = 'pg_stat_progress_cluster', relname
"""

BLOCKED_SQL = """
SELECT count(*) AS sessions,
       coalesce(max(extract(epoch FROM clock_timestamp() - {since})), 0)::float8 * 1000 AS longest_ms
  FROM pg_stat_activity a {join}
 WHERE a.wait_event_type = 'Lock' AND %s = ANY (pg_blocking_pids(a.pid))
"""
WAITSTART_JOIN = "JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted"


class Watch:
    """Watch one session while a ``with`` block runs. Times in milliseconds.

    ``longest_stall_ms`` is the longest wait that others were seen to have behind the watched session;
    ``cancelled`` whether it was cancelled because that passed ``max_blocking_ms`` (0: never).
    """

    def __init__(
        self, database: Database, watched: Database, say: Callable[[str], None], label: str, max_blocking_ms: int = 0
    ) -> None:
        self._database = database
        self._pid = watched.pid
        self._say = say
        self._label = label
        self._max_blocking_ms = max_blocking_ms
        self._views = [row["relname"] for row in database.rows(VIEWS_SQL)]
        has_waitstart = database.server_version >= 140000
        self._blocked_sql = BLOCKED_SQL.format(
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

    def _run(self) -> None:
        began = said = time.monotonic()
        phase = ""
        while not self._stop.wait(POLL_S):
            try:
                self._look_for_blocked()
                row = self._progress()
            except psycopg2.Error as error:
                self._say(f"{self._label}: cannot watch it any more ({str(error).strip().splitlines()[0]}); it goes on")
                return
            moment = time.monotonic()
            # What ends within a second is not worth a line.
            news = row and (row.get("phase") != phase or moment - said >= SAY_EVERY_S)
            if row and news and moment - began >= 1:
                self._say(f"{self._label}: {progress_text(row, moment - began)}")
                said, phase = moment, str(row.get("phase", ""))

    def _look_for_blocked(self) -> None:
        blocked = self._database.row(self._blocked_sql, (self._pid,))
        self.longest_stall_ms = max(self.longest_stall_ms, blocked["longest_ms"])
        if self._max_blocking_ms and blocked["longest_ms"] > self._max_blocking_ms and not self.cancelled:
            self.cancelled = True
            self._say(
                f"{self._label}: {blocked['sessions']} session(s) have waited {blocked['longest_ms']:.0f} ms for it,"
                f" above {self._max_blocking_ms} ms: cancelling it"
            )
            self._database.execute("SELECT pg_cancel_backend(%s)", (self._pid,))

    def _progress(self) -> dict[str, Any] | None:
        for view in self._views:
            if rows := self._database.rows(f"SELECT * FROM pg_catalog.{view} WHERE pid = %s", (self._pid,)):
                return {**rows[0], "view": view}
        return None
