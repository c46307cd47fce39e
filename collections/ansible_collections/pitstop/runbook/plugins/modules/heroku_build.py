# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heroku_build
short_description: Have Heroku build a commit from a tarball
description:
  - Uploads what C(git archive) makes of the commit and builds it with the builds API. No push remote is needed, and a
    commit that Heroku has had before is built again.
  - The build's output is shown as it comes, and its status is asked for until it has ended.
  - A build of the commit that goes on already is waited for. One that passes the deadline, or is interrupted, is
    cancelled.
  - What C(git archive) leaves out (C(export-ignore), submodules, the content of LFS files) is not built.
author: The Pitstop maintainers (@pitstop)
options:
  repository:
    description: "The app's git checkout."
    type: path
    required: true
  commit:
    description: The full id of the commit. In check mode it may be empty, when it is still to be made.
    type: str
    required: true
  timeout:
    description: Seconds for the upload, and for the build.
    type: int
    default: 1200
  undoing:
    description: Whether this undoes a deploy.
    type: bool
    default: false
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says the requests, and sends none.
"""

EXAMPLES = r"""
- name: Build on Heroku
  pitstop.runbook.heroku_build:
    repository: /srv/invoice-bot
    commit: "{{ __committed['commit'] }}"
    evidence: deploy.build
"""

RETURN = r"""
build:
  description: The build's id; null in check mode.
  returned: always
  type: str
status:
  description: Its status, C(succeeded) or C(failed), or C(pending) when it passed the deadline; null in check mode.
  returned: always
  type: str
version:
  description: Version of the release that it made; null when there is none.
  returned: always
  type: int
commit:
  description: The commit.
  returned: always
  type: str
output:
  description: What the build printed.
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
    "commit": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 1200},
    "undoing": {"type": "bool", "default": False},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
