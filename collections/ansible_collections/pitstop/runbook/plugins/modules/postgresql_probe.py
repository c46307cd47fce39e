# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_probe
short_description: Prove the app's PostgreSQL by using it
description:
  - Reads what the server and the role can do. Refuses a pooler's URL, a server in recovery, PostgreSQL before 13,
    14.0 to 14.3 (their CONCURRENTLY misses rows), a table that is not there, and tables the role may not maintain.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description: The tables that the run will maintain.
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
    description: Reads only, so it does the same in check mode.
"""

EXAMPLES = r"""
- name: Prove the database
  pitstop.runbook.postgresql_probe:
    tables: [tenant_folios]
    evidence: preflight.database
"""

RETURN = r"""
server_version:
  description: Such as 18.6.
  returned: always
  type: str
server_version_num:
  description: Such as 180006.
  returned: always
  type: int
in_recovery:
  description: Always false, since a replica is refused.
  returned: always
  type: bool
role:
  description: The role.
  returned: always
  type: str
is_superuser:
  description: Whether it is a superuser.
  returned: always
  type: bool
member_of:
  description: The predefined roles whose rights it has.
  returned: always
  type: list
  elements: str
database:
  description: Name of the database.
  returned: always
  type: str
size_bytes:
  description: Its size.
  returned: always
  type: int
extensions:
  description: Installed extensions and their versions.
  returned: always
  type: dict
available:
  description:
    - Extensions of interest that are not installed, each with its C(version), and C(creatable) for whether this role
      may install it.
  returned: always
  type: dict
functions:
  description: Functions of pgstattuple with their schema, and whether the role may call each.
  returned: always
  type: dict
settings:
  description: Settings in force that the work depends on.
  returned: always
  type: dict
pgstattuple:
  description: Whether bloat can be measured rather than estimated.
  returned: always
  type: bool
tables:
  description: The tables, each with C(name), C(owner), C(owned) and C(maintainable).
  returned: always
  type: list
  elements: dict
plan:
  description: Name and limits of the Heroku plan; null elsewhere.
  returned: always
  type: dict
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {**DATABASE, "tables": {"type": "list", "elements": "str", "default": []}}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
