# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report_render
short_description: Write a run's report from its evidence
description:
  - Writes C(report.html) and C(report.md) into the run's evidence folder. The HTML is one file that needs no network
    and no JavaScript, prints, and reads well in light and dark, on a phone and on a desk.
  - Reads evidence only, and holds for a run that stopped anywhere. The checklist is ticked from evidence.
  - Passwords and tokens that an error message may hold are taken out.
author: The Pitstop maintainers (@pitstop)
options:
  language:
    description: Language of the report. What operations said stays in English and is marked as such.
    type: str
    choices: [en, es]
    default: en
  contacts:
    description: Whom to call. Role to name and number. After a failure they stand at the top.
    type: dict
    default: {}
  run_directory:
    description:
      - Evidence folder of a run, or of an app, whose last run is then meant. Defaults to the open run.
      - The folder of a closed run is sealed by its C(SHA256SUMS), where the report's lines are renewed and no others.
    type: path
  title:
    description: Title of the report. Defaults to one that names the app.
    type: str
    default: ""
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says the verdict and the checklist that it would write; writes nothing.
"""

EXAMPLES = r"""
- name: Write the report
  pitstop.runbook.report_render:
    language: es
    contacts:
      DBA: Ada, +00 000
    evidence: report
"""

RETURN = r"""
html:
  description: Path of the HTML report.
  returned: always
  type: str
markdown:
  description: Path of the Markdown report.
  returned: always
  type: str
verdict:
  description: The report's first sentence.
  returned: always
  type: str
checklist:
  description: The runbook's checklist, ticked from evidence.
  returned: always
  type: list
  elements: dict
  sample:
    - key: backup
      label: Backup made
      state: done
      evidence: backup.json
      note:
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    "language": {"type": "str", "choices": ["en", "es"], "default": "en"},
    "contacts": {"type": "dict", "default": {}},
    "run_directory": {"type": "path"},
    "title": {"type": "str", "default": ""},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
