# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_fail
short_description: Note in the run why it will not reach its goal
description:
  - To be called in a C(rescue); M(pitstop.runbook.run_close) then ends the run as failed.
  - The first failure stays, what follows it is consequence.
author: The Pitstop maintainers (@pitstop)
options:
  phase:
    description: Number of the phase that failed, 0 to 5.
    type: int
    required: true
  task_name:
    description: Name of the failed task.
    type: str
    required: true
  message:
    description: What it said.
    type: str
    required: true
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: A check run's failure is noted as well, since the check fails too.
"""

EXAMPLES = r"""
- name: Note the failure
  pitstop.runbook.run_fail:
    phase: 3
    task_name: "{{ ansible_failed_task.name }}"
    message: "{{ ansible_failed_result.msg }}"
"""

RETURN = r"""
failure:
  description: The failure that stands in the run's record.
  returned: always
  type: dict
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    "phase": {"type": "int", "required": True},
    "task_name": {"type": "str", "required": True},
    "message": {"type": "str", "required": True},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
