# SPDX-License-Identifier: GPL-3.0-or-later
"""Compacting a table for a test, and asking what is against it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure, RelationMeasure
from ansible_collections.pitstop.runbook.plugins.module_utils._compaction import CompactionPolicy, CompactionResult
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import probe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._compact import Compaction, compaction_obstacles
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

from .database_helpers import sql

FAST = CompactionPolicy(duty=1.0)


class Console:
    """Keeps what is said, and calls ``hook`` at each step, from within the compaction."""

    def __init__(self, hook: Callable[[], object] = lambda: None) -> None:
        self.lines: list[str] = []
        self._hook = hook

    def say(self, text: str, color: str | None = None) -> None:
        self.lines.append(text)

    def progress(self, key: str, text: str) -> None:
        self.lines.append(text)
        self._hook()

    def done(self, key: str) -> None:
        pass


def compact(
    url: str,
    table: str = "public.t",
    *,
    policy: CompactionPolicy = FAST,
    console: Console | None = None,
    stop: threading.Event | None = None,
    expected_bytes: int | None = None,
) -> CompactionResult:
    """Compact a table with a measure of what its rows need."""
    with Database(url, "pitstop:test") as worker, Database(url, "pitstop:test") as watcher:
        return Compaction(
            worker,
            watcher,
            table,
            measured(url, table, expected_bytes),
            policy,
            cast(Any, console or Console()),
            stop or threading.Event(),
            probe(worker, None),
        ).run()


def measured(url: str, table: str, expected_bytes: int | None = None) -> Measure:
    [(oid, size)] = sql(url, f"SELECT '{table}'::regclass::oid::bigint, pg_relation_size('{table}')")
    if expected_bytes is None:
        expected_bytes = copied_bytes(url, table)
    heap = RelationMeasure(table, "heap", size, expected_bytes, method="pgstattuple", scanned_percent=100.0)
    return Measure(name=table, oid=oid, heap=heap, toast=None, indexes=(), total_bytes=size)


def copied_bytes(url: str, table: str) -> int:
    """What a new copy of the table's heap takes, fillfactor and column storage as they are."""
    [(oid,)] = sql(url, f"SELECT '{table}'::regclass::oid::bigint")
    copy = f"copy_of_{oid}"
    [(with_,)] = sql(
        url,
        f"SELECT coalesce((SELECT 'WITH (' || o || ')' FROM unnest(reloptions) o WHERE o LIKE 'fillfactor=%'), '')"
        f" FROM pg_class WHERE oid = {oid}",
    )
    [(size,)] = sql(
        url,
        f"CREATE TABLE {copy} (LIKE {table} INCLUDING STORAGE) {with_}",
        f"INSERT INTO {copy} SELECT * FROM {table}",
        f"SELECT pg_relation_size('{copy}')",
    )
    sql(url, f"DROP TABLE {copy}")
    return int(size)


def obstacles(url: str, table: str = "t") -> tuple[str, ...]:
    with Database(url, "pitstop:test") as database:
        oid = database.row("SELECT to_regclass(%s)::oid::bigint AS oid", (table,))["oid"]
        return compaction_obstacles(database, oid)
