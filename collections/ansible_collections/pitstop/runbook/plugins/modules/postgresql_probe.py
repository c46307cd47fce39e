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
  - Shows what is in the way now and may pass, such as an old transaction. What it reads is kept with the run, and asked
    by the operations that follow.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description: The tables that the run will maintain.
    type: list
    elements: str
    default: []
  max_transaction_seconds:
    description: A transaction that is open, or was prepared, for longer is shown.
    type: float
    default: 5
  max_snapshot_age:
    description: A replica or a replication slot that still sees more transactions back is shown.
    type: int
    default: 10000
  max_replica_lag_bytes:
    description: A replica that is further behind is shown.
    type: int
    default: 33554432
  max_replica_lag_seconds:
    description: A replica that is further behind is shown.
    type: float
    default: 10
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
server_started_at:
  description: When it was started, in UTC.
  returned: always
  type: str
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
has_maintain:
  description: Whether the privilege MAINTAIN exists here.
  returned: always
  type: bool
pooled:
  description: Always false, since a pooler is refused.
  returned: always
  type: bool
database:
  description: Name of the database.
  returned: always
  type: str
database_oid:
  description: Its OID.
  returned: always
  type: int
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
commands:
  description: What not every major has, of C(tid_range_scan), C(generic_plan) and C(repack_concurrently).
  returned: always
  type: list
  elements: str
replicas:
  description: How many are connected.
  returned: always
  type: int
replication_slots:
  description: How many there are.
  returned: always
  type: int
logical_slots:
  description: How many of them are logical.
  returned: always
  type: int
wal_level:
  description: The setting.
  returned: always
  type: str
max_repack_replication_slots:
  description: The setting; null before PostgreSQL 19.
  returned: always
  type: int
free_bytes:
  description: Room for new copies; null where nobody can tell.
  returned: always
  type: int
free_bytes_source:
  description: C(plan limit), C(file system) or C(unknown).
  returned: always
  type: str
plan_limit_bytes:
  description: What the Heroku plan allows; null elsewhere.
  returned: always
  type: int
data_directory:
  description: The server's folder, where it is on this machine and the role may know it; else null.
  returned: always
  type: str
probed_at:
  description: When all this was read.
  returned: always
  type: str
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
obstacles:
  description:
    - What is in the way now and may pass, each with C(gate), C(what), C(waits) and C(next_step). The operations that
      change something look again, and wait.
  returned: always
  type: list
  elements: dict
unknown:
  description: What could not be seen, with what would help.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "tables": {"type": "list", "elements": "str", "default": []},
    "max_transaction_seconds": {"type": "float", "default": 5},
    "max_snapshot_age": {"type": "int", "default": 10_000},
    "max_replica_lag_bytes": {"type": "int", "default": 33_554_432},
    "max_replica_lag_seconds": {"type": "float", "default": 10},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
