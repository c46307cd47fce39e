# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out the steps to an index, and leaving no half-built one behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._index_names import (
    is_leftover_of,
    is_partition_index_name,
    new_name,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._index_state import Builder, PresentIndex, Step, Table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_catalogue import read_indexed_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import Patience, exclusively
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._watch import Watch

POLL_S = 0.5


@dataclass(frozen=True)
class Manners:
    """How steps behave towards others: an exclusive one has ``attempts``, each of ``lock_ms``."""

    lock_ms: int
    attempts: int


def carry_out(worker: Database, watcher: Database, step: Step, label: str, console: Console, manners: Manners) -> None:
    """Do one step. Raises LockNotObtained and psycopg2.Error."""
    if step.exclusive:
        patience = Patience(manners.attempts, console.say)
        exclusively(worker, step.sql, step.table, patience, lock_ms=manners.lock_ms)
    else:
        run_concurrently(worker, watcher, [step.sql], label, console)


def run_concurrently(
    worker: Database, watcher: Database, statements: Sequence[str], label: str, console: Console
) -> None:
    """Run CONCURRENTLY statements, one after the other, watched.

    They wait for older transactions, and a lock_timeout there would leave an INVALID index: so it is off. They block
    neither reads nor writes meanwhile.
    """
    worker.set_timeouts(lock_ms=0)
    with Watch(watcher, worker, console, label):
        for statement in statements:
            worker.execute(statement)


def wait_for_builders(database: Database, table: str, console: Console, wait_s: float) -> Builder | None:
    """Wait until nobody builds an index on the table; who still does after ``wait_s``. One can build at a time."""
    deadline = time.monotonic() + wait_s
    said = False
    while builder := _builder(database, table):
        if time.monotonic() >= deadline:
            return builder
        if not said:
            console.say(f"{table}: waits up to {wait_s:g} s for {builder.who}")
            said = True
        time.sleep(POLL_S)
    return None


def remove_invalid(database: Database, tables: Sequence[str], names: Sequence[str], *, check: bool) -> list[str]:
    """Drop what failed builds left on ``tables`` and their partitions; the names, which check mode only finds.

    That is: invalid indexes of the declared ``names`` (of their successors and their partitions' as well), and what
    PostgreSQL itself leaves of a REINDEX CONCURRENTLY of an index of that table. Where somebody builds an index just
    now, nothing is touched; a partitioned index that is not complete is completed by the next run.
    """
    found = [
        f"{member.schema}.{database.quoted(index.name)}"
        for name in tables
        for member in _members(database, name)
        if not member.builder and not member.partitioned
        for index in member.indexes
        if not index.valid and not index.bound and _is_ours(index, member, names)
    ]
    if not check:
        database.set_timeouts(lock_ms=0)
        for index_name in found:
            with database_errors(f"The half-built index {index_name} cannot be dropped"):
                database.execute(f"DROP INDEX CONCURRENTLY {index_name}")
    return found


def incomplete(database: Database, tables: Sequence[str], names: Sequence[str]) -> list[str]:
    """The declared indexes of partitioned ``tables`` that some partition still lacks."""
    return [
        f"{member.schema}.{database.quoted(index.name)}"
        for name in tables
        for member in _members(database, name)
        for index in member.indexes
        if member.partitioned and not index.valid and index.name in names
    ]


def _members(database: Database, name: str) -> list[Table]:
    try:
        return list(read_indexed_table(database, name).family())
    except PitstopError:
        return []  # a table that is not there, or has no indexes, has no leftovers: cleaning up must not fail for it


def _is_ours(index: PresentIndex, table: Table, names: Sequence[str]) -> bool:
    # After a rebuild that failed late the index itself may be gone, and its name be known from the declaration only.
    rebuilt = [*names, *(other.name for other in table.indexes if other is not index)]
    return (
        index.name in names
        or any(index.name == new_name(name) for name in names)
        or any(is_partition_index_name(index.name, table.relname, name) for name in names)
        or any(is_leftover_of(index.name, name) for name in rebuilt)
    )


def _builder(database: Database, table: str) -> Builder | None:
    return next((one.builder for one in read_indexed_table(database, table).family() if one.builder), None)
