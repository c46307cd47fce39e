# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_index
short_description: Bring about the declared indexes, built concurrently
description:
  - Tells absent, building, invalid, same and differing indexes apart by their definition as PostgreSQL prints it, and
    converges each with CREATE INDEX CONCURRENTLY and DROP INDEX CONCURRENTLY; a differing one is replaced by a new one.
  - A build that fails leaves no invalid index behind.
author: The Pitstop maintainers (@pitstop)
options:
  indexes:
    description: The indexes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, 63 bytes at most.
        type: str
        required: true
      table:
        description: Its table, with the schema where that is not on the search path.
        type: str
        required: true
      columns:
        description:
          - Columns or expressions as SQL has them, such as C(created_at DESC).
          - Needed unless O(indexes[].state=absent).
        type: list
        elements: str
      unique:
        description: Whether it is unique.
        type: bool
        default: false
      method:
        description: The access method.
        type: str
        default: btree
      include:
        description: Columns that it carries along.
        type: list
        elements: str
      where:
        description: Predicate of a partial index.
        type: str
      parameters:
        description: Storage parameters, such as C(fillfactor).
        type: dict
      state:
        description: Whether it should be there.
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description:
      - Reads and plans, and says the SQL. The definition is tried on an empty temporary table that is rolled back.
  diff_mode:
    support: full
    description: Shows the statements.
"""

EXAMPLES = r"""
- name: Serve the customer search
  pitstop.runbook.pg_index:
    indexes:
      - name: idx_tenant_customer_search
        table: tenant_customers
        columns: [tenant_id, legal_name text_pattern_ops]
    evidence: indexes
"""

RETURN = r"""
indexes:
  description: State and plan of each index. C(found) is one of absent, building, invalid, valid_same, valid_different.
  returned: always
  type: list
  elements: dict
  sample:
    - name: idx_tenant_customer_search
      table: public.tenant_customers
      found: absent
      action: create
      reason: absent
      statements: ["CREATE INDEX CONCURRENTLY …"]
      same_as:
      seconds: 3.1
      changed: true
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "indexes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "table": {"type": "str", "required": True},
            "columns": {"type": "list", "elements": "str"},
            "unique": {"type": "bool", "default": False},
            "method": {"type": "str", "default": "btree"},
            "include": {"type": "list", "elements": "str"},
            "where": {"type": "str"},
            "parameters": {"type": "dict"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
