# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-playbook, on a terminal and in a pipe: what it shows, and what an interruption leaves."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import TO_THE_END
from tests.sandbox.fixtures import PROJECT

from .database_helpers import sql

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - pitstop.runbook.pg_index:
        database_url: {url}
        indexes: [{{name: idx_note, table: invoices, columns: [note]}}]
"""
ACTIVE_SQL = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE INDEX%'"
DEADLINE_S = 30
SHOWN_FOR_S = 2.5
ENDED_WITHIN_S = 2.0


@dataclass
class Play:
    """A playbook under way, and what it has shown."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: str = ""

    def read(self, until: Callable[[], bool], seconds: float = DEADLINE_S) -> bool:
        """Read what it shows until something has come about; whether it has."""
        deadline = time.monotonic() + seconds
        while not until() and time.monotonic() < deadline:
            if select.select([self.descriptor], [], [], 0.05)[0]:
                try:
                    self.shown += os.read(self.descriptor, 65536).decode()
                except OSError:  # nobody is at the other end of the terminal any more
                    break
        return until()


@contextmanager
def playing(url: str, folder: Path, *, on_terminal: bool) -> Iterator[Play]:
    """An index build that has to wait for a writer, under way on the server."""
    (folder / "play.yml").write_text(PLAY.format(url=url))
    reading, writing = pty.openpty() if on_terminal else os.pipe()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    environment.pop("PYTHONUNBUFFERED", None)
    with closing(psycopg2.connect(url)) as writer:
        writer.cursor().execute("UPDATE invoices SET id = id")
        process = subprocess.Popen(
            ["ansible-playbook", "-i", "localhost,", "-c", "local", str(folder / "play.yml")],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
        )
        os.close(writing)
        play = Play(process, reading)
        try:
            assert play.read(lambda: sql(url, ACTIVE_SQL) == [(1,)]), play.shown
            play.read(lambda: False, SHOWN_FOR_S)
            yield play
        finally:
            process.kill()
            process.wait()
            os.close(reading)


@pytest.fixture
def invoices_url(database_url: str) -> str:
    sql(database_url, "CREATE TABLE invoices (id int, note text)", "INSERT INTO invoices VALUES (1, 'a')")
    return database_url


def test_a_terminal_shows_one_line_that_renews_itself(invoices_url: str, tmp_path: Path) -> None:
    """Whoever watches wants to see that it goes on, for whom it waits, and the decisions still on the screen."""
    with playing(invoices_url, tmp_path, on_terminal=True) as play:
        renewed = [line for line in play.shown.split("\r") if line.startswith("  localhost | idx_note: waiting")]
        assert len(renewed) > 2
        assert all(line.endswith("\x1b[K") and len(line) < 90 for line in renewed)
        assert "waits for pid" in renewed[0]
        os.killpg(play.process.pid, signal.SIGINT)
        assert play.read(lambda: "interrupted; cancelled on the server: CREATE INDEX CONCURRENTLY" in play.shown)
        assert "[ERROR]: User interrupted" in play.shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_pipe_gets_lines_and_the_last_words_of_an_interrupted_run(
    invoices_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    """A cancelled job, or a killed controller, must not leave the server at work, nor a log without an end."""
    with playing(invoices_url, tmp_path, on_terminal=False) as play:
        assert TO_THE_END not in play.shown
        assert play.shown.count("idx_note: waiting") == 1
        play.process.send_signal(number)
        assert play.read(lambda: sql(invoices_url, ACTIVE_SQL) == [(0,)], ENDED_WITHIN_S)
        assert play.read(lambda: "run the same command again" in play.shown), play.shown
