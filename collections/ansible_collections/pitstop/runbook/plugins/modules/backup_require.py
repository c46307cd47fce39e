# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_require
short_description: Refuse to go on without a young backup, or a reason in writing
description:
  - Looks for the newest backup of the app. Evidence of any run counts while its file (or its transfer at Heroku) is
    still there, and so does every good backup that Heroku has of the database, whoever had it taken.
  - In check mode a backup that the same check run has planned counts.
author: The Pitstop maintainers (@pitstop)
options:
  evidence_dir:
    description: Folder that holds the evidence of all apps.
    type: path
    required: true
  max_age:
    description: Oldest age that will do, in seconds.
    type: int
    default: 86400
  waiver:
    description:
      - Why it may be done without a backup. It is kept as the run's evidence C(backup) and shown in the report.
    type: str
    default: ""
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Reads only; a waiver is kept in the check run's temporary evidence.
"""

EXAMPLES = r"""
- name: Require a backup of the last six hours
  pitstop.runbook.backup_require:
    evidence_dir: "{{ pitstop_evidence_dir }}"
    max_age: 21600
"""

RETURN = r"""
age_seconds:
  description: Age of the newest backup, null when there is none.
  returned: always
  type: int
max_age:
  description: The oldest age that would have done.
  returned: always
  type: int
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
    "evidence_dir": {"type": "path", "required": True},
    "max_age": {"type": "int", "default": 86400},
    "waiver": {"type": "str", "default": ""},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
