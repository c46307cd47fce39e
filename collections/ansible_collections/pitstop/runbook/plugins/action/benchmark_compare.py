# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what was measured at the points of a run, and fail when the app got worse."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import (
    POINTS,
    Metric,
    aligned,
    differences,
    evidence_of,
    time_text,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._comparison import Comparison, Total, compare, keyed
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import now, to_json, write_whole
from ansible_collections.pitstop.runbook.plugins.module_utils._gates import (
    gates_of,
    goals_of,
    require_known,
    sentence_of,
    slower_of,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._statistics import IMPROVED, INCONCLUSIVE, WORSE, Rule
from ansible_collections.pitstop.runbook.plugins.module_utils._team_results import team_comparison
from ansible_collections.pitstop.runbook.plugins.modules.benchmark_compare import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

NEXT_STEPS = {
    "after-db": "have the touched tables reindexed (master.yml does)",
    "after": "undo the deploy (master.yml does)",
}
COLOURS = {IMPROVED: "green", WORSE: "red", INCONCLUSIVE: "yellow"}

Points = dict[str, dict[str, Any]]


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        if self.check:
            self.say(f"would: compare {', '.join(map(evidence_of, self._asked))} and fail on a metric that got worse")
            return self._result(Comparison(), [], "inconclusive: check mode, so nothing was measured")
        points = self._points()
        if not self._whole and POINTS[0] not in points:
            self.say("the speed before was not measured, so there is nothing to compare it with (--tags baseline does)")
            return self._result(Comparison(), [], "inconclusive: the speed before was not measured")
        if not any(points[point]["metrics"] for point in points):
            self.say("no point has metrics, so there is nothing to compare (benchmark_probes is empty)")
            return self._result(Comparison(), [], "inconclusive: nothing was measured")
        return self._judge(points)

    def _judge(self, points: Points) -> dict[str, Any]:
        metrics = {point: [Metric.from_evidence(item) for item in data["metrics"]] for point, data in points.items()}
        args = self.args
        rule = Rule(args["threshold_percent"], args["noise_percent"], args["min_effect_ms"])
        first, *between, last = (keyed(metrics[point]) if point in metrics else None for point in self._asked)
        comparison = compare(first or {}, between[0] if between else None, last or {}, rule)
        require_known(args["critical"], comparison, "critical")
        require_known([goal["metric"] for goal in args["goals"]], comparison, "goals")
        notes = differences({point: data["settings"] for point, data in points.items()})
        result = self._result(comparison, notes, sentence_of(comparison))
        if self._whole:
            self._write_team_comparison(points, metrics)
        self._show(comparison, result)
        if result["gates"]:
            raise PitstopError(
                "The benchmark says that the app got worse",
                why="; ".join(result["gates"]),
                next_step=f"{NEXT_STEPS[args['until']]}, or set benchmark_max_worse_percent to what you accept",
                partial=result,
            )
        return result

    @property
    def _whole(self) -> bool:
        """Whether the whole change is judged, and not the database work alone."""
        return str(self.args["until"]) == POINTS[-1]

    @property
    def _asked(self) -> tuple[str, ...]:
        return POINTS[: POINTS.index(self.args["until"]) + 1]

    def _result(self, comparison: Comparison, notes: list[str], sentence: str) -> dict[str, Any]:
        args = self.args
        return {
            "metrics": [item.as_dict() for item in comparison.metrics],
            "totals": [total.as_dict() for total in comparison.totals],
            "goals": goals_of(comparison, self.args["goals"]),
            "verdict": comparison.verdict,
            "sentence": sentence,
            "gates": gates_of(comparison, args["critical"], args["max_worse_percent"], same_code=not self._whole),
            "slower": slower_of(comparison, args["critical"], args["max_worse_percent"]),
            "notes": notes,
        }

    def _points(self) -> Points:
        """The evidence of each point that was measured; the last must have been, for the whole the first as well."""
        found = {point: self.current_run.read(evidence_of(point)) for point in self._asked}
        points = {point: data for point, data in found.items() if data and not data.get("failed")}
        for point in ([POINTS[0]] if self._whole else []) + [self._asked[-1]]:
            if point not in points:
                raise PitstopError(
                    f"The run {self.current_run.id} has no whole measurement of the point {point!r}",
                    why=str((found[point] or {}).get("error", f"there is no {evidence_of(point)}.json")),
                    next_step="run master.yml with --tags baseline before the change, and with --tags verify after it",
                )
        return points

    def _write_team_comparison(self, points: Points, metrics: dict[str, list[Metric]]) -> None:
        """For the team's own tools: one file of their form for each probe that runs their script."""
        raw = {point: {probe["name"]: probe["raw"] for probe in data["probes"]} for point, data in points.items()}
        first, last = POINTS[0], POINTS[-1]
        names = [probe["name"] for probe in points[first]["probes"] if probe["provider"] == "command"]
        for name in names:
            old, new = ([item for item in metrics[point] if item.probe == name] for point in (first, last))
            written = team_comparison(
                old, new, timestamp=now(), before_file=raw[first].get(name), after_file=raw[last].get(name)
            )
            file = "comparison-team.json" if len(names) == 1 else f"comparison-team-{name}.json"
            write_whole(self.current_run.directory / file, to_json(written))

    def _show(self, comparison: Comparison, result: dict[str, Any]) -> None:
        rows = [["metric", *(point.replace("-", " ") for point in self._asked), "change", "verdict"]]
        for item in comparison.items:
            judgement = item.judgements.whole
            times = [time_text(value) for value in item.centres]
            shown = times if self._whole else [times[0], times[-1]]
            change = "–" if judgement.change_percent is None else f"{judgement.change_percent:+.0f} %"
            name = f"total of {item.probe}" if isinstance(item, Total) else item.name
            rows.append([name, *shown, change, judgement.verdict])
        for line in aligned(rows):
            self.say(line)
        for note in result["notes"]:
            self.say(f"note: {note}", color="yellow")
        for goal in result["goals"]:
            self.say(f"goal {'met' if goal['met'] else 'NOT met'}: {goal['metric']} {goal['goal']}: {goal['reached']}")
        self.say(result["sentence"], color=COLOURS.get(result["verdict"]))
