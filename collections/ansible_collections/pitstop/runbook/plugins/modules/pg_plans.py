# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_plans
short_description: Assert the plans of named statements, without changing a row
description:
  - Explains each statement in a transaction that is rolled back, and judges the plan. That the planner prefers a
    sequential scan because a table is small is told apart from an index that cannot be used.
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
        description: The statement, with C(%s) or C(%(name)s) for its parameters.
        type: str
        required: true
      params:
        description: Its parameters, a list or a dictionary.
        type: raw
      analyze:
        description: Run it as well (C(EXPLAIN ANALYZE)); its changes are rolled back, but not a sequence's next value.
        type: bool
        default: false
      uses_index:
        description: An index that the plan should use.
        type: str
      no_sequential_scan_on:
        description: A table that the plan should not read from end to end, by its bare name.
        type: str
  must_be_met:
    description: Whether an expectation that is not met fails. Before the repair one only looks.
    type: bool
    default: true
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
            "uses_index": {"type": "str"},
            "no_sequential_scan_on": {"type": "str"},
        },
    },
    "must_be_met": {"type": "bool", "default": True},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
