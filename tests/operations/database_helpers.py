# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the database operations share."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

import psycopg2


def sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in autocommit on a session of their own; the rows of the last one."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def bloat(url: str) -> None:
    """Make a table ``invoices`` of which nine rows in ten are gone."""
    sql(
        url,
        "CREATE TABLE invoices (id int PRIMARY KEY, tenant_id int NOT NULL, created_at timestamptz, note text)"
        " WITH (autovacuum_enabled = false)",
        "INSERT INTO invoices SELECT i, i % 50, now() - i * interval '1 minute', repeat('x', 200)"
        " FROM generate_series(1, 40000) i",
        "DELETE FROM invoices WHERE id % 10 <> 0",
    )


class Client:
    """A customer who asks for an invoice 50 times a second while a ``with`` block runs.

    ``longest_ms`` counts from when a question was due, so that those that queue behind a stalled one count too.
    """

    INTERVAL_S = 0.02

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url, application_name="customer")
        self._connection.autocommit = True
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.longest_ms = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _ask(self) -> None:
        due = time.monotonic()
        with self._connection.cursor() as cursor:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                cursor.execute("SELECT note FROM invoices WHERE id = 10")
                self.longest_ms = max(self.longest_ms, 1000 * (time.monotonic() - due))
                due += self.INTERVAL_S
