# SPDX-License-Identifier: GPL-3.0-or-later
"""Exclusive locks without a queue behind us: short tries with jitter, bounded, and who is in the way (rule 2)."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any

import psycopg2.errors

from ansible_collections.pitstop.runbook.plugins.module_utils._units import seconds_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

PAUSE_S = (0.3, 0.8)
"""Pause between two tries, drawn anew each time, so that two waiters do not step in time."""

HOLDERS_SQL = """
SELECT a.pid, a.application_name, a.usename, a.state, a.query,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age_s
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.relation = to_regclass(%s) AND l.granted AND a.pid <> pg_backend_pid()
 ORDER BY a.xact_start NULLS LAST
"""

OLD_SNAPSHOTS_SQL = """
SELECT a.pid, a.application_name, a.usename, a.state, a.query,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age_s
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
   AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
   AND a.xact_start < clock_timestamp() - make_interval(secs => %s)
 ORDER BY a.xact_start
"""


class LockNotObtained(Exception):
    """The table stayed busy through all tries. ``attempts`` is their number, ``blocker`` who was in the way."""

    def __init__(self, attempts: int, blocker: str) -> None:
        self.attempts = attempts
        self.blocker = blocker
        super().__init__(f"no lock in {attempts} tries; in the way: {blocker}")


def describe(session: dict[str, Any]) -> str:
    """A session in one line: pid, application, user, state, age, its statement without literals."""
    statement = re.sub(r"\s+", " ", str(session["query"] or ""))
    statement = re.sub(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b", "?", statement)[:60]
    name = session["application_name"] or "no application name"
    age = seconds_text(session["age_s"] or 0)
    return f"pid {session['pid']} ({name}, {session['usename']}, {session['state']} for {age}): {statement}"


def holders(database: Database, table: str) -> str:
    """Who holds a lock on the table, the oldest first, in one line."""
    found = database.rows(HOLDERS_SQL, (table,))
    return describe(found[0]) if found else "nobody any more"


def old_snapshot(database: Database, older_than_s: float) -> str | None:
    """The oldest transaction of the database above an age: dead rows that it may see survive a rewrite."""
    found = database.rows(OLD_SNAPSHOTS_SQL, (older_than_s,))
    return describe(found[0]) if found else None


def exclusively(
    database: Database, statement: str, table: str, *, lock_ms: int, attempts: int, say: Callable[[str], None]
) -> int:
    """Run a statement that locks ``table`` exclusively; returns the number of tries it took.

    Each try waits at most ``lock_ms``, since everybody else waits behind it. Raises LockNotObtained.
    """
    blocker = ""
    for attempt in range(1, attempts + 1):
        database.set_timeouts(lock_ms=lock_ms)
        try:
            database.execute(statement)
        except psycopg2.errors.LockNotAvailable:
            blocker = holders(database, table)
            if attempt == 1 or attempt % 10 == 0:
                say(f"{table}: busy, try {attempt} of {attempts}; in the way: {blocker}")
            time.sleep(random.uniform(*PAUSE_S))  # noqa: S311 - jitter, no secret
        else:
            return attempt
    raise LockNotObtained(attempts, blocker)
