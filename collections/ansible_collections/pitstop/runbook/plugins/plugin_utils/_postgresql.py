# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire to PostgreSQL: one session, in autocommit, with its timeouts set for the class of statement at hand."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extensions
from psycopg2.extras import RealDictCursor

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

Params = Sequence[Any] | Mapping[str, Any] | None

CONNECT_TIMEOUT_S = 10
CANCEL_WITHIN_S = 5.0
CHECK_CONNECTION_INTERVAL = "2s"
CHECK_CONNECTION_SQL = (
    "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = 'client_connection_check_interval'"
)


def _wait(connection: psycopg2.extensions.connection) -> None:
    """Wait in select(), where Ctrl-C reaches Python; an interruption cancels the statement on the server, then goes on.

    psycopg2.extras.wait_select cancels too, but swallows the interruption.
    """
    interruption: KeyboardInterrupt | None = None
    while True:
        try:
            state = connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                break
            reading = [connection.fileno()] if state == psycopg2.extensions.POLL_READ else []
            writing = [connection.fileno()] if state == psycopg2.extensions.POLL_WRITE else []
            ready = select.select(reading, writing, [], CANCEL_WITHIN_S if interruption else None)
            if not any(ready):
                break  # the network is gone: nobody should have to wait for it
        except KeyboardInterrupt as caught:
            interruption = caught
            connection.cancel()
        except psycopg2.Error:
            if interruption is None:
                raise
            break
    if interruption is not None:
        raise interruption


psycopg2.extensions.set_wait_callback(_wait)


def without_password(url: str) -> str:
    """``url`` as ``user@host:port/name``, fit to be shown."""
    parts = urlsplit(url)
    return f"{parts.username or ''}@{parts.hostname or ''}:{parts.port or 5432}{parts.path}"


class Database:
    """A session named ``application_name``. Rows come as dicts. Close it, or use it as a context manager.

    ``on_cancel`` is told of each statement that an interruption cancelled.
    """

    def __init__(self, url: str, application_name: str, on_cancel: Callable[[str], None] = lambda _: None) -> None:
        self.shown_url = without_password(url)
        self._on_cancel = on_cancel
        self._running = ""
        try:
            self.connection = psycopg2.connect(
                url,
                application_name=application_name,
                connect_timeout=CONNECT_TIMEOUT_S,
                cursor_factory=RealDictCursor,
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
        except psycopg2.Error as error:
            raise PitstopError(
                f"PostgreSQL at {self.shown_url} cannot be reached",
                why=str(error).strip().splitlines()[-1],
                next_step=f"try it by hand: psql -h {urlsplit(url).hostname} -p {urlsplit(url).port or 5432}",
            ) from None  # psycopg2's own message may hold the whole connection string
        self.connection.autocommit = True
        self._notice_a_dead_controller()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    @property
    def pid(self) -> int:
        """The server's process id of this session."""
        return int(self.connection.info.backend_pid)

    @property
    def server_version(self) -> int:
        """As server_version_num: 180001 is 18.1."""
        return int(self.connection.server_version)

    def cancel(self) -> None:
        """Cancel this session's statement on the server, from any thread."""
        if self._running and not self.connection.closed:
            self._on_cancel(self._running)
            self.connection.cancel()

    def rows(self, sql: str, params: Params = None) -> list[dict[str, Any]]:
        """All rows of a query."""
        with self.connection.cursor() as cursor:
            self._run(cursor, sql, params)
            return [dict(row) for row in cursor.fetchall()]

    def row(self, sql: str, params: Params = None) -> dict[str, Any]:
        """The first row of a query that always has one."""
        return self.rows(sql, params)[0]

    def execute(self, sql: str, params: Params = None) -> None:
        """Run a statement that returns no rows."""
        with self.connection.cursor() as cursor:
            self._run(cursor, sql, params)

    def _run(self, cursor: psycopg2.extensions.cursor, sql: str, params: Params) -> None:
        self._running = sql
        try:
            cursor.execute(sql, params)
        except KeyboardInterrupt:
            self._on_cancel(sql)
            raise
        finally:
            self._running = ""

    def set_timeouts(self, *, lock_ms: int, statement_ms: int = 0) -> None:
        """Milliseconds, 0 for none. Exclusive statements need a short lock_ms, CONCURRENTLY ones 0 (design rule 2)."""
        self.execute(
            "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false)",
            (str(lock_ms), str(statement_ms)),
        )

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """A transaction that is always rolled back."""
        self.execute("BEGIN")
        try:
            yield
        finally:
            if self.connection.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_UNKNOWN:
                self.execute("ROLLBACK")

    def _notice_a_dead_controller(self) -> None:
        """Have the server (14 and later) end our statement when our process is gone; by default it never looks."""
        with suppress(psycopg2.Error):  # a server on a platform that cannot look refuses any value but 0
            self.execute(CHECK_CONNECTION_SQL, (CHECK_CONNECTION_INTERVAL,))

    def quoted(self, identifier: str) -> str:
        """``identifier`` as PostgreSQL's quote_ident writes it: quoted only where it has to be."""
        return str(self.row("SELECT quote_ident(%s) AS quoted", (identifier,))["quoted"])


@contextmanager
def database_errors(what: str, *, next_step: str = "", partial: dict[str, Any] | None = None) -> Iterator[None]:
    """Turn the server's errors in the block into a PitstopError that says ``what`` failed."""
    try:
        yield
    except psycopg2.Error as error:
        text = " ".join(str(error).split())
        raise PitstopError(what, why=text, next_step=next_step, partial=partial) from error
