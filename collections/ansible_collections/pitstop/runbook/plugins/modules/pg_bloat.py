# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_bloat
short_description: Measure how much of each table is waste, in bytes
description:
  - What a table's heap, its TOAST heap and each of its B-tree indexes need, written anew, beside what they have.
  - Estimates all tables from the planner's statistics to rank them, then measures those that may waste most, with
    C(pgstattuple) (C(pgstattuple_approx) above 1 GiB) and C(pgstatindex) (up to 256 MiB) where this role may call them.
  - What can only be estimated is estimated; where the statistics for that are stale, the table gets an
    C(ANALYZE) first. Where nobody can tell, the method is C(unknown), the reason is given, the waste counts as none.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description:
      - The tables and materialized views, with their schema where they are not on the search path. A partitioned table
        stands for its leaves.
      - Empty for all of the database's.
    type: list
    elements: str
    default: []
  measured_tables:
    description: How many tables to measure, of those that may waste most. The others keep their estimate.
    type: int
    default: 20
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says which tables it would analyze, and measures as they are.
"""

EXAMPLES = r"""
- name: Measure what the hot tables waste
  pitstop.runbook.pg_bloat:
    tables: [tenant_folios, user_sessions]
    evidence: bloat-before
"""

RETURN = r"""
tables:
  description: A measure of each table; all sizes in bytes.
  returned: always
  type: list
  elements: dict
  sample:
    - name: public.tenant_folios
      total_bytes: 1007616
      heap_bytes: 966656
      index_bytes: 40960
      toast_bytes: 0
      live_bytes: 16384
      dead_bytes: 800000
      wasted_bytes: 950272
      wasted_percent: 98.3
      live_rows: 200
      dead_rows: 14000
      method: pgstattuple
      scanned_percent: 100.0
      free_bytes: 120000
      why_unknown: ""
      activity: 20400.0
      toast: null
      indexes:
        - name: public.tenant_folios_pkey
          kind: index
          size_bytes: 40960
          expected_bytes: 16384
          wasted_bytes: 24576
          wasted_percent: 60.0
          method: pgstatindex
          scanned_percent: 100.0
statements:
  description: The statements that were run, or in check mode would be, to renew stale statistics.
  returned: always
  type: list
  elements: str
  sample: ["ANALYZE (SKIP_LOCKED) public.tenant_folios"]
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "tables": {"type": "list", "elements": "str", "default": []},
    "measured_tables": {"type": "int", "default": 20},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
