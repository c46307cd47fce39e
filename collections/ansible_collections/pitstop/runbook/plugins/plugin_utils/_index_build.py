# SPDX-License-Identifier: GPL-3.0-or-later
"""Building indexes concurrently, and leaving no half-built one behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._watch import Watch

INVALID_SQL = r"""
SELECT format('%%I.%%I', n.nspname, c.relname) AS name, c.relname, format('%%I.%%I', n.nspname, t.relname) AS "table"
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND c.relkind = 'i'
   AND t.oid = ANY (SELECT to_regclass(x)::oid FROM unnest(%s::text[]) AS x)
   AND (c.relname = ANY (%s::text[]) OR c.relname ~ '_cc(new|old)[0-9]*$' OR c.relname ~ '_pitstop_new$')
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = t.oid)
"""


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


def remove_invalid(database: Database, tables: Sequence[str], names: Sequence[str], *, check: bool) -> list[str]:
    """Drop what failed builds left on ``tables``: invalid indexes called ``names``, and PostgreSQL's own leftovers.

    An index that somebody is building just now is not touched. Returns the names, which check mode only finds.
    """
    found: list[dict[str, Any]] = database.rows(INVALID_SQL, (list(tables), list(names)))
    if not check:
        database.set_timeouts(lock_ms=0)
        for index in found:
            with database_errors(f"The half-built index {index['name']} cannot be dropped"):
                database.execute(f"DROP INDEX CONCURRENTLY {index['name']}")
    return [str(index["name"]) for index in found]
