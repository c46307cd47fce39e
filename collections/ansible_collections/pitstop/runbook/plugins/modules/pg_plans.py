# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_plans
short_description: Assert and compare the plans of named statements, without changing a row
description:
  - Prepares each statement, explains it in a transaction that is rolled back, and judges the plan. That the planner
    prefers a sequential scan because a table is small is told apart from an index that cannot serve the statement, that
    is not there, that is invalid, or that older transactions cannot use yet.
  - A statement is one C(SELECT), C(INSERT), C(UPDATE), C(DELETE), C(MERGE) or C(VALUES). A semicolon inside is refused,
    wherever it stands, and parameters never enter the text.
  - A plan is worse than before when it was analyzed and reads more pages, by the factor O(tolerance); or when it lost
    an index or reads a table from end to end that it did not, and costs more, by that factor; or when it met its
    expectation before and does not any more. What is within a small table's worth (64 pages) is never worse.
author: The Pitstop maintainers (@pitstop)
options:
  statements:
    description: The statements.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: How the report calls it.
        type: str
        required: true
      sql:
        description:
          - The statement, with C(%s), C(%(name)s) or C($1) for its parameters, without quotes around them.
        type: str
        required: true
      params:
        description:
          - Its parameters, a list or a dictionary. Without them a text with C($1) gets a generic plan.
        type: raw
      analyze:
        description:
          - Run it as well (C(EXPLAIN ANALYZE)), and roll it back; one that only reads runs in a read-only transaction.
            Dead rows and row locks until the end of it are what a write costs.
        type: bool
        default: false
      may_advance_sequences:
        description:
          - A sequence's next value is not rolled back. So a write that draws one, or may do so in a trigger, a default
            or a function of your own, is not analyzed unless this says that it may be.
        type: bool
        default: false
      uses_index:
        description: An index that the plan should use.
        type: str
      no_sequential_scan_on:
        description: A table that the plan should not read from end to end. Of a partitioned one, any partition.
        type: str
      max_sequential_rows:
        description:
          - A table of so many rows may be read from end to end. Without it, one of 64 pages may be, where an index
            could be used and the planner prefers not to.
        type: int
      max_cost_factor:
        description: The cost is at most so many times that in O(compare_with).
        type: float
      max_buffers_factor:
        description: The pages read are at most so many times those in O(compare_with), where both were analyzed.
        type: float
  must_be_met:
    description: Whether an expectation that is not met fails. Before the repair one only looks.
    type: bool
    default: true
  compare_with:
    description: Evidence of this run with earlier plans of the same statements. A worse plan fails like a missed one.
    type: str
  tolerance:
    description: A plan is worse when it is so by more than this factor.
    type: float
    default: 1.5
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Explains without ANALYZE, and asserts nothing, since what would be built is not there yet.
"""

EXAMPLES = r"""
- name: Assert that the next folio comes by the index
  pitstop.runbook.pg_plans:
    statements:
      - name: next folio
        sql: UPDATE tenant_folios SET current_number = current_number + 1 WHERE tenant_id = %s AND series = 'A'
        params: [1]
        uses_index: tenant_folios_tenant_id_series_key
"""

RETURN = r"""
slower:
  description: A sentence for each plan that is worse than before.
  returned: always
  type: list
  elements: str
statements:
  description: What each plan is and whether it is as expected.
  returned: always
  type: list
  elements: dict
  sample:
    - name: next folio
      expectation: uses tenant_folios_tenant_id_series_key
      met: true
      why: uses tenant_folios_tenant_id_series_key
      nodes: [ModifyTable, Index Scan]
      indexes: [tenant_folios_tenant_id_series_key]
      sequential_scans: []
      cost: 8.3
      shared_buffers:
      row_error:
      kind: bound
      change: {verdict: same, why: nothing changed}
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "statements": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "sql": {"type": "str", "required": True},
            "params": {"type": "raw"},
            "analyze": {"type": "bool", "default": False},
            "may_advance_sequences": {"type": "bool", "default": False},
            "uses_index": {"type": "str"},
            "no_sequential_scan_on": {"type": "str"},
            "max_sequential_rows": {"type": "int"},
            "max_cost_factor": {"type": "float"},
            "max_buffers_factor": {"type": "float"},
        },
    },
    "must_be_met": {"type": "bool", "default": True},
    "compare_with": {"type": "str"},
    "tolerance": {"type": "float", "default": 1.5},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
