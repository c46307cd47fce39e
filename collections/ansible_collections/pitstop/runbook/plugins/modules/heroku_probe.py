# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heroku_probe
short_description: Prove the Heroku key by using it
description:
  - Reads the account, the app, its formation, what is live and what is under way.
author: The Pitstop maintainers (@pitstop)
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Reads only, so it does the same in check mode.
"""

EXAMPLES = r"""
- name: Prove access to Heroku
  pitstop.runbook.heroku_probe:
    app: invoice-bot
    evidence: preflight.heroku
"""

RETURN = r"""
account:
  description: E-mail of the account.
  returned: always
  type: str
app:
  description: The app's name.
  returned: always
  type: str
stack:
  description: Its stack.
  returned: always
  type: str
maintenance:
  description: Whether maintenance mode is on.
  returned: always
  type: bool
preboot:
  description: Whether new web dynos start before the old ones stop, so that both answer for some minutes.
  returned: always
  type: bool
process_tier:
  description: Kind of dynos, such as C(eco), which sleep, or C(production).
  returned: always
  type: str
release_command:
  description: Whether a command runs before a release goes live.
  returned: always
  type: bool
formation:
  description: Process type to C(quantity) and C(size) of its dynos.
  returned: always
  type: dict
live:
  description: The live release, C(version), C(id), C(status), C(commit).
  returned: always
  type: dict
pending_releases:
  description: Releases that have not ended, such as v12.
  returned: always
  type: list
  elements: str
pending_builds:
  description: Ids of builds that have not ended.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import HEROKU, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = HEROKU


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
