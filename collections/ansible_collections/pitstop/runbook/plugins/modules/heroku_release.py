# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heroku_release
short_description: Wait until the release of a commit has succeeded and its dynos are up
description:
  - A push exits with 0 although the release command failed, so the release's own status is asked for.
  - The release's output is shown as it comes, and kept as C(release.log) in the run's evidence.
  - It fails when the release failed or expired, when its dynos crash, and when another commit is live in the end.
author: The Pitstop maintainers (@pitstop)
options:
  commit:
    description: The commit that was pushed.
    type: str
    required: true
  after_version:
    description: The version of the release that was live before.
    type: int
    required: true
  timeout:
    description: Seconds for the release command.
    type: int
    default: 3600
  dynos_timeout:
    description: Seconds for the web dynos to come up.
    type: int
    default: 180
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Waits for nothing.
"""

EXAMPLES = r"""
- name: Wait for the release
  pitstop.runbook.heroku_release:
    commit: "{{ __committed['commit'] }}"
    after_version: 5
    evidence: deploy.release
"""

RETURN = r"""
version:
  description: The release's version; null in check mode.
  returned: always
  type: int
id:
  description: Its id; null in check mode.
  returned: always
  type: str
status:
  description: Its status; null in check mode.
  returned: always
  type: str
commit:
  description: The commit.
  returned: always
  type: str
superseded_by:
  description:
    - Version of a later release of the same commit that is live instead, such as a change of config vars; else null.
    - Its dynos are those that were waited for.
  returned: always
  type: int
dynos:
  description: The web dynos, as they were seen last.
  returned: always
  type: str
seconds:
  description: How long it took.
  returned: always
  type: float
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import HEROKU, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **HEROKU,
    "commit": {"type": "str", "required": True},
    "after_version": {"type": "int", "required": True},
    "timeout": {"type": "int", "default": 3600},
    "dynos_timeout": {"type": "int", "default": 180},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
