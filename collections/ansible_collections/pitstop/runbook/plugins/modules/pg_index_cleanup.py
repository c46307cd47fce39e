# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_index_cleanup
short_description: Remove what failed index builds left behind
description:
  - Drops invalid indexes of the given names (of their partitions' and successors' too), and C(_ccnew) and C(_ccold)
    leftovers of indexes of the given tables, concurrently. Where somebody builds an index just now, nothing is touched.
  - The index of a partitioned table that some partition lacks stays, for the next run to complete it.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description: The tables to look at.
    type: list
    elements: str
    required: true
  names:
    description: Names of our own indexes.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says what it would drop.
"""

EXAMPLES = r"""
- name: Leave no half-built index behind
  pitstop.runbook.pg_index_cleanup:
    tables: [tenant_customers]
    names: [idx_tenant_customer_search]
"""

RETURN = r"""
removed:
  description: Names of the indexes that were dropped.
  returned: always
  type: list
  elements: str
undone:
  description: The same as sentences.
  returned: always
  type: list
  elements: str
left:
  description: What could not be undone, a sentence each.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "tables": {"type": "list", "elements": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
