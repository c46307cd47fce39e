# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_reindex
short_description: Rebuild the indexes of tables concurrently, and analyze them
description:
  - Rebuilds index by index, the small ones first, and analyzes each table. REINDEX without CONCURRENTLY stops nearly
    every query on the table, so it is never used; exclusion constraints, which know no other, are left as they are.
  - What an earlier rebuild left behind (C(_ccnew), C(_ccold)) is dropped, and so is what a failed one leaves.
  - As a rescue, without O(tables), it acts only when the database is slow now (O(because)).
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description:
      - The tables. Without them, those that this run has repaired or whose indexes it has changed, from its evidence,
        and only with O(because).
    type: list
    elements: str
  because:
    description:
      - What says that the database is slow now; RV(pitstop.runbook.pg_plans#module:slower) and
        RV(pitstop.runbook.benchmark_compare#module:slower) do.
    type: list
    elements: str
    default: []
  max_transaction_seconds:
    description: CONCURRENTLY waits for older transactions, so one that has been open longer is waited for first.
    type: float
    default: 5
  gate_wait_seconds:
    description: How long to wait for what is in the way of a table until the rebuild is given up.
    type: float
    default: 30
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says the SQL.
"""

EXAMPLES = r"""
- name: Rebuild the indexes of a table
  pitstop.runbook.pg_reindex:
    tables: [tenant_folios]
"""

RETURN = r"""
note:
  description: Why no index is rebuilt; empty when one is.
  returned: always
  type: str
indexes:
  description: Each index that was rebuilt, with its sizes in bytes.
  returned: always
  type: list
  elements: dict
  sample:
    - name: public.tenant_folios_pkey
      table: public.tenant_folios
      size_before_bytes: 1048576
      size_after_bytes: 16384
      seconds: 0.1
tables:
  description: The tables.
  returned: always
  type: list
  elements: str
statements:
  description: The SQL.
  returned: always
  type: list
  elements: str
undone:
  description: What was done, a sentence each.
  returned: always
  type: list
  elements: str
left:
  description: What could not be done, a sentence each.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "tables": {"type": "list", "elements": "str"},
    "because": {"type": "list", "elements": "str", "default": []},
    "max_transaction_seconds": {"type": "float", "default": 5},
    "gate_wait_seconds": {"type": "float", "default": 30},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
