# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring back the release that was live before the deploy."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import (
    Shipment,
    foreign_releases,
    newer_than,
    slug_id,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_rollback import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        shipment = Shipment.of(self.current_run.read("deploy"), self.current_run.read("rollback"))
        result: dict[str, Any] = {"changed": False, "version": None, "of_version": None, "undone": [], "left": []}
        if not shipment.before or not shipment.commit or (shipment.refused and not self.args["force"]):
            self.say("this deploy ended before it shipped anything, so there is no release to bring back")
            return result
        result["of_version"] = shipment.before["version"]
        releases = Releases(self.heroku(), self.args["app"], self.console)
        if not self.check:
            # What is still going on (a killed push, a slow release command) could go live after the rollback.
            releases.await_quiet(self.args["timeout"])
        before, live = releases.get(shipment.before["version"]), releases.live()
        if self._serves_old_code(releases, live, before, shipment):
            return self._nothing_to_bring_back(releases, live, shipment, result)
        if not self._shipped(releases, before, shipment):
            self.say(f"nothing of this run was released; v{live['version']} is somebody else's")
            return result
        self._refuse_foreign(releases, before, shipment)
        return self._bring_back(releases, before, result)

    def _serves_old_code(
        self, releases: Releases, live: dict[str, Any], before: dict[str, Any], shipment: Shipment
    ) -> bool:
        """By the old slug, or by the one that was built from the revert of an earlier rollback."""
        if slug_id(live) == slug_id(before):
            return True
        return shipment.reverted_by is not None and releases.commit_of(live) == shipment.reverted_by

    def _nothing_to_bring_back(
        self, releases: Releases, live: dict[str, Any], shipment: Shipment, result: dict[str, Any]
    ) -> dict[str, Any]:
        result["version"] = live["version"]
        old = f"v{result['of_version']}"
        if live["version"] == result["of_version"]:
            self.say(f"{old} is still live: the new code never went live")
        else:
            self.say(f"v{live['version']} serves the code of {old} already")
        if not self.check:
            self.say(f"the old code serves: {releases.await_dynos(live['version'], self.args['dynos_timeout'])}")
        if shipment.pushed:
            result["undone"] = [f"the old release {old} serves; the new code is not live"]
        return result

    def _bring_back(self, releases: Releases, before: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        old = f"v{before['version']}"
        result["changed"] = True
        if self.check:
            self.say(f"would: POST /apps/{self.args['app']}/releases (bring {old} back)")
            return result
        self.say(f"bringing {old} back")
        result["version"] = releases.bring_back(before)
        releases.awaited(result["version"], self.args["timeout"])
        self.say(f"the old code serves: {releases.await_dynos(result['version'], self.args['dynos_timeout'])}")
        result["undone"] = [f"release {old} is live again, as v{result['version']}"]
        return result

    def _shipped(self, releases: Releases, before: dict[str, Any], shipment: Shipment) -> bool:
        """Whether a release of this run came after the old one; a killed push tells it only here."""
        newer = newer_than(releases.all(), before["version"])
        return any((releases.commit_of(release) or "") in shipment.ours for release in newer)

    def _refuse_foreign(self, releases: Releases, before: dict[str, Any], shipment: Shipment) -> None:
        newer = [(release, releases.commit_of(release)) for release in newer_than(releases.all(), before["version"])]
        foreign = foreign_releases(newer, before["version"], shipment.ours, slug_id(before))
        if foreign and not self.args["force"]:
            theirs = ", ".join(f"v{release['version']} ({release['description']})" for release in foreign)
            raise PitstopError(
                f"Somebody else has released meanwhile: {theirs}",
                why="bringing the old release back would take theirs away, and the config vars they set",
                next_step="talk to them; then playbooks/rollback.yml -e heroku_deploy_rollback_force=true",
                partial={"left": [f"of somebody else there is {theirs}"], "undone": []},
            )
