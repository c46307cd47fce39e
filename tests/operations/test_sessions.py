# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C while several sessions of one operation work: all of them stop on the server, and it is known what stopped."""

from __future__ import annotations

import os
import signal
import threading
import time

import psycopg2.errors
import pytest

from ansible_collections.pitstop.runbook.plugins.plugin_utils._crew import in_threads
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._sessions import Sessions
from ansible_collections.pitstop.runbook.plugins.plugin_utils._signals import interruptible

BLOCK = "DO $$ BEGIN PERFORM pg_sleep(60); END $$"
REWRITE = "VACUUM (FULL) invoices"
ACTIVE_SQL = "SELECT pid FROM pg_stat_activity WHERE application_name = 'ours' AND state = 'active'"
ENDED_WITHIN_S = 2.0


@pytest.fixture
def holder(every_major_owner_url: str) -> Database:
    """A session that reads ``invoices`` and does not end its transaction."""
    database = Database(every_major_owner_url, "reader")
    database.execute("CREATE TABLE invoices (id int)")
    database.execute("BEGIN")
    database.rows("SELECT FROM invoices")
    return database


def test_an_interruption_cancels_what_all_threads_have_on_the_server(
    every_major_owner_url: str, holder: Database
) -> None:
    """Ctrl-C reaches one thread only; a VACUUM FULL of another would go on, with nobody there to say so."""
    cancelled: list[str] = []
    sessions = Sessions(lambda: Database(every_major_owner_url, "ours", cancelled.append))

    def work(statement: str) -> None:
        with sessions.open() as database, pytest.raises(psycopg2.errors.QueryCanceled):
            database.execute(statement)

    interruption = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    interruption.start()
    with holder, pytest.raises(KeyboardInterrupt), interruptible():
        in_threads([BLOCK, REWRITE], work, threads=2, stop=threading.Event(), cancel_all=sessions.cancel_all)
    assert {BLOCK, REWRITE} <= set(cancelled)


@pytest.mark.parametrize("statement", [BLOCK, REWRITE])
def test_an_interruption_cancels_the_statement_of_the_only_thread(
    every_major_owner_url: str, holder: Database, statement: str
) -> None:
    """psycopg2 alone would wait for the statement's end before it heard of Ctrl-C."""
    cancelled: list[str] = []
    interruption = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    with holder, Database(every_major_owner_url, "ours", cancelled.append) as database:
        interruption.start()
        with pytest.raises(KeyboardInterrupt), interruptible():
            database.execute(statement)
        assert time.monotonic() - began < 0.5 + ENDED_WITHIN_S
        assert holder.rows(ACTIVE_SQL) == []
    assert cancelled == [statement]
