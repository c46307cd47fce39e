# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heroku_maintenance
short_description: Turn the app's maintenance mode on, and off again
description:
  - While it is on Heroku answers in the app's place. The dynos go on, and no release is made.
  - Before the mode is turned on that is noted in C(deploy.json), so that a run that is killed is known to have done it.
  - It is turned off only when it was this run (or one before it that never ended) that turned it on. What somebody else
    has turned on is left on.
author: The Pitstop maintainers (@pitstop)
options:
  enabled:
    description: Whether the mode shall be on.
    type: bool
    required: true
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Reads the state, and says the request.
"""

EXAMPLES = r"""
- name: Let the app answer nobody
  pitstop.runbook.heroku_maintenance:
    enabled: true
    evidence: deploy.maintenance
"""

RETURN = r"""
enabled:
  description: Whether the mode is on through this run. False also when it is somebody else who has turned it on.
  returned: always
  type: bool
was:
  description: Whether the mode was on before; null when that could not be read.
  returned: always
  type: bool
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import HEROKU, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {**HEROKU, "enabled": {"type": "bool", "required": True}}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
