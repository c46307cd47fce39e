# SPDX-License-Identifier: GPL-3.0-or-later
"""Note in the run why it will not reach its goal."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted
from ansible_collections.pitstop.runbook.plugins.modules.run_fail import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        phase, task, message = self.args["phase"], self.args["task_name"], redacted(self.args["message"])
        if _run.record_failure(self.current_run, phase=phase, task=task, message=message):
            self.say(f"phase {phase} ({_run.PHASES[phase]}) failed: {message}", color="red")
        return {"failure": _run.state_of(self.current_run)["failure"]}
