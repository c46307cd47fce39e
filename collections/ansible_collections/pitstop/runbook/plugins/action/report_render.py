# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a run's report from its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.module_utils._report.document import report
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import Check, Document
from ansible_collections.pitstop.runbook.plugins.modules.report_render import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _report_files
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        run = self._run()
        document = report(
            _report_files.read_evidence(run),
            language=self.args["language"],
            contacts={role: str(person) for role, person in self.args["contacts"].items()},
            title=self.args["title"],
        )
        texts = _report_files.render(document)
        changed = _report_files.changed_files(run.directory, texts)
        if self.check:
            self._say_plan(run, document, changed)
        elif changed:
            _report_files.write(run.directory, texts)
        return {
            "changed": bool(changed),
            "html": str(run.directory / _report_files.HTML),
            "markdown": str(run.directory / _report_files.MARKDOWN),
            "verdict": document.verdict.sentence,
            "checklist": [_as_dict(check) for check in document.checks],
        }

    def _run(self) -> Run:
        """The run whose folder is given, or the last one of the app whose folder is; else the open run."""
        if not self.args["run_directory"]:
            return self.current_run
        directory = Path(self.args["run_directory"])
        if (directory / "run.json").is_file():
            return Run(directory.name, directory.parent.name, directory)
        runs = _run.all_runs(directory.parent, directory.name)
        if not runs:
            raise PitstopError(
                f"There is no run in {directory}",
                why="Neither it nor a folder in it has a run.json",
                next_step="run master.yml, or set pitstop_evidence_dir to where the evidence is",
            )
        return runs[-1]

    def _say_plan(self, run: Run, document: Document, changed: list[str]) -> None:
        for name in changed:
            self.say(f"would: write {run.directory / name}")
        self.say(f"{document.verdict.label}: {document.verdict.sentence}")
        for check in document.checks:
            self.say(f"{check.label}: {check.state_label}")


def _as_dict(check: Check) -> dict[str, Any]:
    note = check.note.text if check.note else None
    return {"key": check.key, "label": check.label, "state": check.state, "evidence": check.evidence, "note": note}
