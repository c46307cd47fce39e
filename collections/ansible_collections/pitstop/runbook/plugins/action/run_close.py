# SPDX-License-Identifier: GPL-3.0-or-later
"""End a run, say how it ended, and fail when it missed its goal."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.modules.run_close import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        run = self.current_run
        outcome = _run.outcome_of(run, complete=self.args["complete"])
        verdict = (run.read("comparison") or {}).get("sentence")
        _run.close_run(run, outcome)
        self._say_ending(run, outcome, verdict)
        result = {"state": outcome.state, "undone": outcome.undone, "left": outcome.left}
        reached = not outcome.left if self.args["undoing"] else outcome.reached_goal
        if not reached:
            raise PitstopError(f"The run {run.id} missed its goal: {outcome.state}", partial=result)
        return result

    def _say_ending(self, run: Run, outcome: _run.Outcome, verdict: str | None) -> None:
        if run.check:
            self.say("check: nothing was changed; the lines above are what a run without --check would do")
        if verdict and outcome.reached_goal:
            self.say(f"verdict: {verdict}", color="green")
        if outcome.failure:
            phase = outcome.failure["phase"]
            self.say(f"phase {phase} ({_run.PHASES[phase]}) failed at: {outcome.failure['task']}", color="red")
            self.say(f"why: {outcome.failure['message']}", color="red")
        for sentence in outcome.undone:
            self.say(f"undone: {sentence}", color="yellow")
        for sentence in outcome.left:
            self.say(f"NOT undone: {sentence}", color="red")
        if outcome.failure or outcome.left:
            for role, contact in self.args["contacts"].items():
                self.say(f"call {role}: {contact}")
        if not run.check:
            report = run.directory / "report.html"
            self.say(f"report: {report}" if report.exists() else f"evidence: {run.directory}")
