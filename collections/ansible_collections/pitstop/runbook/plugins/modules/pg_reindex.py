# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_reindex
short_description: Rebuild the indexes of tables concurrently, and analyze them
description:
  - REINDEX without CONCURRENTLY stops nearly every query on the table, so it is never used.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description: The tables. Without them, those that this run has rewritten, from its evidence.
    type: list
    elements: str
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

ARGUMENT_SPEC: Spec = {**DATABASE, "tables": {"type": "list", "elements": "str"}}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
