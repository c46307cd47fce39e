# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: git_probe
short_description: Prove git by using it
description:
  - Reads the work tree and who commits, and asks each remote for its branch. Refuses another branch than the one that
    is deployed, an identity that git would have to make up, a signing key that would have to be unlocked where
    C(commit.gpgsign) is set, and a remote that does not answer.
author: The Pitstop maintainers (@pitstop)
options:
  repository:
    description: "The app's git checkout."
    type: path
    required: true
  remote:
    description: The team's own remote.
    type: str
    default: origin
  branch:
    description: The branch that is deployed.
    type: str
    default: main
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Reads only, so it does the same in check mode.
"""

EXAMPLES = r"""
- name: Prove git
  pitstop.runbook.git_probe:
    repository: /srv/invoice-bot
    evidence: preflight.git
"""

RETURN = r"""
version:
  description: Git's version.
  returned: always
  type: str
repository:
  description: The work tree.
  returned: always
  type: str
branch:
  description: Its branch.
  returned: always
  type: str
head:
  description: Its commit.
  returned: always
  type: str
identity:
  description: Who commits.
  returned: always
  type: str
remotes:
  description: Remote to the commit that its branch has.
  returned: always
  type: dict
dirty:
  description: Paths that differ from HEAD.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import HEROKU, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **HEROKU,
    "repository": {"type": "path", "required": True},
    "remote": {"type": "str", "default": "origin"},
    "branch": {"type": "str", "default": "main"},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
