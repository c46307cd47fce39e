# SPDX-License-Identifier: GPL-3.0-or-later
"""Have Heroku take a backup, wait for the true verdict, fetch the file and read its table of contents."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._backup import Backup, Transfer, captured_since
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._heroku_plan import plan_facts
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text, seconds_text
from ansible_collections.pitstop.runbook.plugins.modules.heroku_backup import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._download import download
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import write_surely
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku_data import HerokuDatabase
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._pg_tools import ToolMissing, contents, find_tool
from ansible_collections.pitstop.runbook.plugins.plugin_utils._room import make_private, require_room
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

POLL_S = 1.0
LOG_LINES = 5


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        plan = plan_facts(self._database.info())
        if self.check:
            return {"changed": True, **self._plan(plan).as_evidence()}
        began = time.monotonic()
        transfer = self._finished(self._begin())
        seconds = round(time.monotonic() - began, 1)
        backup = replace(transfer.as_backup(), seconds=seconds)
        self.say(
            f"backup {transfer.name}: succeeded, {bytes_text(transfer.processed_bytes)} in {seconds_text(seconds)}"
        )
        if self.args["download"]:
            backup = self._fetched(transfer, backup, _major(plan))
        return {"changed": True, **backup.as_evidence()}

    @cached_property
    def _database(self) -> HerokuDatabase:
        app, config_var = self.args["app"], self.args["database_config_var"]
        found = HerokuDatabase.find(self.heroku(), app, config_var)
        if found is None:
            raise PitstopError(
                f"{config_var} of the app {app} is no Heroku Postgres database, so Heroku cannot back it up",
                next_step="set backup_method: pg_dump, or pitstop_database_config_var to the add-on's config var",
            )
        return found

    def _plan(self, plan: dict[str, Any]) -> Backup:
        addon = self._database.addon
        size = bytes_text(plan["used_bytes"]) if plan["used_bytes"] else "of unknown size"
        self.say(f"would: POST /client/v11/databases/{addon.id}/backups ({addon.name}, {addon.plan}, {size})")
        self.say(f"would: wait up to {self.args['timeout']} s for Heroku's verdict on it")
        if self.args["download"]:
            self.say(f"would: download it to {self._file('bNNN')} and read it with pg_restore --list")
        return Backup(method="heroku", id=None, taken_at=_evidence.now(), verdict="planned")

    def _begin(self) -> Transfer:
        known = {transfer.uuid for transfer in self._database.transfers()}

        def look() -> Transfer | None:
            self.say("the answer to the backup's start was lost: looking whether it was begun")
            return captured_since(self._database.transfers(), known)

        transfer = write_surely(self._database.capture, look)
        self.say(f"backup {transfer.name} of {self._database.addon.name} begun: waiting for Heroku's verdict")
        return transfer

    def _finished(self, transfer: Transfer) -> Transfer:
        with Wait(self.console, f"backup {transfer.name}", self.args["timeout"], poll_s=POLL_S) as wait:
            while not transfer.finished:
                if wait.over:
                    raise PitstopError(
                        f"Backup {transfer.name} is not finished after {self.args['timeout']} s; it goes on at Heroku",
                        next_step=f"look at it with `heroku pg:backups:info {transfer.name}`, then run again; "
                        "for a large database set backup_timeout higher",
                    )
                wait.pause(_done_of(transfer.processed_bytes, transfer.source_bytes))
                transfer = self._database.transfer(transfer.uuid)
        if transfer.failure:
            lines = self._database.last_log_lines(transfer.uuid, LOG_LINES)
            raise PitstopError(
                f"Backup {transfer.name} failed: {transfer.failure}",
                why=f"the end of its log: {'; '.join(lines)}" if lines else "its log is empty",
                next_step=f"see all of it with `heroku pg:backups:info {transfer.name}`, then run again",
            )
        return transfer

    def _fetched(self, transfer: Transfer, backup: Backup, server_major: int) -> Backup:
        file = self._file(transfer.name)
        try:
            require_room(file.parent, transfer.processed_bytes)
            make_private(file.parent)
            self.say(f"download of {transfer.name} to {file} begun")
            size = download(
                self._database.public_url(transfer.num),
                file,
                self.args["ca_file"],
                lambda done: self.console.progress(
                    "download", f"download of {transfer.name}: {_done_of(done, transfer.processed_bytes)}"
                ),
            )
            self.console.done("download")
            backup = replace(backup, file=str(file), size_bytes=size)
            return self._read(backup, file, server_major)
        except PitstopError as error:
            error.partial = backup.as_evidence()
            raise

    def _read(self, backup: Backup, file: Path, server_major: int) -> Backup:
        try:
            pg_restore = find_tool("pg_restore", self.args["bin_dir"], server_major)
        except ToolMissing as missing:
            self.say(f"the backup's contents were not read. {missing}", color="yellow")
            return backup
        entries = contents(pg_restore.path, file)
        self.say(f"backup {backup.id}: pg_restore reads it, {entries} entries, {bytes_text(file.stat().st_size)}")
        return replace(backup, proof="list", entries=entries)

    def _file(self, name: str) -> Path:
        folder = Path(self.args["directory"])
        return folder / f"{self.opened_run.id if self.opened_run else self.args['app']}-{name}.dump"


def _done_of(done: int, total: int | None) -> str:
    return f"{bytes_text(done)} of {bytes_text(total)}" if total else bytes_text(done)


def _major(plan: dict[str, Any]) -> int:
    head = str(plan["server_version"] or "").split(".")[0]
    return int(head) if head.isdigit() else 0
