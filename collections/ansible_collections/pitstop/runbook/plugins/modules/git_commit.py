# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: git_commit
short_description: Commit the declared paths, and nothing else
description:
  - Hooks run and signing is respected, as with a commit by hand. A key that would have to be unlocked is an error.
  - What else is changed or staged stays as it is. A hook that adds other files to the commit is an error.
  - While another git holds its lock, a few seconds are waited.
author: The Pitstop maintainers (@pitstop)
options:
  repository:
    description: "The app's git checkout."
    type: path
    required: true
  paths:
    description: The paths. Those without changes are passed over.
    type: list
    elements: str
    required: true
  message:
    description: The commit's message.
    type: str
    required: true
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says the git commands.
"""

EXAMPLES = r"""
- name: Commit the fix
  pitstop.runbook.git_commit:
    repository: /srv/invoice-bot
    paths: [lib/folios.js]
    message: "perf: hand out the next folio in one statement"
    evidence: deploy.commit
"""

RETURN = r"""
commit:
  description: HEAD afterwards.
  returned: always
  type: str
parent:
  description: HEAD before.
  returned: always
  type: str
paths:
  description: The paths that were committed.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    "repository": {"type": "path", "required": True},
    "paths": {"type": "list", "elements": "str", "required": True},
    "message": {"type": "str", "required": True},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
