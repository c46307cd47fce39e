# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: health_wait
short_description: Wait until the app answers with its own version, several times in a row
description:
  - A status of 200 alone proves nothing; the old version, or an error page, counts as not yet.
author: The Pitstop maintainers (@pitstop)
options:
  url:
    description: The address, which answers with JSON.
    type: str
    required: true
  version:
    description: What the answer's O(version_key) has to be, such as the commit.
    type: str
    required: true
  version_key:
    description: Key of the answer's JSON object that holds the version.
    type: str
    default: commit
  status:
    description: The expected HTTP status.
    type: int
    default: 200
  passes:
    description: How many good answers in a row are wanted.
    type: int
    default: 3
  timeout:
    description: Seconds until it gives up.
    type: int
    default: 120
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Waits for nothing.
"""

EXAMPLES = r"""
- name: Wait for the app's own answer
  pitstop.runbook.health_wait:
    url: https://invoice-bot.example.com/health
    version: "{{ __committed['commit'] }}"
    evidence: deploy.health
"""

RETURN = r"""
url:
  description: The address.
  returned: always
  type: str
passes:
  description: Good answers in a row.
  returned: always
  type: int
seconds:
  description: How long it took.
  returned: always
  type: float
last:
  description: The last answer in short.
  returned: always
  type: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    "url": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "version_key": {"type": "str", "default": "commit"},
    "status": {"type": "int", "default": 200},
    "passes": {"type": "int", "default": 3},
    "timeout": {"type": "int", "default": 120},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
