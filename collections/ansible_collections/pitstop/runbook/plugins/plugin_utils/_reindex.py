# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebuilding the indexes of a table, one by one and CONCURRENTLY, with nothing left behind."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import GATES_OF
from ansible_collections.pitstop.runbook.plugins.module_utils._statements import rebuild
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_build import remove_invalid, run_concurrently
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import SHARED_LOCK_MS
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._safety import Gates
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import read_table

# Exclusion constraints cannot be rebuilt concurrently, and what an earlier rebuild left is dropped instead.
INDEXES_SQL = r"""
SELECT format('%%I.%%I', n.nspname, c.relname) AS name, c.oid::bigint AS oid, i.indisexclusion AS exclusion,
       pg_relation_size(c.oid) AS size_bytes
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.indrelid = %s AND c.relkind = 'i' AND NOT (c.relname ~ '_cc(new|old)[0-9]*$' AND NOT i.indisvalid)
 ORDER BY pg_relation_size(c.oid)
"""


@dataclass(frozen=True)
class TableIndexes:
    """A table with those of its indexes that can be rebuilt concurrently, the small ones first: rows of the catalogue.

    ``excluded`` are the names of the others.
    """

    row: dict[str, Any]
    indexes: tuple[dict[str, Any], ...]
    excluded: tuple[str, ...]

    @property
    def name(self) -> str:
        """The table's qualified name."""
        return str(self.row["name"])

    @property
    def statements(self) -> list[str]:
        """The SQL, in its order."""
        return [*(rebuild(index["name"]) for index in self.indexes), f"ANALYZE {self.name}"]


@dataclass(frozen=True)
class RebuiltIndex:
    """An index with its size before and after, in bytes, and the seconds that its rebuild took."""

    name: str
    table: str
    size_before_bytes: int
    size_after_bytes: int
    seconds: float


def read_indexes(database: Database, name: str) -> TableIndexes:
    """The indexes of a table. Raises PitstopError with the nearest name when there is no such table."""
    table = read_table(database, name)
    rows = database.rows(INDEXES_SQL, (table["oid"],))
    return TableIndexes(
        table,
        tuple(row for row in rows if not row["exclusion"]),
        tuple(row["name"] for row in rows if row["exclusion"]),
    )


class Reindex:
    """Rebuilds indexes over ``worker``, watched from ``watcher``, where the gates are clear."""

    def __init__(self, worker: Database, watcher: Database, gates: Gates, console: Console) -> None:
        self._worker = worker
        self._watcher = watcher
        self._gates = gates
        self._console = console

    def rebuild(self, table: TableIndexes) -> list[dict[str, Any]]:
        """Rebuild, then analyze. Raises PitstopError, with what a failed rebuild left removed."""
        for name in table.excluded:
            self._console.say(
                f"{name}: an exclusion constraint's index cannot be rebuilt concurrently, so it is left as it is"
            )
        self._wait(table)
        for name in remove_invalid(self._worker, [table.name], [], check=False):
            self._console.say(f"{name}: removed, an earlier rebuild had left it")
        rebuilt = [asdict(self._rebuild(table.name, index)) for index in table.indexes]
        self._worker.set_timeouts(lock_ms=SHARED_LOCK_MS)
        with database_errors(f"{table.name} was not analyzed", next_step=f"ANALYZE {table.name}, when it is less busy"):
            self._worker.execute(f"ANALYZE {table.name}")
        return rebuilt

    def _wait(self, table: TableIndexes) -> None:
        """The new copy of the largest index has to fit, and its WAL."""
        needed = 2 * max((index["size_bytes"] for index in table.indexes), default=0)
        obstacle = self._gates.wait_before_table(table.row, needed_bytes=needed, gates=GATES_OF["reindex"])
        if obstacle:
            raise PitstopError(
                f"The indexes of {table.name} were not rebuilt", why=obstacle.what, next_step=obstacle.next_step
            )

    def _rebuild(self, table: str, index: dict[str, Any]) -> RebuiltIndex:
        name, before, began = index["name"], index["size_bytes"], time.monotonic()
        try:
            run_concurrently(self._worker, self._watcher, [rebuild(name)], name, self._console)
        except psycopg2.Error as error:
            remove_invalid(self._watcher, [table], [], check=False)
            raise PitstopError(
                f"The index {name} was not rebuilt",
                why=f"{' '.join(str(error).split())}; the old one still serves, and nothing is left of the new one",
                next_step=rebuild(name),
            ) from error
        after = int(self._watcher.row("SELECT coalesce(pg_relation_size(%s), 0) AS size", (index["oid"],))["size"])
        done = RebuiltIndex(name, table, before, after, round(time.monotonic() - began, 2))
        self._console.say(f"{name}: {bytes_text(before)} -> {bytes_text(after)} in {seconds_text(done.seconds)}")
        return done
