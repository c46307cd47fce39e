# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_dump_backup
short_description: Dump the database with pg_dump, and see that the dump can be read
description:
  - Looks at the disk's free space, then dumps in directory format, with parallel jobs, into a folder named after
    the run.
  - Reads the dump's table of contents with pg_restore. Only then the folder gets its name; nothing is left of a dump
    that failed.
  - The password travels in the environment of pg_dump, never on its command line.
  - Roles and tablespaces belong to the server, not to the database, and are not in the dump.
author: The Pitstop maintainers (@pitstop)
options:
  directory:
    description: Folder for the dump's folder. Made, readable by nobody else, when it is absent.
    type: path
    required: true
  jobs:
    description: Tables dumped at the same time, each through a connection of its own.
    type: int
    default: 2
  bin_dir:
    description:
      - Folder with pg_dump and pg_restore, not older than the server. By default the PATH and the folders of the usual
        packages are searched.
    type: path
  timeout:
    description: Seconds after which pg_dump is stopped.
    type: int
    default: 7200
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Finds the programs, looks at the free space, and shows the commands.
"""

EXAMPLES = r"""
- name: Dump the database
  pitstop.runbook.pg_dump_backup:
    directory: /var/backups/invoice-bot
    evidence: backup
"""

RETURN = r"""
method:
  description: How the backup was taken, V(heroku), V(pg_dump) or V(waived).
  returned: always
  type: str
id:
  description: Its name where it is kept, such as V(b012) at Heroku; null when there is none (yet).
  returned: always
  type: str
file:
  description: Its path on the controller, null when it was not fetched.
  returned: always
  type: str
size_bytes:
  description: Its size.
  returned: always
  type: int
taken_at:
  description: When it was begun, ISO 8601 in UTC.
  returned: always
  type: str
seconds:
  description: How long it took.
  returned: always
  type: float
verdict:
  description: V(succeeded), V(planned) in check mode, or V(waived).
  returned: always
  type: str
proof:
  description:
    - V(list) when pg_restore read its table of contents, V(none) when there is only the word of whoever took it.
  returned: always
  type: str
entries:
  description: Number of entries in its table of contents, null without proof.
  returned: always
  type: int
waiver:
  description: Why there is no backup, where one was waived.
  returned: always
  type: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "directory": {"type": "path", "required": True},
    "jobs": {"type": "int", "default": 2},
    "bin_dir": {"type": "path"},
    "timeout": {"type": "int", "default": 7200},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
