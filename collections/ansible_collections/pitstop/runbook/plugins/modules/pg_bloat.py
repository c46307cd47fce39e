# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_bloat
short_description: Measure how much of each table is waste, in bytes
description:
  - Measures with C(pgstattuple) (C(pgstattuple_approx) above 1 GiB) where it is installed and allowed,
    else estimates from the statistics; the method is in the result.
  - Changes nothing.
author: The Pitstop maintainers (@pitstop)
options:
  tables:
    description: The tables, with their schema where they are not on the search path.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Reads only, so it does the same in check mode.
"""

EXAMPLES = r"""
- name: Measure what the hot tables waste
  pitstop.runbook.pg_bloat:
    tables: [tenant_folios, user_sessions]
    evidence: bloat-before
"""

RETURN = r"""
tables:
  description: A measure of each table; all sizes in bytes.
  returned: always
  type: list
  elements: dict
  sample:
    - name: public.tenant_folios
      total_bytes: 1007616
      heap_bytes: 966656
      index_bytes: 40960
      toast_bytes: 0
      live_bytes: 16384
      dead_bytes: 800000
      wasted_bytes: 950272
      wasted_percent: 98.3
      live_rows: 200
      dead_rows: 14000
      method: pgstattuple
      scanned_percent: 100.0
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {**DATABASE, "tables": {"type": "list", "elements": "str", "required": True}}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
