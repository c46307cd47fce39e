# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_repair
short_description: Give each table the mildest remedy that pays
description:
  - Measures each table, decides in bytes between nothing, VACUUM and VACUUM FULL, says why, does it, and looks at the
    size afterwards.
  - VACUUM FULL never queues long. It takes its lock in short tries, a second session watches who waits for it, and
    a table that stays busy is postponed with the blocker named. Nobody else's statement is ever cancelled.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description: The tables, with their schema where they are not on the search path.
    type: list
    elements: str
    required: true
  remedies:
    description:
      - Table to remedy (V(nothing), V(vacuum), V(vacuum_full)), where a person has decided otherwise.
        The keys are written as in O(tables).
    type: dict
    default: {}
  min_wasted_bytes:
    description: Below this a table is left alone, whatever its percentage.
    type: int
    default: 1048576
  min_wasted_percent:
    description: A rewrite needs at least this share of the heap to be waste.
    type: float
    default: 30
  max_lock_seconds:
    description: A rewrite that would lock a table longer is not done.
    type: float
    default: 60
  rewrite_bytes_per_second:
    description: Rate at which this server rewrites a table with its indexes, to predict the lock.
    type: int
    default: 52428800
  lock_timeout_ms:
    description: How long one try may wait for its exclusive lock. Everybody else waits behind it.
    type: int
    default: 100
  lock_attempts:
    description: Number of tries before the table is postponed.
    type: int
    default: 30
  max_blocking_ms:
    description:
      - When others have waited this long for our statement, it is cancelled and the table postponed. 0 for never.
    type: int
    default: 15000
  max_transaction_seconds:
    description: A transaction older than this postpones a rewrite, since it would copy the dead rows as well.
    type: float
    default: 5
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
  description: What was done to each table, in the order in which it was done, and what came of it.
  returned: always
  type: list
  elements: dict
  sample:
    - name: public.tenant_folios
      remedy: vacuum_full
      reason: 928.0 KiB of 944.0 KiB is waste (98 %, pgstattuple); a rewrite locks it for about 0.0 s
      expected_bytes: 950272
      lock_seconds: 0.0
      statements: ["VACUUM (FULL, ANALYZE) public.tenant_folios", "VACUUM public.tenant_folios"]
      size_before_bytes: 1007616
      size_after_bytes: 57344
      got_back_bytes: 950272
      seconds: 0.1
      longest_stall_ms: 0.0
      attempts: 1
      blocker:
      changed: true
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "tables": {"type": "list", "elements": "str", "required": True},
    "remedies": {"type": "dict", "default": {}},
    "min_wasted_bytes": {"type": "int", "default": 1048576},
    "min_wasted_percent": {"type": "float", "default": 30},
    "max_lock_seconds": {"type": "float", "default": 60},
    "rewrite_bytes_per_second": {"type": "int", "default": 52428800},
    "lock_timeout_ms": {"type": "int", "default": 100},
    "lock_attempts": {"type": "int", "default": 30},
    "max_blocking_ms": {"type": "int", "default": 15000},
    "max_transaction_seconds": {"type": "float", "default": 5},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
