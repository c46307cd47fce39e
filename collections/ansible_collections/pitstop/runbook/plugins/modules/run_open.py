# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_open
short_description: Open a run, or join the app's open one
description:
  - Makes the run's evidence folder, where every other operation leaves its result.
  - In check mode the folder is a temporary one, which M(pitstop.runbook.run_close) removes.
author: The Pitstop maintainers (@pitstop)
options:
  app_name:
    description: Name of the app, as its folder in the evidence is called.
    type: str
    required: true
  evidence_dir:
    description: Folder that holds the evidence of all apps. Made when it is absent.
    type: path
    required: true
  join:
    description: Join the app's open run where there is one, as a part of the runbook that is run alone does.
    type: bool
    default: false
  rejoin:
    description: Id of an earlier run to go on with, closed or not; V(last) for the app's newest one.
    type: str
  labels:
    description: Facts to keep in C(run.json), such as the round trip to the database.
    type: dict
    default: {}
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Evidence goes to a temporary folder.
"""

EXAMPLES = r"""
- name: Open the run
  pitstop.runbook.run_open:
    app_name: invoice-bot
    evidence_dir: "{{ playbook_dir }}/evidence"
  register: __run_opened
"""

RETURN = r"""
run:
  description: The run, to be kept in the variable C(pitstop_run).
  returned: always
  type: dict
  contains:
    id: {description: Its id., type: str, returned: always}
    app: {description: The app's name., type: str, returned: always}
    directory: {description: Its evidence folder., type: str, returned: always}
    check: {description: Whether it changes nothing., type: bool, returned: always}
    joined: {description: Whether it was open before., type: bool, returned: always}
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    "app_name": {"type": "str", "required": True},
    "evidence_dir": {"type": "path", "required": True},
    "join": {"type": "bool", "default": False},
    "rejoin": {"type": "str"},
    "labels": {"type": "dict", "default": {}},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
