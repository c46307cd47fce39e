# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heroku_log
short_description: Read the app's log, and fail when a deploy has made it worse
description:
  - Without O(seconds) it reads the lines that Heroku still has, up to 1500. Taken before a deploy, they are the
    O(baseline) for afterwards.
  - With O(seconds) it reads the lines that come, and judges them. It fails when one of O(codes) appears that was not
    there before or is more frequent now, and when another code or answers with a status of 5xx have become more
    frequent. The latter means three or more, at least twice as frequent as before, and more than chance does in one
    of a hundred cases (exact test of two Poisson rates, per request where the router reports it).
  - Codes that are not the deploy's doing are noted only, such as H27 (the client went away) or H80 (maintenance mode).
    Slower requests are noted; benchmarks judge them.
  - Only Heroku's own lines count, never what the app writes.
  - A log that cannot be read is said, and is no failure.
author: The Pitstop maintainers (@pitstop)
options:
  seconds:
    description: How long to read the log. With 0, what it still has.
    type: int
    default: 0
  url:
    description: An address of the app that is asked every 2 seconds meanwhile, so that there is traffic.
    type: str
  codes:
    description:
      - Error codes of Heroku's that fail a deploy when they appear after it. The default has those that mean that the
        app does not start or does not stay up. V(crashed) stands for a dyno that crashed.
      - See U(https://devcenter.heroku.com/articles/error-codes).
    type: list
    elements: str
    default: [H10, H14, H20, R10, R15, crashed]
  baseline:
    description: The result of this operation before the deploy. Without it rates cannot be judged.
    type: dict
    default: {}
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Reads nothing.
"""

EXAMPLES = r"""
- name: Read the app's log as it is before
  pitstop.runbook.heroku_log:
    evidence: deploy.log_before
  register: __before

- name: Watch its log while it settles
  pitstop.runbook.heroku_log:
    seconds: 60
    url: https://invoice-bot.example.com/health
    baseline: "{{ __before }}"
    evidence: deploy.log
"""

RETURN = r"""
seconds:
  description: How long the log was read; for the lines of before, how far they reach back.
  returned: always
  type: float
lines:
  description: How many lines came.
  returned: always
  type: int
requests:
  description: How many of them are the router's word on a request.
  returned: always
  type: int
errors_5xx:
  description: How many requests were answered with a status of 500 or above, maintenance mode left out.
  returned: always
  type: int
codes:
  description: How often each of Heroku's error codes came.
  returned: always
  type: dict
  sample: {"H12": 3}
per_minute:
  description: The same counts, with C(requests) and C(errors_5xx), for a minute.
  returned: always
  type: dict
service_ms:
  description: C(median) and C(p95) of the milliseconds that requests took, ours left out; null without any.
  returned: always
  type: dict
samples:
  description: Up to 20 lines with errors, without secrets, client addresses and query strings.
  returned: always
  type: list
  elements: str
complete:
  description: Whether the log could be read to the end.
  returned: always
  type: bool
verdict:
  description: V(quiet), V(worse) or V(unknown); the lines of before are not judged.
  returned: always
  type: str
findings:
  description: What is worse, and what is worth a note, in sentences.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import HEROKU, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **HEROKU,
    "seconds": {"type": "int", "default": 0},
    "url": {"type": "str"},
    "codes": {"type": "list", "elements": "str", "default": ["H10", "H14", "H20", "R10", "R15", "crashed"]},
    "baseline": {"type": "dict", "default": {}},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
