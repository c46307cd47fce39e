# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heroku_rollback
short_description: Bring back the release that was live before the run's deploy
description:
  - Makes a new release of the old slug, waits until it has succeeded and the dynos are up on it.
  - Waits first for builds and releases that are still going on, which could go live afterwards.
  - Does nothing when the old code is live already, and refuses when somebody else has released meanwhile. A change of
    config vars counts, since a rollback takes it away; one made between the note and the run's own release is kept.
  - Refuses when the release command has run a migration that the review says cannot go back.
author: The Pitstop maintainers (@pitstop)
options:
  force:
    description:
      - Bring the old release back although somebody else has released meanwhile, although a migration that cannot go
        back has run, or although the run's last start was refused before it shipped anything.
    type: bool
    default: false
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
    description: Says the call.
"""

EXAMPLES = r"""
- name: Bring the old release back
  pitstop.runbook.heroku_rollback:
    evidence: rollback.release
"""

RETURN = r"""
version:
  description: The version that serves afterwards.
  returned: always
  type: int
of_version:
  description: The old version that was to be brought back.
  returned: always
  type: int
commit:
  description: The commit of what serves afterwards. Null when it is not known.
  returned: always
  type: str
serves_old:
  description: Whether the old code is known to serve afterwards.
  returned: always
  type: bool
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
    "force": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 3600},
    "dynos_timeout": {"type": "int", "default": 180},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
