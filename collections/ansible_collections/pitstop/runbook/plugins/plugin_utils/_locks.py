# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks without a queue behind us: short tries with jitter, bounded, and who is in the way (rule 2)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg2.errors

from ansible_collections.pitstop.runbook.plugins.module_utils._literals import without_literals
from ansible_collections.pitstop.runbook.plugins.module_utils._units import seconds_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

PAUSE_S = (0.3, 0.8)
"""Pause between two tries."""

SHARED_LOCK_MS = 5000
"""VACUUM, ANALYZE and most of ALTER TABLE SET block no reads or writes while they wait, so they may wait longer."""

STATISTICS_S = 2.0
"""How long the server may take to count a VACUUM: PostgreSQL 13 and 14 do so in another process."""

HOLDERS_SQL = """
SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type) AS application_name, a.usename, a.state, a.query,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age_s
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.relation = to_regclass(%s) AND l.granted AND a.pid <> pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
 ORDER BY a.xact_start NULLS LAST
"""

SESSION_SQL = """
SELECT pid, coalesce(nullif(application_name, ''), backend_type) AS application_name, usename, state, query,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s
  FROM pg_stat_activity WHERE pid = %s
"""

VACUUMS_SQL = """
SELECT pg_stat_get_vacuum_count(c) + pg_stat_get_analyze_count(c) AS count FROM CAST(to_regclass(%s) AS oid) AS c
"""


class LockNotObtained(Exception):
    """The table stayed busy through all tries. ``attempts`` is their number, ``blocker`` who was in the way."""

    def __init__(self, attempts: int, blocker: str) -> None:
        self.attempts = attempts
        self.blocker = blocker
        super().__init__(f"no lock in {attempts} tries; in the way: {blocker}")


@dataclass(frozen=True)
class Patience:
    """How often to try, where to say that it takes long, and what ends the trying."""

    attempts: int
    say: Callable[[str], None]
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Obtained:
    """A statement that got its lock: at which try, and how many seconds that try took."""

    attempt: int
    seconds: float


def jittered(between_s: tuple[float, float]) -> float:
    """A pause between two bounds, in seconds, drawn anew each time: two that wait must not step in time."""
    return random.uniform(*between_s)  # noqa: S311 - no secret


def describe(session: dict[str, Any]) -> str:
    """A session in one line: pid, application, user, state, age, its statement without literals."""
    statement = without_literals(str(session["query"] or ""))
    name = session["application_name"] or "no application name"
    age = seconds_text(session["age_s"] or 0)
    return f"pid {session['pid']} ({name}, {session['usename']}, {session['state']} for {age}): {statement}"


def session(database: Database, pid: int) -> str | None:
    """The session ``pid`` in one line; None when it has gone."""
    found = database.rows(SESSION_SQL, (pid,))
    return describe(found[0]) if found else None


def holders(database: Database, table: str) -> str:
    """Who holds a lock on the table, the oldest first, in one line."""
    found = database.rows(HOLDERS_SQL, (table,))
    return describe(found[0]) if found else "nobody any more"


def exclusively(
    database: Database,
    statement: str,
    table: str,
    patience: Patience,
    *,
    lock_ms: int,
    done: Callable[[], bool] = lambda: True,
) -> Obtained:
    """Run a statement that locks ``table`` exclusively.

    Each try waits at most ``lock_ms``, since everybody else waits behind it. ``done`` says afterwards whether the
    statement did its work: with SKIP_LOCKED it may have ended without. Raises LockNotObtained.
    """
    database.execute("SET client_min_messages = warning")
    blocker = ""
    for attempt in range(1, patience.attempts + 1):
        database.set_timeouts(lock_ms=lock_ms)
        database.connection.notices.clear()
        began = time.monotonic()
        try:
            database.execute(statement)
        except psycopg2.errors.LockNotAvailable:
            pass
        else:
            seconds = time.monotonic() - began
            if done():
                return Obtained(attempt, seconds)
        blocker = _in_the_way(database, table)
        if attempt == 1 or attempt % 10 == 0:
            patience.say(f"{table}: busy, try {attempt} of {patience.attempts}; in the way: {blocker}")
        if patience.stop.wait(jittered(PAUSE_S)):
            break
    raise LockNotObtained(attempt, blocker)


def rewritten(database: Database, statement: str, table: str, patience: Patience, *, lock_ms: int) -> Obtained:
    """Run ``VACUUM (FULL, SKIP_LOCKED)``, which never queues for ``table``, and look whether the file is a new one."""
    before = file_number(database, table)
    return exclusively(
        database, statement, table, patience, lock_ms=lock_ms, done=lambda: file_number(database, table) != before
    )


def vacuumed(database: Database, statement: str, table: str, patience: Patience) -> Obtained:
    """Run a VACUUM or ANALYZE with SKIP_LOCKED, and look whether it was skipped: that is only a warning."""
    before = _vacuums(database, table)

    def done() -> bool:
        return _grew(lambda: _vacuums(database, table), before) or not database.connection.notices

    return exclusively(database, statement, table, patience, lock_ms=SHARED_LOCK_MS, done=done)


def file_number(database: Database, table: str) -> int:
    """The number of a table's file, which every rewrite changes."""
    return int(database.row("SELECT pg_relation_filenode(to_regclass(%s)) AS number", (table,))["number"])


def _in_the_way(database: Database, table: str) -> str:
    found = holders(database, table)
    warning = " ".join(database.connection.notices).strip()
    # A VACUUM that is not permitted is skipped as well, and only the warning says so.
    return f"{found} ({warning})" if warning and found == "nobody any more" else found


def _vacuums(database: Database, table: str) -> int:
    return int(database.row(VACUUMS_SQL, (table,))["count"])


def _grew(count: Callable[[], int], before: int) -> bool:
    deadline = time.monotonic() + STATISTICS_S
    while count() <= before:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
