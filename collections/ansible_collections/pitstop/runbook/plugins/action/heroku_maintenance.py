# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the app's maintenance mode on, and off again when it was this run that turned it on."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_maintenance import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._maintenance_mode import is_on, is_ours, note, turn
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

THEIRS = "maintenance mode is on, but not by this run: it is left on"


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        ours = is_ours(self.current_run)
        result: dict[str, Any] = {"changed": False, "enabled": ours, "was": None}
        try:
            result["was"] = is_on(self.heroku(), self.args["app"])
            self._turn_on(result) if self.args["enabled"] else self._turn_off(result)
        except PitstopError as error:
            # Whose it is stays known, so that the next try may still turn it off.
            error.partial = {**result, "changed": False}
            raise
        return result

    def _turn_on(self, result: dict[str, Any]) -> None:
        if result["was"]:
            self.say("maintenance mode is on already" if result["enabled"] else THEIRS)
            return
        result.update(changed=True, enabled=True)
        if not self.check:
            # Before it is done: a run that is killed right afterwards is then known to have done it.
            note(self.current_run, on=True)
        self._set(enabled=True)

    def _turn_off(self, result: dict[str, Any]) -> None:
        if result["was"] and not result["enabled"]:
            self.say(THEIRS, color="yellow")
            return
        if result["was"]:
            result["changed"] = True
            self._set(enabled=False)
        if result["enabled"] and not self.check and "maintenance" in (self.current_run.read("deploy") or {}):
            note(self.current_run, on=False)
        result["enabled"] = False

    def _set(self, *, enabled: bool) -> None:
        word = "on" if enabled else "off"
        if self.check:
            self.say(f"would: PATCH /apps/{self.args['app']} (maintenance mode {word})")
            return
        turn(self.heroku(), self.args["app"], on=enabled)
        self.say(f"maintenance mode is {word}" + (": the app answers nobody" if enabled else ""))
