# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast this server writes a table anew, to predict locks: from a sample, then from our own rewrites."""

from __future__ import annotations

import threading
import time

import psycopg2

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import copy_bytes
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

INITIAL_BYTES_PER_SECOND = 50 << 20
"""For tables too small to be worth a sample: slow for any server of today."""
SAMPLE_BYTES = 8 << 20
"""A sample takes this much of the heap with its TOAST, and smaller tables go without."""
SAMPLE_MAX_MS = 10_000
LOGGED_FACTOR = 1.5
"""What a rewrite takes compared with its sample, which writes no WAL and waits for no disk (here 1.05 to 1.25)."""
LEARN_FROM_S = 0.2
"""A rewrite that was shorter says more about the server's habits than about its rate."""

# The text after "ON table", which is the same for an index on the copy.
DEFINITIONS_SQL = """
SELECT substr(pg_get_indexdef(i.indexrelid),
              length(format('CREATE %%sINDEX %%I ON %%I.%%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END,
                            x.relname, n.nspname, t.relname)) + 1) AS definition
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE i.indrelid = %s AND i.indislive
"""


class RewriteRate:
    """The rate of one run. Several threads may ask and teach it."""

    def __init__(self) -> None:
        self._correction = 1.0
        self._lock = threading.Lock()

    def of(self, database: Database, measure: Measure) -> float:
        """Bytes of the new copy a second, for one table."""
        share = SAMPLE_BYTES / max(1, measure.heap_bytes + measure.toast_bytes)
        sampled = _sampled(database, measure, share) if share < 1 else None
        return (sampled or INITIAL_BYTES_PER_SECOND) * self._correction

    def learn(self, predicted_s: float, took_s: float) -> None:
        """Correct what comes by what was: a rewrite that was predicted to take ``predicted_s``."""
        if took_s >= LEARN_FROM_S and predicted_s > 0:
            with self._lock:
                self._correction *= predicted_s / took_s


def _sampled(database: Database, measure: Measure, share: float) -> float | None:
    """From copying a ``share`` of the pages, chosen at random, into a temporary table with the same indexes; undone.

    None where that is not possible: without the right to make temporary tables, on a standby, or past its time.
    """
    definitions = [row["definition"] for row in database.rows(DEFINITIONS_SQL, (measure.oid,))]
    try:
        with database.rolled_back():
            database.execute(f"SET LOCAL statement_timeout = {SAMPLE_MAX_MS}; SET LOCAL lock_timeout = {SAMPLE_MAX_MS}")
            database.execute(f"CREATE TEMPORARY TABLE pitstop_sample (LIKE {measure.name} INCLUDING STORAGE)")
            began = time.monotonic()
            pages = f"TABLESAMPLE SYSTEM ({100 * share:.6f}) REPEATABLE (0)"
            database.execute(f"INSERT INTO pitstop_sample SELECT * FROM {measure.name} {pages}")
            for definition in definitions:
                database.execute(f"CREATE INDEX ON pitstop_sample {definition}")
            seconds = time.monotonic() - began
    except psycopg2.Error:
        return None
    return copy_bytes(measure) * share / (seconds * LOGGED_FACTOR)
