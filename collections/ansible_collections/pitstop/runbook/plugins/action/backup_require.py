# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse to go on without a backup that is young enough, or a reason in writing to go on without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _evidence, _run
from ansible_collections.pitstop.runbook.plugins.module_utils._backup import Backup, age_text, from_evidence, newest
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.backup_require import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku_data import HerokuDatabase
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        backup, at = newest(self._usable()), datetime.now(UTC)
        age = backup.age_seconds(at) if backup else None
        limit, waiver = self.args["max_age"], self.args["waiver"].strip()
        result = {"age_seconds": None if age is None else round(age), "max_age": limit}
        if backup and age is not None and age <= limit:
            self.say(f"backup {backup.id} ({backup.method}, proof: {backup.proof}) is {age_text(age)} old")
            return {**result, **backup.as_evidence()}
        found = f"the newest, {backup.id}, is {age_text(age)} old" if backup and age is not None else "there is none"
        if not waiver:
            raise PitstopError(
                f"{self.current_run.app} has no backup of the last {age_text(limit)}: {found}",
                next_step="take one (--tags backup), or say in backup_waiver why it may be done without",
                partial=result,
            )
        self.say(f"no backup of the last {age_text(limit)} ({found}); waived: {waiver}", color="yellow")
        return {**result, **self._waive(waiver).as_evidence()}

    def _usable(self) -> Iterator[Backup]:
        """What evidence tells of and is still there, and what Heroku has."""
        run = self.current_run
        at_heroku = dict(self._at_heroku()) if self.args["app"] else {}
        yield from at_heroku.values()
        for told in _run.all_runs(Path(self.args["evidence_dir"]), run.app):
            if (backup := from_evidence(told.read("backup"))) is None:
                continue
            if backup.file and Path(backup.file).exists():
                yield backup
            elif backup.id in at_heroku:
                yield replace(backup, file=None)
        planned = from_evidence(run.read("backup"), planned_counts=run.check)
        if planned and planned.verdict == "planned":
            yield planned

    def _at_heroku(self) -> Iterator[tuple[str, Backup]]:
        database = HerokuDatabase.find(self.heroku(), self.args["app"], self.args["database_config_var"])
        for transfer in database.transfers() if database else []:
            if transfer.good:
                yield transfer.name, transfer.as_backup()

    def _waive(self, reason: str) -> Backup:
        """Keep the waiver as this run's evidence, unless the run has a backup's."""
        waived = Backup(method="waived", id=None, taken_at=_evidence.now(), verdict="waived", waiver=reason)
        if self.current_run.read("backup") is None:
            self.current_run.write("backup", {**waived.as_evidence(), "failed": False}, waived.taken_at)
        return waived
