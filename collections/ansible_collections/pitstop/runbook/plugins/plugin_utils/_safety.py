# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at the gates, and waiting at them. Nobody else's session is ever touched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _safety as judge
from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import (
    GATES,
    RUN_GATES,
    Gate,
    GateLimits,
    Obstacle,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._units import seconds_text
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import free_for_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._locks import describe, session
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

LOOK_EVERY_S = 0.5
SAY_EVERY_S = 10.0

# The run's own sessions have our application_name. VACUUM, ours or autovacuum's, holds nobody back.
TRANSACTIONS_SQL = """
SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type) AS application_name, a.usename, a.state, a.query,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age_s
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.xact_start IS NOT NULL
   AND a.application_name <> current_setting('application_name')
   AND a.backend_type <> 'autovacuum worker' AND a.pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
 ORDER BY a.xact_start
"""

PREPARED_SQL = """
SELECT quote_literal(gid) AS gid, owner::text AS owner,
       extract(epoch FROM clock_timestamp() - prepared)::float8 AS age_s
  FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared
"""

SENDERS_SQL = """
SELECT a.pid, a.application_name, a.usename, a.state, '' AS query,
       extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS age_s, age(a.backend_xmin) AS xid_age
  FROM pg_stat_activity a WHERE a.backend_type = 'walsender' AND a.backend_xmin IS NOT NULL
"""

SLOTS_SQL = """
SELECT slot_name::text AS slot_name, active, active_pid, age(xmin) AS xid_age
  FROM pg_replication_slots WHERE xmin IS NOT NULL ORDER BY age(xmin) DESC
"""

REPLICAS_SQL = """
SELECT pid, application_name, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS lag_bytes,
       extract(epoch FROM replay_lag)::float8 AS lag_s
  FROM pg_stat_replication WHERE state IN ('catchup', 'streaming') ORDER BY replay_lsn
"""

# Without pg_monitor an autovacuum's statement is hidden; it is the only one that has a database, but no user, and
# then the table's age tells.
WRAPAROUND_SQL = """
SELECT a.pid, 'autovacuum worker' AS application_name, coalesce(a.usename, 'the server') AS usename,
       coalesce(a.state, 'active') AS state, a.query,
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS age_s,
       age(c.relfrozenxid) AS xid_age
  FROM pg_class c
  JOIN pg_locks l ON l.relation = c.oid AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
  JOIN pg_stat_activity a ON a.pid = l.pid AND a.datname = current_database()
 WHERE c.oid IN (SELECT unnest(ARRAY[t.oid, t.reltoastrelid]) FROM pg_class t WHERE t.oid = %(oid)s)
   AND (a.query LIKE 'autovacuum: %%(to prevent wraparound)'
        OR a.usesysid IS NULL AND a.backend_type IS NULL
           AND (age(c.relfrozenxid) > least(current_setting('autovacuum_freeze_max_age')::int,
                   (SELECT option_value::int FROM pg_options_to_table(c.reloptions)
                     WHERE option_name = 'autovacuum_freeze_max_age'))
                OR mxid_age(c.relminmxid) > current_setting('autovacuum_multixact_freeze_max_age')::int))
"""

QUEUE_SQL = """
SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type) AS application_name, a.usename, a.state, a.query,
       coalesce(extract(epoch FROM clock_timestamp() - a.query_start), 0)::float8 AS age_s,
       (pg_blocking_pids(a.pid))[1] AS blocking_pid
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.relation = %(oid)s AND NOT l.granted AND a.datname = current_database()
   AND a.application_name <> current_setting('application_name')
 ORDER BY a.query_start
"""

# pg_repack's names, and the advisory lock that it holds while it works: both as of 1.4 and 1.5.
LEFTOVERS_SQL = """
SELECT ARRAY(SELECT format('DROP TRIGGER %%I ON %%s;', tgname, tgrelid::regclass)
               FROM pg_trigger WHERE tgrelid = %(oid)s AND tgname IN ('z_repack_trigger', 'repack_trigger'))
       || ARRAY(SELECT format(CASE c.relkind WHEN 'c' THEN 'DROP TYPE %%I.%%I;' ELSE 'DROP TABLE %%I.%%I;' END,
                              n.nspname, c.relname)
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'repack' AND c.relkind IN ('r', 'c')
                   AND c.relname IN ('log_' || %(oid)s, 'table_' || %(oid)s, 'pk_' || %(oid)s)
                 ORDER BY c.relname) AS drops,
       EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 16185446
                  AND objid::bigint = (%(oid)s::bigint + 2147483648) %% 4294967296
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS pg_repack_at_work
"""


class Gates:
    """The gates of one database, seen from ``watcher``; ``say`` shows a line.

    ``waited`` lists what was waited for: ``gate``, ``what`` and ``seconds``.
    """

    def __init__(
        self, watcher: Database, capabilities: Capabilities, limits: GateLimits, say: Callable[[str], None]
    ) -> None:
        self._watcher = watcher
        self._capabilities = capabilities
        self._limits = limits
        self._say = say
        self.waited: list[dict[str, Any]] = []

    def before_run(self) -> list[Obstacle]:
        """What is in the way now, of the database as a whole."""
        return self._look(0, 0).at(RUN_GATES)

    def before_table(
        self, table_row: Mapping[str, Any], *, needed_bytes: int, gates: frozenset[Gate] | None = None
    ) -> list[Obstacle]:
        """What is in the way of a table now, at ``gates`` or at all of them. ``table_row`` has its ``oid``."""
        return self._look(int(table_row["oid"]), needed_bytes).at(frozenset(GATES) if gates is None else gates)

    def wait_before_table(
        self,
        table_row: Mapping[str, Any],
        *,
        needed_bytes: int,
        gates: frozenset[Gate] | None = None,
        stop: threading.Event | None = None,
    ) -> Obstacle | None:
        """Wait until nothing is in the way; None then. Else what still is when the time is over, or ``stop`` is set."""
        began = time.monotonic()
        said = -SAY_EVERY_S
        seen: dict[Gate, str] = {}
        while found := self.before_table(table_row, needed_bytes=needed_bytes, gates=gates):
            obstacle = found[0]
            waited = time.monotonic() - began
            if not obstacle.waits or waited >= self._limits.wait_s:
                break
            seen.setdefault(obstacle.gate, obstacle.what)
            if waited - said >= SAY_EVERY_S:
                said = waited
                left = seconds_text(self._limits.wait_s - waited)
                self._say(f"{table_row['name']}: waiting up to {left} more, since {obstacle.what}")
            if (stop or threading.Event()).wait(LOOK_EVERY_S):
                break
        seconds = round(time.monotonic() - began, 1)
        self.waited += [{"gate": gate, "what": what, "seconds": seconds} for gate, what in seen.items()]
        return found[0] if found else None

    def _look(self, table_oid: int, needed_bytes: int) -> _Look:
        return _Look(self._watcher, self._capabilities, self._limits, table_oid, needed_bytes)


@dataclass(frozen=True)
class _Look:
    """One look: a method for each gate."""

    database: Database
    capabilities: Capabilities
    limits: GateLimits
    table_oid: int
    needed_bytes: int

    def at(self, gates: frozenset[Gate]) -> list[Obstacle]:
        """The obstacles at ``gates``, in the order of GATES. On a replica nothing else can be asked."""
        found: list[Obstacle] = []
        for gate in GATES:
            if gate in gates:
                found += getattr(self, gate)()
            if any(obstacle.gate == "recovery" for obstacle in found):
                break
        return found

    def recovery(self) -> list[Obstacle]:
        return judge.recovery(self.database.row("SELECT pg_is_in_recovery() AS there")["there"])

    def version(self) -> list[Obstacle]:
        return judge.version(self.capabilities.server_version, self.capabilities.server_version_num)

    def leftovers(self) -> list[Obstacle]:
        return judge.leftovers(**self._of_table(LEFTOVERS_SQL)[0])

    def free_space(self) -> list[Obstacle]:
        free = free_for_table(self.database, self.capabilities, self.table_oid)
        return judge.free_space(self.needed_bytes, free, self.capabilities.free_bytes_source)

    def lock_queue(self) -> list[Obstacle]:
        waiting = self._of_table(QUEUE_SQL)
        return judge.lock_queue(
            {**_named(row), "blocker": session(self.database, row["blocking_pid"])} for row in waiting
        )

    def wraparound(self) -> list[Obstacle]:
        return judge.wraparound(_named(row) for row in self._of_table(WRAPAROUND_SQL))

    def transaction(self) -> list[Obstacle]:
        return judge.transaction((_named(row) for row in self.database.rows(TRANSACTIONS_SQL)), self.limits)

    def prepared(self) -> list[Obstacle]:
        return judge.prepared(self.database.rows(PREPARED_SQL), self.limits)

    def snapshot(self) -> list[Obstacle]:
        return judge.snapshot((_named(row) for row in self.database.rows(SENDERS_SQL)), self.limits)

    def slot(self) -> list[Obstacle]:
        return judge.slot(self.database.rows(SLOTS_SQL), self.limits)

    def replica_lag(self) -> list[Obstacle]:
        return judge.replica_lag(self.database.rows(REPLICAS_SQL), self.limits)

    def _of_table(self, sql: str) -> list[dict[str, Any]]:
        return self.database.rows(sql, {"oid": self.table_oid})


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "who": describe(row)}
