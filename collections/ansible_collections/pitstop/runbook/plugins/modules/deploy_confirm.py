# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_confirm
short_description: Ask the person at the terminal whether to go on
description:
  - Fails unless the answer is V(yes) or V(y); so it does where there is no terminal, and when nobody answers in time.
author: The Pitstop maintainers (@pitstop)
options:
  question:
    description: What is asked.
    type: str
    required: true
  timeout:
    description: Seconds within which it has to be answered.
    type: int
    default: 1800
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Asks nobody.
"""

EXAMPLES = r"""
- name: Ask a person
  pitstop.runbook.deploy_confirm:
    question: Ship this to invoice-bot?
    evidence: deploy.confirm
"""

RETURN = r"""
answer:
  description: What was typed; empty in check mode.
  returned: always
  type: str
seconds:
  description: How long it took.
  returned: always
  type: float
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    "question": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 1800},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
