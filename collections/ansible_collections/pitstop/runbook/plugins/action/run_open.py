# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a run, or join the app's open one."""

from __future__ import annotations

import getpass
import platform
from pathlib import Path
from typing import Any

from ansible.release import __version__ as ansible_version

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.modules.run_open import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        app, evidence_dir = self.args["app_name"], Path(self.args["evidence_dir"])
        opened = [] if self.check or not self.args["join"] else _run.open_runs(evidence_dir, app)
        if self.args["rejoin"]:
            run = _run.rejoin(evidence_dir, app, self.args["rejoin"])
            run = _run.check_copy(run) if self.check else run
            opened = [run]
        elif opened:
            run = opened[-1]
        elif self.check:
            run = _run.open_check_run(app, self._facts())
        else:
            run = _run.open_run(evidence_dir, app, self._facts())
        self.say(f"run {run.id}: {'joined' if opened else 'opened'}, evidence in {run.directory}")
        fact = {"id": run.id, "app": app, "directory": str(run.directory), "check": run.check, "joined": bool(opened)}
        return {"run": fact}

    def _facts(self) -> dict[str, Any]:
        return {
            "by": self.variable("awx_user_name") or getpass.getuser(),
            "on": platform.node(),
            "tags": list(self.variable("ansible_run_tags") or []),
            "versions": {"ansible_core": ansible_version, "python": platform.python_version()},
            "labels": self.args["labels"],
        }
