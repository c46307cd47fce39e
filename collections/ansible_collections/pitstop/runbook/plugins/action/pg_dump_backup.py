# SPDX-License-Identifier: GPL-3.0-or-later
"""Dump the database with pg_dump and read the dump's table of contents."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._backup import Backup
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text
from ansible_collections.pitstop.runbook.plugins.modules.pg_dump_backup import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._pg_tools import (
    Tool,
    contents,
    dump,
    find_tool,
    folder_bytes,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._room import make_private, require_room

DATA_SQL = """
SELECT current_database() AS name,
       coalesce(sum(pg_table_size(c.oid)), 0)::bigint AS bytes
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        url, target = self.database_url(), self._target()
        with self.database() as database:
            server_major = database.server_version // 10000
            data = database.row(DATA_SQL)
        pg_dump = find_tool("pg_dump", self.args["bin_dir"], server_major)
        require_room(target, data["bytes"])
        planned = Backup(method="pg_dump", id=target.name, file=str(target), taken_at=_evidence.now())
        if self.check:
            self.say(f"would: {pg_dump.path} --format=directory --jobs={self.args['jobs']} --file={target}")
            self.say(f"would: read it with {pg_dump.sibling('pg_restore')} --list")
            return {"changed": True, **replace(planned, verdict="planned").as_evidence()}
        return {"changed": True, **self._taken(planned, target, url, pg_dump, data).as_evidence()}

    def _taken(self, planned: Backup, target: Path, url: str, pg_dump: Tool, data: dict[str, Any]) -> Backup:
        """Dump under a provisional name: a folder with the backup's own name is a whole, readable backup."""
        make_private(target.parent)
        partial, began = target.with_name(f".{target.name}.partial"), time.monotonic()
        self.say(f"pg_dump {pg_dump.version} of {data['name']} ({bytes_text(data['bytes'])} of rows) to {target} begun")
        try:
            dump(
                pg_dump,
                url,
                partial,
                jobs=self.args["jobs"],
                name=self.opened_run.application_name if self.opened_run else "pitstop",
                timeout_s=self.args["timeout"],
                progress=lambda done: self.console.progress("pg_dump", f"pg_dump: {bytes_text(done)}"),
            )
            entries = contents(pg_dump.sibling("pg_restore"), partial)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        size, seconds = folder_bytes(target), round(time.monotonic() - began, 1)
        self.say(f"backup {target.name}: {bytes_text(size)} in {seconds} s, pg_restore reads it, {entries} entries")
        return replace(planned, size_bytes=size, seconds=seconds, proof="list", entries=entries)

    def _target(self) -> Path:
        """A folder named after the run, which may take more than one."""
        folder, name = Path(self.args["directory"]), self.current_run.id
        names = (f"{name}{'' if number == 1 else f'-{number}'}.pgdump" for number in count(1))
        return next(folder / name for name in names if not (folder / name).exists())
