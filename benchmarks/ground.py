# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground that all contenders run on: servers, four bloated tables, and fresh copies of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests import servers
from tests.operations.postgres_server import Programs, execute, running_server

DEBIAN = Path("/usr/lib/postgresql/15/bin")
# As in production, but for autovacuum: it would help one contender and not the next.
SETTINGS = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "wal_level=logical",
)
TABLES = tuple(f"invoices_{number}" for number in range(1, 5))
BYTES_PER_ROW = 330  # of table and indexes together

TABLE_SQL = """
CREATE TABLE {0} (id bigint PRIMARY KEY, tenant_id integer, created_at timestamptz, amount integer, note text)
"""
FILL_SQL = """
INSERT INTO {0} SELECT i, i % 500, timestamptz '2026-01-01' + i * interval '1 second', 0,
                      repeat(md5(i::text), 6) FROM generate_series(1, {1}) AS i
"""
INDEX_SQL = "CREATE INDEX {0}_list ON {0} (tenant_id, created_at DESC)"


@dataclass(frozen=True)
class Target:
    """A fresh copy of the bloated database: whose it is, and how it is reached."""

    owner_url: str
    superuser_url: str

    @staticmethod
    def environment(url: str) -> dict[str, str]:
        """What libpq reads from the environment, for a program such as psql."""
        parts = urlsplit(url)
        return {
            **os.environ,
            "PGHOST": str(parts.hostname),
            "PGPORT": str(parts.port),
            "PGUSER": str(parts.username),
            "PGPASSWORD": str(parts.password),
            "PGDATABASE": parts.path[1:],
        }


class Ground:
    """Servers with the bloated template database, and fresh copies of it."""

    def __init__(self, megabytes: int, stack: ExitStack) -> None:
        self._rows = megabytes * 1_000_000 // BYTES_PER_ROW
        self._stack = stack
        self._urls: dict[int, str] = {}
        self.ids = range(2, self._rows + 1, 2)

    def programs(self, major: int) -> Programs | None:
        """The server's programs; Debian's 15 where it is there, since pg_repack is made for that one."""
        return Programs(DEBIAN) if major == 15 and (DEBIAN / "pg_repack").exists() else servers.programs(major)

    def url(self, major: int) -> str:
        if major not in self._urls:
            url = self._stack.enter_context(running_server(self.programs(major), *SETTINGS))
            execute(url, "CREATE ROLE app LOGIN PASSWORD 'app'", "GRANT pg_monitor TO app")
            execute(url, "CREATE DATABASE bloated OWNER app")
            self._fill(database_of(url, "bloated"))
            self._urls[major] = url
        return self._urls[major]

    def _fill(self, url: str) -> None:
        execute(url, "CREATE EXTENSION pgstattuple", "SET ROLE app")
        for table in TABLES:
            statements = [
                TABLE_SQL,
                FILL_SQL,
                INDEX_SQL,
                "DELETE FROM {0} WHERE id % 2 = 1",
                "ALTER TABLE {0} OWNER TO app",
            ]
            execute(url, *(statement.format(table, self._rows) for statement in statements), f"VACUUM ANALYZE {table}")

    @contextmanager
    def copy(self, major: int) -> Iterator[Target]:
        """A fresh copy of the bloated database."""
        url = self.url(major)
        execute(url, "CHECKPOINT", "CREATE DATABASE fresh TEMPLATE bloated STRATEGY file_copy OWNER app", "CHECKPOINT")
        fresh = database_of(url, "fresh")
        own = urlsplit(fresh)
        owner = own._replace(netloc=f"app:app@{own.hostname}:{own.port}").geturl()
        try:
            yield Target(owner, fresh)
        finally:
            execute(url, "DROP DATABASE fresh WITH (FORCE)")


def database_of(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()
