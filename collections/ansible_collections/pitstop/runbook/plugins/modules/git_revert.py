# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: git_revert
short_description: Revert the commits that the run has deployed
description:
  - One commit reverts them all, merge commits too; the tree is then the one that was live before, or nothing is
    changed.
  - Whatever else is changed or staged in the work tree stays as it is.
  - Does nothing when it is reverted already, nor for a promotion, which made no commits. Refuses when somebody has
    committed on top.
  - Hooks do not run, since this content has passed them before; signing is done as the repository is configured, and
    fails rather than waits for a passphrase.
author: The Pitstop maintainers (@pitstop)
options:
  repository:
    description: "The app's git checkout."
    type: path
    required: true
  force:
    description: Revert what the run has deployed although its last start was refused before it shipped anything.
    type: bool
    default: false
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says the git commands.
"""

EXAMPLES = r"""
- name: Revert the deployed commits
  pitstop.runbook.git_revert:
    repository: /srv/invoice-bot
    evidence: rollback.revert
"""

RETURN = r"""
commit:
  description: The commit that reverts them, or HEAD when there was nothing to revert.
  returned: always
  type: str
reverted:
  description: The reverted commits, newest first; also those that an earlier rollback has reverted.
  returned: always
  type: list
  elements: str
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

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    "repository": {"type": "path", "required": True},
    "force": {"type": "bool", "default": False},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
