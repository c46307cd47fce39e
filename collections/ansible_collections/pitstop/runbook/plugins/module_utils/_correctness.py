# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an operation's results became right or wrong: a metric of its own, whatever the speed."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import fisher_exact

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import Metric
from ansible_collections.pitstop.runbook.plugins.module_utils._statistics import ALPHA, IMPROVED, WORSE


@dataclass(frozen=True)
class Finding:
    """A change in what is right. ``kind`` is improved or worse; ``appeared`` whether nothing was wrong before."""

    kind: str
    why: str
    appeared: bool = False


def correctness(before: Metric, after: Metric) -> Finding | None:
    """None when the results are as right as they were.

    Errors that appear are worse, and errors that vanish an improvement, by counts alone. Where both points have some,
    and their number may be chance (duplicates are a race), Fisher's exact test has to see them grow.
    """
    findings = [
        finding
        for noun, old, new in (
            ("failed iterations", before.failed, after.failed),
            ("duplicates", before.duplicates, after.duplicates),
        )
        if old is not None and new is not None and (finding := _finding(noun, old, before, new, after))
    ]
    if not findings:
        return None
    kind = WORSE if any(finding.kind == WORSE for finding in findings) else IMPROVED
    why = ", ".join(finding.why for finding in findings)
    return Finding(kind, why, appeared=any(finding.appeared for finding in findings))


def _finding(noun: str, old: int, before: Metric, new: int, after: Metric) -> Finding | None:
    why = f"{noun} {old} → {new}"
    if old and not new:
        return Finding(IMPROVED, why)
    if new and (not old or _grew(old, before.iterations, new, after.iterations)):
        return Finding(WORSE, why, appeared=not old)
    return None


def _grew(old: int, old_of: int, new: int, new_of: int) -> bool:
    table = [[new, max(0, new_of - new)], [old, max(0, old_of - old)]]
    return float(fisher_exact(table, alternative="greater").pvalue) < ALPHA
