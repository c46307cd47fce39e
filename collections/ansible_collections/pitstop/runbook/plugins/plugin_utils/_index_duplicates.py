# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a unique index could not be built: which keys occur more than once.

The values are the app's own data. They are shown on the screen, a few and cut; columns and counts are for the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg2.errors

from ansible_collections.pitstop.runbook.plugins.module_utils._index_definition import Definition
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

SHOWN = 3
CUT = 40
COUNT_MS = 60_000


@dataclass(frozen=True)
class Duplicates:
    """``summary`` holds no data; ``lines`` do."""

    summary: str
    lines: tuple[str, ...] = ()


def find_duplicates(database: Database, table: str, definition: Definition) -> Duplicates:
    """Count the keys of ``table`` that are not unique, and take a few of them."""
    keys = ", ".join(definition.columns)
    conditions = [f"({definition.predicate})"] if definition.predicate else []
    if not definition.nulls_not_distinct:
        conditions += [f"({column}) IS NOT NULL" for column in definition.columns]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    shown = ", ".join(f"left(({column})::text, {CUT})" for column in definition.columns)
    database.set_timeouts(lock_ms=5000, statement_ms=COUNT_MS)
    try:
        rows = database.rows(
            f"SELECT key, rows, count(*) OVER () AS keys, sum(rows) OVER () AS all_rows"
            f" FROM (SELECT ARRAY[{shown}] AS key, count(*) AS rows FROM {table} {where}"
            f" GROUP BY {keys} HAVING count(*) > 1) AS twice ORDER BY rows DESC LIMIT {SHOWN}"
        )
    except psycopg2.errors.QueryCanceled:
        return Duplicates(f"({keys}) is not unique; counting the keys took longer than {COUNT_MS // 1000} s")
    if not rows:
        return Duplicates(f"({keys}) was not unique while it was built, and is now")
    lines = (f"({keys}) = ({', '.join(map(str, row['key']))}) occurs {row['rows']} times" for row in rows)
    return Duplicates(f"{rows[0]['keys']} keys of ({keys}) occur in {rows[0]['all_rows']} rows", tuple(lines))
