# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_repair
short_description: Give each table the mildest remedy that pays
description:
  - Measures each table, and decides in bytes between nothing, VACUUM, REINDEX CONCURRENTLY, compacting it online,
    REPACK (CONCURRENTLY), pg_repack and VACUUM FULL, from where the waste is (heap, TOAST, indexes). Says why, and why
    not each of the others, does it, and looks at the size afterwards.
  - Before each table it looks for what could stall the app or make the work useless (old transactions, lagging
    replicas, a vacuum against wraparound, a full disk, a queue of locks), waits, then postpones the table with the
    blocker named.
  - An exclusive lock is never queued for long. A second session watches who waits for ours, and cancels ours in time.
    Nobody else's statement is ever cancelled.
  - What fails for one table is no loss to the others; at the end the operation fails and names them.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description: The tables, with their schema where they are not on the search path.
    type: list
    elements: str
    required: true
  remedies:
    description:
      - Where a person has decided otherwise. Table to V(nothing), V(vacuum), V(reindex), V(compact), V(repack),
        V(pg_repack) or V(vacuum_full). The keys are written as in O(tables). What is impossible there is postponed,
        never replaced.
    type: dict
    default: {}
  forbidden_remedies:
    description:
      - What must not be done to a table. Table to a list of remedies. The keys are written as in O(tables).
    type: dict
    default: {}
  allowed_remedies:
    description:
      - What may be chosen for any table. Add V(repack) for REPACK (CONCURRENTLY) of PostgreSQL 19, V(pg_repack) where
        that is installed.
    type: list
    elements: str
    choices: [vacuum, reindex, compact, repack, pg_repack, vacuum_full]
    default: [vacuum, reindex, compact, vacuum_full]
  min_wasted_bytes:
    description:
      - A heap, a TOAST table or an index that wastes less is left alone, whatever its percentage.
    type: int
    default: 1048576
  min_wasted_percent:
    description:
      - A heap, a TOAST table or an index is worth it when at least this share of it is waste.
    type: float
    default: 30.0
  max_lock_seconds:
    description:
      - A VACUUM FULL that is predicted to lock its table longer is not chosen. Seconds.
    type: float
    default: 1.0
  window:
    description:
      - The window for VACUUM FULL, with its time zone, such as V(Sat,Sun 23:00-02:00 America/Mexico_City). It may
        wrap midnight, and is looked at again before each table. Empty for none.
    type: str
    default: ""
  window_max_lock_seconds:
    description:
      - Inside the window, a VACUUM FULL may lock its table this long. Seconds.
    type: float
    default: 60.0
  ignore_window:
    description:
      - Act as if the window were open.
    type: bool
    default: false
  lock_timeout_ms:
    description:
      - How long one try may wait for an exclusive lock, since everybody else waits behind it. Milliseconds.
    type: int
    default: 50
  lock_attempts:
    description:
      - Number of tries before a table is postponed.
    type: int
    default: 30
  max_blocking_ms:
    description:
      - When others have waited this long for our statement, it is cancelled and the table postponed. Milliseconds, 0
        for never. Inside the window a VACUUM FULL has the whole of O(window_max_lock_seconds).
    type: int
    default: 1000
  max_transaction_seconds:
    description:
      - A transaction older than this keeps dead rows alive, and makes CONCURRENTLY wait. Seconds.
    type: float
    default: 5.0
  max_replica_lag_bytes:
    description:
      - A replica that is further behind has to catch up first. Bytes of WAL.
    type: int
    default: 33554432
  max_replica_lag_seconds:
    description:
      - A replica that is further behind has to catch up first. Seconds.
    type: float
    default: 10.0
  gate_wait_seconds:
    description:
      - How long to wait for what stands in the way to pass, before the table is postponed. Seconds.
    type: float
    default: 30.0
  parallel:
    description:
      - How many tables are repaired at a time. Never two that are locked exclusively.
    type: int
    default: 1
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Measures and decides, and says the SQL; runs none of it.
"""

EXAMPLES = r"""
- name: Repair the hot tables
  pitstop.runbook.pg_repair:
    tables: [tenant_folios, user_sessions]
    evidence: maintenance.tables
"""

RETURN = r"""
tables:
  description:
    - What was done to each table, in the order in which it ended. C(remedy) is what was decided, C(outcome) what came
      of it, one of V(done), V(nothing), V(postponed), V(failed), and V(planned) in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - name: public.tenant_folios
      remedy: vacuum_full
      outcome: done
      reason: 928.0 KiB of 944.0 KiB is waste (98 %, pgstattuple); a rewrite locks it for about 0.0 s
      expected_bytes: 950272
      lock_seconds: 0.0
      disk_bytes: 137626
      indexes: []
      considered:
        - remedy: compact
          verdict: vacuum_full comes first
          expected_bytes: 950272
          lock_seconds: 0.0
          disk_bytes: 49152
      statements:
        - VACUUM (FULL, SKIP_LOCKED) public.tenant_folios
        - VACUUM (ANALYZE, TRUNCATE false, SKIP_LOCKED) public.tenant_folios
      size_before_bytes: 1007616
      size_after_bytes: 57344
      got_back_bytes: 950272
      seconds: 0.1
      longest_stall_ms: 0.0
      attempts: 1
      blocker:
      error:
      compaction:
      waited_for: []
      changed: true
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "tables": {"type": "list", "elements": "str", "required": True},
    "remedies": {"type": "dict", "default": {}},
    "forbidden_remedies": {"type": "dict", "default": {}},
    "allowed_remedies": {
        "type": "list",
        "elements": "str",
        "choices": ["vacuum", "reindex", "compact", "repack", "pg_repack", "vacuum_full"],
        "default": ["vacuum", "reindex", "compact", "vacuum_full"],
    },
    "min_wasted_bytes": {"type": "int", "default": 1048576},
    "min_wasted_percent": {"type": "float", "default": 30.0},
    "max_lock_seconds": {"type": "float", "default": 1.0},
    "window": {"type": "str", "default": ""},
    "window_max_lock_seconds": {"type": "float", "default": 60.0},
    "ignore_window": {"type": "bool", "default": False},
    "lock_timeout_ms": {"type": "int", "default": 50},
    "lock_attempts": {"type": "int", "default": 30},
    "max_blocking_ms": {"type": "int", "default": 1000},
    "max_transaction_seconds": {"type": "float", "default": 5.0},
    "max_replica_lag_bytes": {"type": "int", "default": 33554432},
    "max_replica_lag_seconds": {"type": "float", "default": 10.0},
    "gate_wait_seconds": {"type": "float", "default": 30.0},
    "parallel": {"type": "int", "default": 1},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
