# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_close
short_description: End a run, say how it ended, and fail when it missed its goal
description:
  - Writes the final state and the hashes of all evidence, then says what happened, what was undone, what was not,
    what to do next and whom to call.
  - Fails when the run has a failure on record, also when everything was undone cleanly.
author: The Pitstop maintainers (@pitstop)
options:
  complete:
    description: Whether all phases were asked for. A part of the runbook leaves the run open for the next part.
    type: bool
    required: true
  undoing:
    description: Whether the goal was to take the run's deploy back, rather than to reach the run's own goal.
    type: bool
    default: false
  contacts:
    description: Whom to call, shown when a person has to step in. Role to name and number.
    type: dict
    default: {}
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Removes the check run's temporary evidence.
"""

EXAMPLES = r"""
- name: Close the run
  pitstop.runbook.run_close:
    complete: true
    contacts:
      DBA: Ada, +00 000
"""

RETURN = r"""
state:
  description: How the run ended.
  returned: always
  type: str
  sample: succeeded
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
    "complete": {"type": "bool", "required": True},
    "undoing": {"type": "bool", "default": False},
    "contacts": {"type": "dict", "default": {}},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
