# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_index
short_description: Bring about the declared indexes, built concurrently
description:
  - Compares definitions part by part, as PostgreSQL understands them, and converges with CREATE INDEX CONCURRENTLY and
    DROP INDEX CONCURRENTLY. A differing index serves until its successor is valid; then both swap their names.
  - Where an index that is not declared has the very definition, it is renamed, which is cheaper than a second one. One
    that backs a constraint, or is declared as well, stays as it is, and no second one is built.
  - Where only storage parameters differ, they are set; pages already written keep theirs until REINDEX.
  - On a partitioned table, the parent's index is made ON ONLY, each partition's CONCURRENTLY, then attached. What an
    interrupted run has built is used.
  - An index that backs a constraint, that a foreign key needs, or that is the replica identity, is never dropped.
  - A build that fails leaves no invalid index behind. When a unique one fails, a few of the keys that occur more than
    once are shown on the screen, cut at 40 characters; the evidence has columns and counts only.
  - One that cannot be built now, since somebody else builds on that table or a transaction is too old, is postponed.
    The others are built, then the operation fails and names the blocker.
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
      nulls_not_distinct:
        description: Whether a unique one takes NULLs for equal (PostgreSQL 15 and newer).
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
  statements:
    description:
      - Named statements with their parameters, as M(pitstop.runbook.pg_plans) takes them. Where the extension HypoPG is
        installed, the planner is asked before a build whether each would use the index. Nothing depends on the answer.
    type: list
    elements: dict
    default: []
  wait_seconds:
    description: How long to wait, for each index, until nobody else builds on its table and no transaction is too old.
    type: float
    default: 60
  max_transaction_seconds:
    description: A transaction that is older is waited for before a build, which would itself wait for it.
    type: float
    default: 5
  lock_timeout_ms:
    description: How long a rename, and what else locks exclusively for a moment, may wait, since all wait behind it.
    type: int
    default: 50
  lock_attempts:
    description: How often that is tried.
    type: int
    default: 30
  unused_min_days:
    description: Indexes without a scan are reported when the statistics are at least so old.
    type: float
    default: 7
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
    description: Shows the definitions.
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
  description:
    - State and plan of each index. C(found) is one of absent, building_by_us, building, invalid, incomplete (a
      partitioned one that some partition lacks), valid_same, valid_different, same_under_another_name. C(action) is one
      of none, create, replace, rename, alter, drop. C(outcome) is one of nothing, done, postponed, failed.
  returned: always
  type: list
  elements: dict
  sample:
    - name: idx_tenant_customer_search
      table: public.tenant_customers
      found: absent
      action: create
      reason: absent
      differences: []
      statements: ["CREATE INDEX CONCURRENTLY …"]
      same_as:
      definition_before: ""
      definition_after: CREATE INDEX …
      seconds: 3.1
      changed: true
      outcome: done
      blocker: ""
      what_if: [{statement: customer search, uses: true, cost_before: 5210.0, cost_after: 8.4}]
unused:
  description: Indexes of these tables without a scan; nothing is dropped unless it is declared absent.
  returned: always
  type: list
  elements: dict
redundant:
  description: Indexes of these tables that another one serves as well; nothing is dropped unless it is declared absent.
  returned: always
  type: list
  elements: dict
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
            "nulls_not_distinct": {"type": "bool", "default": False},
            "method": {"type": "str", "default": "btree"},
            "include": {"type": "list", "elements": "str"},
            "where": {"type": "str"},
            "parameters": {"type": "dict"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "statements": {"type": "list", "elements": "dict", "default": []},
    "wait_seconds": {"type": "float", "default": 60},
    "max_transaction_seconds": {"type": "float", "default": 5},
    "lock_timeout_ms": {"type": "int", "default": 50},
    "lock_attempts": {"type": "int", "default": 30},
    "unused_min_days": {"type": "float", "default": 7},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
