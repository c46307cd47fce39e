# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the app's maintenance mode on, and off again when it was this run that turned it on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run, now
from ansible_collections.pitstop.runbook.plugins.module_utils._run import all_runs, state_of
from ansible_collections.pitstop.runbook.plugins.modules.heroku_maintenance import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

EVIDENCE = "deploy.maintenance"
THEIRS = "maintenance mode is on, but not by this run: it is left on"


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        ours = self._is_ours()
        result: dict[str, Any] = {"changed": False, "enabled": ours, "was": None}
        try:
            result["was"] = self._is_on()
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
            self._note(enabled=True)
        self._set(enabled=True)

    def _turn_off(self, result: dict[str, Any]) -> None:
        if result["was"] and not result["enabled"]:
            self.say(THEIRS, color="yellow")
            return
        if result["was"]:
            result["changed"] = True
            self._set(enabled=False)
        if result["enabled"] and not self.check and "maintenance" in (self.current_run.read("deploy") or {}):
            self._note(enabled=False)
        result["enabled"] = False

    def _set(self, *, enabled: bool) -> None:
        word = "on" if enabled else "off"
        if self.check:
            self.say(f"would: PATCH /apps/{self.args['app']} (maintenance mode {word})")
            return
        self.heroku().patch(f"/apps/{self.args['app']}", {"maintenance": enabled})
        if self._is_on() != enabled:
            raise PitstopError(
                f"Maintenance mode of {self.args['app']} is not {word}, though Heroku took the request",
                next_step=f"heroku maintenance:{word} -a {self.args['app']}",
            )
        self.say(f"maintenance mode is {word}" + (": the app answers nobody" if enabled else ""))

    def _is_on(self) -> bool:
        return bool(self.heroku().get(f"/apps/{self.args['app']}")["maintenance"])

    def _note(self, *, enabled: bool) -> None:
        self.current_run.write(EVIDENCE, {"enabled": enabled}, now())

    def _is_ours(self) -> bool:
        """Whether the newest evidence says that a run of ours has turned it on, and not yet off."""
        for run in self._runs():
            sections = [(run.read(name) or {}).get("maintenance") for name in ("deploy", "rollback")]
            if known := [section for section in sections if section]:
                return any(section.get("enabled") is True for section in known)
        return False

    def _runs(self) -> Iterator[Run]:
        """This run, then those before it that never ended, newest first."""
        yield self.current_run
        for run in reversed(all_runs(self.current_run.directory.parent.parent, self.current_run.app)):
            if run.id < self.current_run.id:
                if state_of(run).get("state") not in ("open", "abandoned"):
                    return
                yield run
