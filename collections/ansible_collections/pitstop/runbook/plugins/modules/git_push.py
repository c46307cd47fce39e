# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: git_push
short_description: Push HEAD to a remote or to Heroku, never by force
description:
  - The remote is asked afterwards what it has, whatever git's exit code was. Heroku's build output is shown as it
    comes.
  - The API key reaches git through its environment only.
author: The Pitstop maintainers (@pitstop)
options:
  repository:
    description: "The app's git checkout."
    type: path
    required: true
  remote:
    description: Name of the remote. Without one, the app's repository on Heroku.
    type: str
  branch:
    description: The remote's branch.
    type: str
    default: main
  timeout:
    description: Seconds for the whole push, the build included.
    type: int
    default: 1200
  pending_commit:
    description: Whether check mode has planned a commit, which the push would bring along.
    type: bool
    default: false
  undoing:
    description:
      - Whether this undoes a deploy. It then pushes the commit that reverts it, and only to a remote whose
        branch has what the run has deployed; to find that out, it may fetch commits, and writes no ref.
    type: bool
    default: false
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Asks the remote what it has, and says the push.
"""

EXAMPLES = r"""
- name: Push to Heroku
  pitstop.runbook.git_push:
    repository: /srv/invoice-bot
    evidence: deploy.push_heroku
"""

RETURN = r"""
remote:
  description: Name of the remote.
  returned: always
  type: str
old:
  description: What its branch had before.
  returned: always
  type: str
new:
  description: What its branch has now.
  returned: always
  type: str
output:
  description: What the push printed.
  returned: always
  type: str
undone:
  description: What was undone, a sentence each.
  returned: always
  type: list
  elements: str
left:
  description: What could not be undone, a sentence each.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import HEROKU, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **HEROKU,
    "repository": {"type": "path", "required": True},
    "remote": {"type": "str"},
    "branch": {"type": "str", "default": "main"},
    "timeout": {"type": "int", "default": 1200},
    "pending_commit": {"type": "bool", "default": False},
    "undoing": {"type": "bool", "default": False},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
