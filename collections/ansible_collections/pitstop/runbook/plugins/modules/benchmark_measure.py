# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_measure
short_description: Measure the app's operations, at one of the three points of a run
description:
  - Runs the team's own benchmark script, times SQL statements, speaks HTTP with the app as its users do, or takes times
    that a person took by hand, and keeps what they took in one form.
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
        description:
          - V(command) runs a script that writes the team's JSON; V(sql) times statements; V(http) times requests.
        type: str
        required: true
        choices: [command, sql, http]
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
        description: Seconds after which the script, or the probe of the provider V(http), is stopped; that is an error.
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
        description: As often each statement (5 by default), or all steps (2), run before they are timed.
        type: int
      iterations:
        description: As often each statement (100 by default), or all steps (10; 3 or more), are timed.
        type: int
      statement_timeout:
        description: Seconds after which the server cancels a statement, which then counts as failed.
        type: int
        default: 30
      steps:
        description:
          - Requests, sent one after the other over a connection that stays open. The metric, called as the probe, is
            the time from the first request until the last step's answer is as expected.
          - "In URLs, headers, bodies and the texts of JSON, C($[iteration]) is the number of the iteration,
            C($[unique]) a number that no other iteration of any run has, C($[now]) the Unix time, C($[file:PATH]) the
            content of a file of the repository in base64, C($[config_var:NAME]) the app's config var, C($[env:NAME]) a
            variable of the controller's environment. C($$[) is C($[) itself."
          - A text of JSON that is nothing but one of the first three becomes a number.
          - Config vars and variables are secrets. They are asked for when they are needed, and never shown or kept.
        type: list
        elements: dict
        default: []
        suboptions: &STEP
          method:
            description: The request's method.
            type: str
            default: GET
            choices: [GET, HEAD, POST, PUT, PATCH, DELETE]
          url:
            description: The whole URL. A redirect is an answer like any other, and not followed.
            type: str
            required: true
          headers:
            description: Headers of the request. Their values are never shown.
            type: dict
            default: {}
          body:
            description: A text to send.
            type: str
          json:
            description: Anything to send as JSON.
            type: raw
          expect:
            description: What the answer has to be; without this and O(probes[].steps[].until), its status is 200.
            type: dict
            suboptions: &EXPECT
              status:
                description: One of these.
                type: list
                elements: int
                default: [200]
              body:
                description: A regular expression that is found in the body.
                type: str
              json:
                description: A path in the JSON, such as C(items.0.state), and the value that is there; or several.
                type: dict
                default: {}
          until:
            description: The same as O(probes[].steps[].expect), but the request is repeated until the answer is that.
            type: dict
            suboptions: *EXPECT
          interval:
            description:
              - Seconds between the repetitions of O(probes[].steps[].until). A time is not more exact than that.
            type: float
            default: 0.2
          timeout:
            description: Seconds that the answer, or all repetitions together, may take.
            type: float
            default: 30
      cleanup:
        description:
          - Requests that are sent once in the end, also after a failure or Ctrl-C. What fails is said and kept, and
            fails nothing else.
        type: list
        elements: dict
        default: []
        suboptions: *STEP
      interval:
        description: Seconds between two iterations of the provider V(http).
        type: float
        default: 0
      failure_limit:
        description:
          - More failed iterations of the provider V(http) than this stop it; that is an error. Half of them by default.
        type: int
      duration:
        description: Where the last step's answer itself says what it took. That is taken instead of the time.
        type: dict
        suboptions:
          json:
            description: A path in its JSON.
            type: str
          header:
            description: The name of a header.
            type: str
          unit:
            description: Milliseconds or seconds.
            type: str
            default: ms
            choices: [ms, s]
      distinct:
        description:
          - The path of a value in the last step's JSON that may not come twice, such as an invoice's number. The
            metric's C(duplicates) counts those that do.
        type: str
  manual:
    description:
      - Times that a person took by hand. Those of this O(point) become metrics of the provider V(manual). All are
        checked at each point.
    type: list
    elements: dict
    default: []
    suboptions:
      metric:
        description: Name of the metric.
        type: str
        required: true
      point:
        description: When they were taken.
        type: str
        required: true
        choices: [before, after-db, after]
      times:
        description: What was seen on the clock. While there is none, the entry is left out.
        type: list
        elements: float
        default: []
      unit:
        description: Milliseconds or seconds; the same for all entries of a metric.
        type: str
        required: true
        choices: [ms, s]
      by:
        description: Who took them; needed as soon as there are times.
        type: str
      at:
        description:
          - When, such as C(2026-11-24 02:10); needed as soon as there are times. Without a time zone it is the
            controller's time. It is not in the future, at most 30 days ago, and after the beginning of the run unless
            O(manual[].point) is V(before).
        type: str
  repository:
    description: The app's git checkout; needed for probes of the provider V(command) and for C($[file:PATH]).
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

- name: Send the bot a PDF as the chat platform does, until the invoice is there; and take what Ana saw in the chat
  pitstop.runbook.benchmark_measure:
    point: before
    app: invoice-bot
    repository: /srv/invoice-bot
    probes:
      - name: chat
        provider: http
        steps:
          - method: POST
            url: https://bot.example.com/webhook
            headers:
              X-Webhook-Secret: $[config_var:WEBHOOK_SECRET]
            json:
              update_id: $[unique]
              document: {file_name: order.pdf, content: "$[file:scripts/order.pdf]"}
          - url: https://bot.example.com/updates/$[unique]
            until: {json: {state: done}}
            timeout: 60
        distinct: invoice
        cleanup:
          - {method: DELETE, url: "https://bot.example.com/probe-invoices"}
    manual:
      - {metric: Bot Total, point: before, times: [8.9, 9.4, 8.1], unit: s, by: Ana, at: "2026-11-24 02:10"}
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
      RV(probes[].problems) are the first failure of a probe of the provider V(http), and what it could not clean up.
      RV(probes[].by) and RV(probes[].at) say who took times by hand, and when.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: team, provider: command, command: node scripts/benchmark-before-after.js --before,
       commit: 4f0c1d2, raw: raw-before-team.json, problems: [], by: null, at: null}
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

EXPECT: Spec = {
    "status": {"type": "list", "elements": "int", "default": [200]},
    "body": {"type": "str"},
    "json": {"type": "dict", "default": {}},
}

STEP: Spec = {
    "method": {"type": "str", "default": "GET", "choices": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
    "url": {"type": "str", "required": True},
    "headers": {"type": "dict", "default": {}},
    "body": {"type": "str"},
    "json": {"type": "raw"},
    "expect": {"type": "dict", "options": EXPECT},
    "until": {"type": "dict", "options": EXPECT},
    "interval": {"type": "float", "default": 0.2},
    "timeout": {"type": "float", "default": 30},
}

DURATION: Spec = {
    "json": {"type": "str"},
    "header": {"type": "str"},
    "unit": {"type": "str", "default": "ms", "choices": ["ms", "s"]},
}

MANUAL: Spec = {
    "metric": {"type": "str", "required": True},
    "point": {"type": "str", "required": True, "choices": ["before", "after-db", "after"]},
    "times": {"type": "list", "elements": "float", "default": []},
    "unit": {"type": "str", "required": True, "choices": ["ms", "s"]},
    "by": {"type": "str"},
    "at": {"type": "str"},
}

PROBE: Spec = {
    "name": {"type": "str", "required": True},
    "provider": {"type": "str", "required": True, "choices": ["command", "sql", "http"]},
    "argv": {"type": "list", "elements": "str", "default": []},
    "results": {"type": "str", "default": "benchmark-results-{phase}-*.json"},
    "environment": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 300},
    "revision": {"type": "str", "default": "deployed", "choices": ["deployed", "work_tree"]},
    "links": {"type": "list", "elements": "str", "default": ["node_modules"]},
    "statements": {"type": "list", "elements": "dict", "default": [], "options": STATEMENT},
    "warmup": {"type": "int"},
    "iterations": {"type": "int"},
    "statement_timeout": {"type": "int", "default": 30},
    "steps": {"type": "list", "elements": "dict", "default": [], "options": STEP},
    "cleanup": {"type": "list", "elements": "dict", "default": [], "options": STEP},
    "interval": {"type": "float", "default": 0},
    "failure_limit": {"type": "int"},
    "duration": {"type": "dict", "options": DURATION},
    "distinct": {"type": "str"},
}

ARGUMENT_SPEC: Spec = {
    **DATABASE,
    "point": {"type": "str", "required": True, "choices": ["before", "after-db", "after"]},
    "probes": {"type": "list", "elements": "dict", "default": [], "options": PROBE},
    "manual": {"type": "list", "elements": "dict", "default": [], "options": MANUAL},
    "repository": {"type": "path"},
    "revision_commit": {"type": "str"},
    "settle_seconds": {"type": "int", "default": 0},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
