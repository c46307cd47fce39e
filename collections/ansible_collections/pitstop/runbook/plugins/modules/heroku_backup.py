# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heroku_backup
short_description: Have Heroku take a backup, and see that it is one
description:
  - Begins a backup of the app's Heroku Postgres database through the data API and waits for Heroku's own verdict.
    It must be finished, succeeded, and hold bytes.
  - A start whose answer is lost is not repeated before it was looked for, so that exactly one backup results.
  - Downloads the file, and reads its table of contents with pg_restore where one is found that is new enough.
  - Never returns or shows the links and URLs that the API gives, since they hold passwords and signatures.
author: The Pitstop maintainers (@pitstop)
options:
  directory:
    description: Folder for the downloaded file. Made, readable by nobody else, when it is absent.
    type: path
    required: true
  download:
    description: Whether to fetch the file. Without it there is no proof but Heroku's word.
    type: bool
    default: true
  bin_dir:
    description: Folder with pg_restore. By default the PATH and the folders of the usual packages are searched.
    type: path
  ca_file:
    description: Certificate authority for the download, for a Heroku that is not the real one.
    type: path
  timeout:
    description: Seconds to wait for Heroku's verdict. The backup goes on at Heroku when they are over.
    type: int
    default: 3600
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Finds the database and shows the calls.
"""

EXAMPLES = r"""
- name: Have Heroku take a backup
  pitstop.runbook.heroku_backup:
    app: invoice-bot
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
    "download": {"type": "bool", "default": True},
    "bin_dir": {"type": "path"},
    "ca_file": {"type": "path"},
    "timeout": {"type": "int", "default": 3600},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
