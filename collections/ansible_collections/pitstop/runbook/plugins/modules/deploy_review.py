# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_review
short_description: Look at what a deploy would ship, and refuse what must not be shipped
description:
  - Reads the live release and the work tree, and shows the diff and the commits that are not deployed yet.
  - Refuses while somebody else deploys, a work tree on another branch or with changes that are not declared, a HEAD
    that would lose what is live, and a diff with conflict markers or with what looks like a secret.
  - Changes nothing.
author: The Pitstop maintainers (@pitstop)
options:
  repository:
    description: "The app's git checkout."
    type: path
    required: true
  branch:
    description: The branch that is deployed.
    type: str
    default: main
  paths:
    description: The paths that may have uncommitted changes; these are what M(pitstop.runbook.git_commit) commits.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Reads only, so it does the same in check mode.
  diff_mode:
    support: full
    description: Shows the diff that would be shipped.
"""

EXAMPLES = r"""
- name: Show what will be shipped
  pitstop.runbook.deploy_review:
    repository: /srv/invoice-bot
    paths: [lib/folios.js]
    evidence: deploy.review
"""

RETURN = r"""
live:
  description: The live release.
  returned: always
  type: dict
  sample: {version: 5, id: 01234567-89ab-cdef-0123-456789abcdef, commit: 1f4c892e…, created_at: "2026-11-24T06:58:38Z"}
restore:
  description:
    - The release that a rollback of this run brings back, keys as in RV(live). A run that is started again keeps what
      it found first, as long as what is live is its own.
  returned: always
  type: dict
base_commit:
  description: HEAD before the deploy.
  returned: always
  type: str
files:
  description: The declared paths that have changes.
  returned: always
  type: list
  elements: str
commits:
  description: Commits that are not deployed yet, C(id) and C(subject).
  returned: always
  type: list
  elements: dict
needed:
  description: Whether there is anything to deploy.
  returned: always
  type: bool
patch:
  description: The diff of the declared paths, whole.
  returned: always
  type: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import HEROKU, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **HEROKU,
    "repository": {"type": "path", "required": True},
    "branch": {"type": "str", "default": "main"},
    "paths": {"type": "list", "elements": "str", "default": []},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
