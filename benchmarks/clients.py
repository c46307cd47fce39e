# SPDX-License-Identifier: GPL-3.0-or-later
"""Open-loop clients: each transaction has its scheduled time, and its latency counts from there.

A client that waits for one answer before it thinks of the next question sees a stall of six seconds as one slow
transaction. This one sees that three hundred came late, as the app's customers would.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Self

import psycopg2

READ = "SELECT amount, note FROM {} WHERE id = %s"
WRITE = "UPDATE {} SET amount = amount + 1 WHERE id = %s"


class Client:
    """One session that runs ``statement`` with a random id, ``rate`` times a second, until it is told to stop."""

    def __init__(self, url: str, statement: str, ids: Sequence[int], rate: float) -> None:
        self._url = url
        self._statement = statement
        self._ids = ids
        self._interval_s = 1 / rate
        self._ends_at = float("inf")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.latencies_s: list[float] = []
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop the schedule now. What was due before is still done, and counts."""
        self._ends_at = time.monotonic()
        self._thread.join()

    def _run(self) -> None:
        try:
            with closing(psycopg2.connect(self._url, application_name="benchmark client")) as connection:
                connection.autocommit = True
                self._work(connection)
        except psycopg2.Error as error:
            self.error = error

    def _work(self, connection: psycopg2.extensions.connection) -> None:
        randomly = random.Random(7)  # noqa: S311 - the same ids in each run
        due = time.monotonic()
        with connection.cursor() as cursor:
            while True:
                time.sleep(max(0.0, due - time.monotonic()))
                if due > self._ends_at:
                    return
                cursor.execute(self._statement, (randomly.choice(self._ids),))
                self.latencies_s.append(time.monotonic() - due)
                due += self._interval_s


class Load:
    """A reader and a writer on each table while a ``with`` block runs; all readers together are ``rate`` a second.

    One session for each table, so that a stall of one table does not pass for a stall of the next.
    """

    def __init__(self, url: str, tables: Sequence[str], ids: Sequence[int], rate: float) -> None:
        each = rate / len(tables)
        self._readers = [Client(url, READ.format(table), ids, each) for table in tables]
        self._writers = [Client(url, WRITE.format(table), ids, each) for table in tables]

    def __enter__(self) -> Self:
        for client in (*self._readers, *self._writers):
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        for client in (*self._readers, *self._writers):
            client.stop()
            if client.error:
                raise client.error

    @property
    def longest_read_s(self) -> float:
        return max(latency for client in self._readers for latency in client.latencies_s)

    @property
    def longest_write_s(self) -> float:
        return max(latency for client in self._writers for latency in client.latencies_s)

    @property
    def writes(self) -> list[int]:
        """How many transactions each table's writer has done."""
        return [len(client.latencies_s) for client in self._writers]
