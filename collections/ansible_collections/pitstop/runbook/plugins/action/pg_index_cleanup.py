# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what failed index builds left behind."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.modules.pg_index_cleanup import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._index_build import incomplete, remove_invalid
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        with self.database() as database:
            removed = remove_invalid(database, self.args["tables"], self.args["names"], check=self.check)
            unfinished = incomplete(database, self.args["tables"], self.args["names"])
        for name in removed:
            self.say(f"{'would: DROP INDEX CONCURRENTLY' if self.check else 'removed the half-built index'} {name}")
        undone = [f"the half-built index {name} was dropped" for name in removed]
        left = [f"the index {name} still lacks a partition's: the next run completes it" for name in unfinished]
        return {"changed": bool(removed), "removed": removed, "undone": undone, "left": left}
