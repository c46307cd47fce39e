# SPDX-License-Identifier: GPL-3.0-or-later
"""A watched statement: who waits for it is counted, it gives way, and nobody else's is touched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg2.errors
import pytest

from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._waiters import Queue
from ansible_collections.pitstop.runbook.plugins.plugin_utils._watch import Watch

Open = Callable[[], Database]


class Lines:
    """Stands for Ansible's Display."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, msg: str, color: str | None = None, *, screen_only: bool = False, newline: bool = True) -> None:
        self.lines.append(msg)


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def console(lines: Lines) -> Console:
    return Console(lambda: lines, "", "lines")


@pytest.fixture
def connect(every_major_owner_url: str) -> Iterator[Open]:
    """Opens sessions; the table ``invoices`` is there."""
    with ExitStack() as opened:

        def another() -> Database:
            return opened.enter_context(Database(every_major_owner_url, "test"))

        another().execute("CREATE TABLE invoices (id int)")
        yield another


@contextmanager
def waiting(database: Database, statement: str) -> Iterator[list[str]]:
    """Run a statement in a thread meanwhile; the list is what came of it."""
    came_of_it: list[str] = []

    def run() -> None:
        try:
            database.execute(statement)
            came_of_it.append("done")
        except psycopg2.Error as error:
            came_of_it.append(type(error).__name__)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    try:
        yield came_of_it
    finally:
        thread.join()


def test_a_statement_that_others_wait_for_too_long_gives_way(connect: Open, console: Console, lines: Lines) -> None:
    """Without this, customers wait as long as a repair takes."""
    ours, other, watcher = connect(), connect(), connect()
    watch = Watch(watcher, ours, console, "invoices", max_blocking_ms=500)
    ours.execute("BEGIN")
    ours.execute("LOCK TABLE invoices")
    with waiting(other, "SELECT FROM invoices") as theirs:
        with pytest.raises(psycopg2.errors.QueryCanceled), watch:
            ours.execute("SELECT pg_sleep(30)")
        ours.execute("ROLLBACK")
    assert theirs == ["done"]
    assert watch.cancelled
    assert 500 < watch.longest_stall_ms < 5000
    assert "1 session(s)" in lines.lines[0]


def test_those_behind_somebody_who_waits_for_us_count(connect: Open, console: Console) -> None:
    """A migration that waits for our index build holds up every query behind it: that is a stall of our making."""
    ours, migration, reader, watcher = (connect() for _ in range(4))
    ours.execute("BEGIN")
    ours.execute("LOCK TABLE invoices IN SHARE UPDATE EXCLUSIVE MODE")
    with (
        waiting(migration, "ALTER TABLE invoices ADD COLUMN note text"),
        waiting(reader, "SELECT FROM invoices"),
        Watch(watcher, ours, console, "invoices") as watch,
    ):
        ours.execute("SELECT pg_sleep(0.5)")
        ours.execute("ROLLBACK")
    assert watch.longest_stall_ms >= 300
    assert not watch.cancelled


def test_a_lost_watching_session_does_not_fail_the_work(connect: Open, console: Console, lines: Lines) -> None:
    """A repair must not break because the session beside it did."""
    ours, watcher, killer = connect(), connect(), connect()
    for _ in range(2):  # broken during the work, then already before it
        with Watch(watcher, ours, console, "invoices"):
            killer.rows("SELECT pg_terminate_backend(%s)", (watcher.pid,))
            ours.execute("SELECT pg_sleep(0.5)")
    assert len(lines.lines) == 2
    assert all("cannot be watched any more" in line for line in lines.lines)


def test_the_statement_after_the_watched_one_is_not_cancelled(connect: Open, console: Console) -> None:
    """A cancel that comes late must not hit what follows."""
    ours, watcher = connect(), connect()
    watch = Watch(watcher, ours, console, "invoices", max_blocking_ms=1)
    stale = ours.row("SELECT query_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")["query_start"]
    with waiting(ours, "SELECT pg_sleep(1)") as came_of_it:
        watch._cancel(Queue(1, 2.0, stale))
    assert came_of_it == ["done"]
    assert not watch.cancelled
