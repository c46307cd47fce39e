# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heroku_promote
short_description: Release what runs on another app of the pipeline
description:
  - The slug that was tried on staging is released as it is, with this app's config vars and its release command.
  - Refused when no pipeline leads from the one app to the other, and when the other app does not run the commit.
  - Nothing is done when this app runs the commit already.
  - The new release is waited for until it has succeeded or failed; its output is shown as it comes.
author: The Pitstop maintainers (@pitstop)
options:
  from_app:
    description: The app whose slug is promoted, such as staging.
    type: str
    required: true
  commit:
    description: The full id of the commit that it has to run.
    type: str
    required: true
  timeout:
    description: Seconds for the promotion, the release command included.
    type: int
    default: 3600
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Checks the pipeline and both apps, and says the promotion.
"""

EXAMPLES = r"""
- name: Promote what runs on staging
  pitstop.runbook.heroku_promote:
    from_app: invoice-bot-staging
    commit: "{{ __review['ships'] }}"
    evidence: deploy.promote
"""

RETURN = r"""
promotion:
  description: Its id; null when none was made, and when the answer to it was lost.
  returned: always
  type: str
status:
  description: Status of the release, C(succeeded), C(failed) or C(pending); null in check mode.
  returned: always
  type: str
version:
  description: Version of the release of the commit; null when there is none.
  returned: always
  type: int
commit:
  description: The commit.
  returned: always
  type: str
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
    "from_app": {"type": "str", "required": True},
    "commit": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 3600},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
