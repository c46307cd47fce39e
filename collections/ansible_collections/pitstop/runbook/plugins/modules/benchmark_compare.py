# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_compare
short_description: Compare what was measured at the points of a run, and fail when the app got worse
description:
  - Reads the evidence of M(pitstop.runbook.benchmark_measure) and judges each metric as improved, unchanged or worse;
    or as inconclusive, when chance and the machine's noise may explain what is seen.
  - A metric is called changed only when its 95 % interval, corrected for the number of metrics and widened by the
    machine's noise, lies outside the threshold. Two averages of twenty runs of the same code differ by 7 % as a rule.
  - Failed iterations or duplicates that appear are worse whatever the speed; such that vanish are an improvement.
  - Tells the database's share from the deploy's when the point V(after-db) was measured.
  - Writes C(comparison-team.json) in the form of the team's own comparison.
author: The Pitstop maintainers (@pitstop)
options:
  until:
    description:
      - The point to compare V(before) with. V(after) judges the whole, V(after-db) the database work alone,
        and only where V(before) was measured.
    type: str
    choices: [after-db, after]
    default: after
  threshold_percent:
    description: From which change on it matters.
    type: float
    default: 10
  noise_percent:
    description:
      - The standard deviation, in percent, between measurements of the same code on the machine in question.
        Shared machines have 10 to 14. The smaller it is, the smaller the changes that can be told.
    type: float
    default: 10
  min_effect_ms:
    description: A difference below so many milliseconds is no change, however many percent it is.
    type: float
    default: 1
  max_worse_percent:
    description: A metric or total that is worse by more than this fails the task.
    type: float
    default: 20
  critical:
    description: Names of the metrics (V(total) for the sum of a probe) that may fail the task. Without any, all may.
    type: list
    elements: str
    default: []
  goals:
    description: What the change was meant to reach. A goal that is not met is said and does not fail the task.
    type: list
    elements: dict
    default: []
    suboptions:
      metric:
        description: Name of the metric, or V(total).
        type: str
        required: true
      max_ms:
        description: It takes at most so many milliseconds.
        type: float
      min_improvement_percent:
        description: It is better by at least so many percent.
        type: float
extends_documentation_fragment:
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Nothing was measured, so the verdict is inconclusive.
"""

EXAMPLES = r"""
- name: Judge the change
  pitstop.runbook.benchmark_compare:
    goals:
      - metric: getNextFolio
        max_ms: 50
      - metric: total
        min_improvement_percent: 46
    evidence: comparison
"""

RETURN = r"""
metrics:
  description:
    - Each metric across the points, with its verdict and the reason. RV(metrics[].by_database) and
      RV(metrics[].by_deploy) are the two shares, null where V(after-db) was not measured.
    - The change and its interval are of the medians or of the means, as RV(metrics[].estimator) says.
  returned: always
  type: list
  elements: dict
  sample:
    - name: getNextFolio
      probe: team
      before: {mean: 21.3, median: 21.0, p95: 24.1, iterations: 20, failed: 0, duplicates: 92}
      after_db: null
      after: {mean: 10.9, median: 10.8, p95: 12.0, iterations: 20, failed: 0, duplicates: 0}
      verdict: improved
      why: "duplicates 92 → 0; the change is -61 to -33 % with 95 % certainty, beyond 10 %"
      change_percent: -48.8
      interval_percent: [-61.0, -33.0]
      p_value: 0.0001
      estimator: mean
      method: Welch from mean, deviation and n
      by_database: null
      by_deploy: null
      correctness: improved
totals:
  description: The sum of the means of each script, of RV(totals[].parts) metrics, judged in the same way.
  returned: always
  type: list
  elements: dict
goals:
  description: Each goal with what was reached.
  returned: always
  type: list
  elements: dict
  sample:
    - {metric: getNextFolio, probe: team, goal: at most 50.0 ms, max_ms: 50, value: 10.9, reached: 10.9 ms, met: true}
verdict:
  description: Worse when anything is, else improved when anything is, unchanged when everything is, else inconclusive.
  returned: always
  type: str
sentence:
  description: The verdict with the key figures.
  returned: always
  type: str
  sample: "improved: getNextFolio 21.3 → 10.9 ms (-49 %), total 71.4 → 61.0 ms (-15 %, inconclusive)"
gates:
  description: The reasons for which the task failed.
  returned: always
  type: list
  elements: str
slower:
  description: Those of the reasons that are about speed, which is what reindexing may mend.
  returned: always
  type: list
  elements: str
notes:
  description: Settings that were not the same at all points.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

GOAL: Spec = {
    "metric": {"type": "str", "required": True},
    "max_ms": {"type": "float"},
    "min_improvement_percent": {"type": "float"},
}

ARGUMENT_SPEC: Spec = {
    "until": {"type": "str", "choices": ["after-db", "after"], "default": "after"},
    "threshold_percent": {"type": "float", "default": 10},
    "noise_percent": {"type": "float", "default": 10},
    "min_effect_ms": {"type": "float", "default": 1},
    "max_worse_percent": {"type": "float", "default": 20},
    "critical": {"type": "list", "elements": "str", "default": []},
    "goals": {"type": "list", "elements": "dict", "default": [], "options": GOAL},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
