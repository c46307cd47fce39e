# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: health_wait
short_description: Wait until the app answers with its own version, several times in a row
description:
  - A status of 200 alone proves nothing; the old version, an error page, or no answer within 10 seconds counts as
    not yet, so that preboot and a dyno that has to wake up are no failure.
  - Redirects are followed, and said.
author: The Pitstop maintainers (@pitstop)
options:
  url:
    description: The address, which answers with JSON.
    type: str
    required: true
  version:
    description:
      - What the answer's O(version_key) has to be, such as the commit. An answer of seven or more hexadecimal digits
        with which this begins will do.
    type: str
    required: true
  version_key:
    description: Key of the answer's JSON object that holds the version, or the path to it, such as C(build.commit).
    type: str
    default: commit
  status:
    description: The expected HTTP status, or several.
    type: list
    elements: int
    default: [200]
  body:
    description: A regular expression that has to be found somewhere in the answer. Empty, any answer will do.
    type: str
    default: ""
  passes:
    description: How many good answers in a row are wanted.
    type: int
    default: 3
  only_look:
    description:
      - Ask once and say what was answered, whatever that is. What can only be a mistake among the options is an error
        all the same, so that it is met before anything is shipped.
    type: bool
    default: false
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
  description: The last answer in short, without secrets.
  returned: always
  type: str
answers:
  description:
    - How many answers of each kind there were. The kinds are C(as wanted), C(old version) (any that is not the wanted
      one), C(no version), C(other body), C(status 503) and the like, and C(no answer).
  returned: always
  type: dict
  sample: {"status 503": 2, "old version": 4, "as wanted": 3}
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    "url": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "version_key": {"type": "str", "default": "commit"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "body": {"type": "str", "default": ""},
    "passes": {"type": "int", "default": 3},
    "only_look": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 120},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
