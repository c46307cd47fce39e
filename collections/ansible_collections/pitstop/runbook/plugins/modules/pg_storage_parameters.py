# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_storage_parameters
short_description: Keep tables' storage parameters as declared
description:
  - Compares with what is set, the TOAST table's (C(toast.…)) included, and sets only what differs.
  - Most parameters block no reads or writes while they are set. For the few that do, such as C(user_catalog_table),
    the lock is taken in short tries.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description: Table to a dictionary of parameter and value.
    type: dict
    required: true
  lock_timeout_ms:
    description: How long one try may wait for an exclusive lock, since everybody else waits behind it.
    type: int
    default: 50
  lock_attempts:
    description: Number of tries before it is given up, with the one in the way named.
    type: int
    default: 30
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says the SQL.
  diff_mode:
    support: full
    description: Shows the parameters before and after.
"""

EXAMPLES = r"""
- name: Make autovacuum more eager on a hot table
  pitstop.runbook.pg_storage_parameters:
    tables:
      tenant_folios:
        autovacuum_vacuum_scale_factor: 0.01
"""

RETURN = r"""
changes:
  description: What was changed. C(before) is null where the parameter was not set.
  returned: always
  type: list
  elements: dict
  sample:
    - {table: public.tenant_folios, parameter: autovacuum_vacuum_scale_factor, before: null, after: "0.01"}
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "tables": {"type": "dict", "required": True},
    "lock_timeout_ms": {"type": "int", "default": 50},
    "lock_attempts": {"type": "int", "default": 30},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
