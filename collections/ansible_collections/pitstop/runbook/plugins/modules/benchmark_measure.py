# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_measure
short_description: Measure the app's operations, at one of the three points of a run
description:
  - Runs the team's own benchmark script, or times SQL statements, and keeps what they took in one form.
  - SQL statements run in transactions that are rolled back. A rolled-back change leaves dead rows, which VACUUM takes,
    and what it drew from a sequence stays drawn.
author: The Pitstop maintainers (@pitstop)
options:
  point:
    description: Where the run is. The team's script knows only before and after, so V(after-db) is run as after.
    type: str
    required: true
    choices: [before, after-db, after]
  probes:
    description: What to measure. Without any, nothing is measured.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the probe; letters, digits, C(-) and C(_).
        type: str
        required: true
      provider:
        description: V(command) runs a script that writes the team's JSON; V(sql) times statements.
        type: str
        required: true
        choices: [command, sql]
      argv:
        description: The script's command line. C({phase}) becomes C(before) or C(after).
        type: list
        elements: str
        default: []
      results:
        description:
          - Pattern of the JSON file that the script writes, seen from the folder it runs in; V(-) when it prints it.
            C({phase}) becomes C(before) or C(after). Exactly one new file must match.
          - The file is moved into the run's evidence as C(raw-POINT-PROBE.json).
        type: str
        default: benchmark-results-{phase}-*.json
      environment:
        description:
          - Variables added to the controller's environment; a null takes one away. C(DATABASE_URL) is the app's
            database unless it is given here.
        type: dict
        default: {}
      timeout:
        description: Seconds after which the script is stopped.
        type: int
        default: 300
      revision:
        description:
          - V(deployed) runs the script in a temporary checkout of the commit that is live, since before the deploy the
            new code lies in the work tree. V(work_tree) runs it in the repository as it lies there.
        type: str
        default: deployed
        choices: [deployed, work_tree]
      links:
        description: Paths that the checkout takes from the repository by a symbolic link, where they exist.
        type: list
        elements: str
        default: [node_modules]
      statements:
        description: The statements to be timed; one query or change of rows each.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the metric.
            type: str
            required: true
          sql:
            description: The statement, with C(%s) or C(%(name\)s) where parameters belong.
            type: str
            required: true
          params:
            description: A list or a dict of parameters.
            type: raw
      warmup:
        description: As often each statement runs before it is timed.
        type: int
        default: 5
      iterations:
        description: As often each statement is timed.
        type: int
        default: 100
      statement_timeout:
        description: Seconds after which the server cancels a statement, which then counts as failed.
        type: int
        default: 30
  repository:
    description: The app's git checkout; needed for probes of the provider V(command).
    type: path
  revision_commit:
    description: The commit that is live at the points V(before) and V(after-db). Defaults to the repository's HEAD.
    type: str
  settle_seconds:
    description: As long the app is left alone before it is measured.
    type: int
    default: 0
extends_documentation_fragment:
  - pitstop.runbook.database
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Says what it would run, and runs nothing; the metrics are empty.
"""

EXAMPLES = r"""
- name: Measure by the team's script and by a statement
  pitstop.runbook.benchmark_measure:
    point: before
    repository: /srv/invoice-bot
    probes:
      - name: team
        provider: command
        argv: [node, scripts/benchmark-before-after.js, "--{phase}"]
      - name: database
        provider: sql
        statements:
          - name: findCustomer
            sql: SELECT * FROM tenant_customers WHERE tenant_id = %s AND legal_name LIKE %s
            params: [42, "ACME%"]
    evidence: benchmark-before
"""

RETURN = r"""
point:
  description: Where the run was.
  returned: always
  type: str
probes:
  description:
    - What was run. RV(probes[].commit) is null where it was a work tree, RV(probes[].raw) names the script's own JSON.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: team, provider: command, command: node scripts/benchmark-before-after.js --before,
       commit: 4f0c1d2, raw: raw-before-team.json}
metrics:
  description: A metric for each operation and statement. The times are null when no iteration succeeded.
  returned: always
  type: list
  elements: dict
  sample:
    - name: getNextFolio
      probe: team
      provider: command
      unit: ms
      iterations: 20
      successful: 20
      failed: 0
      duplicates: null
      samples: null
      min: 20.1
      max: 24.9
      mean: 21.3
      median: 21.0
      p95: 24.1
      stddev: 1.1
total:
  description: For each probe of the provider V(command), the sum of its means, as in the team's totalImprovement.
  returned: always
  type: dict
  sample: {team: {mean: 71.4}}
settings:
  description: What has to be the same at all points for the times to be comparable.
  returned: always
  type: dict
  sample: {server_version: "18.1", jit: "on", work_mem: 4MB, round_trip_ms: 10.2}
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import DATABASE, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

STATEMENT: Spec = {
    "name": {"type": "str", "required": True},
    "sql": {"type": "str", "required": True},
    "params": {"type": "raw"},
}

PROBE: Spec = {
    "name": {"type": "str", "required": True},
    "provider": {"type": "str", "required": True, "choices": ["command", "sql"]},
    "argv": {"type": "list", "elements": "str", "default": []},
    "results": {"type": "str", "default": "benchmark-results-{phase}-*.json"},
    "environment": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 300},
    "revision": {"type": "str", "default": "deployed", "choices": ["deployed", "work_tree"]},
    "links": {"type": "list", "elements": "str", "default": ["node_modules"]},
    "statements": {"type": "list", "elements": "dict", "default": [], "options": STATEMENT},
    "warmup": {"type": "int", "default": 5},
    "iterations": {"type": "int", "default": 100},
    "statement_timeout": {"type": "int", "default": 30},
}

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "point": {"type": "str", "required": True, "choices": ["before", "after-db", "after"]},
    "probes": {"type": "list", "elements": "dict", "default": [], "options": PROBE},
    "repository": {"type": "path"},
    "revision_commit": {"type": "str"},
    "settle_seconds": {"type": "int", "default": 0},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
