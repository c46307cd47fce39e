# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring back the release that was live before the deploy."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import newer_than, slug_id
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_rollback import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import UnknownOutcome
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        deploy = self.current_run.read("deploy") or {}
        noted = deploy.get("review", {}).get("live")
        result: dict[str, Any] = {"changed": False, "version": None, "of_version": None, "undone": [], "left": []}
        if not noted or not deploy.get("push_heroku"):
            self.say("nothing was pushed to Heroku, so there is no release to bring back")
            return result
        result["of_version"] = noted["version"]
        releases = Releases(self.heroku(), self.args["app"], self.say)
        live = releases.live()
        before = releases.get(noted["version"])
        reverted = (self.current_run.read("rollback") or {}).get("revert", {}).get("commit")
        if slug_id(live) == slug_id(before) or releases.commit_of(live) in (noted["commit"], reverted):
            result["version"] = live["version"]
            if live["version"] == noted["version"]:
                self.say(f"v{live['version']} is still live: the new code never went live")
            else:
                self.say(f"v{live['version']} serves the code of v{noted['version']} already")
            if self.check:
                return result
        else:
            self._refuse_foreign(releases, live, deploy)
            result["changed"] = True
            if self.check:
                self.say(f"would: POST /apps/{self.args['app']}/releases (bring v{noted['version']} back)")
                return result
            self.say(f"bringing v{noted['version']} back")
            result["version"] = self._bring_back(releases, before)
            releases.awaited(result["version"], self.args["timeout"])
        seen = releases.await_dynos(result["version"], self.args["dynos_timeout"])
        self.say(f"the old code serves: {seen}")
        if result["changed"]:
            result["undone"] = [f"release v{noted['version']} is live again, as v{result['version']}"]
        else:
            result["undone"] = [f"the old release v{noted['version']} serves; the new code is not live"]
        return result

    def _bring_back(self, releases: Releases, before: dict[str, Any]) -> int:
        newest = releases.all()[0]["version"]
        try:
            made = self.heroku().post(f"/apps/{self.args['app']}/releases", {"release": before["id"]})
        except UnknownOutcome:
            # The answer is lost, perhaps not the release: read before writing again.
            found = [r for r in newer_than(releases.all(), newest) if slug_id(r) == slug_id(before)]
            made = (
                found[0]
                if found
                else self.heroku().post(f"/apps/{self.args['app']}/releases", {"release": before["id"]})
            )
        return int(made["version"])

    def _refuse_foreign(self, releases: Releases, live: dict[str, Any], deploy: dict[str, Any]) -> None:
        ours = deploy.get("commit", {}).get("commit") or deploy["review"]["base_commit"]
        commit = releases.commit_of(live)
        if commit != ours and not self.args["force"]:
            raise PitstopError(
                f"Somebody else has released v{live['version']} (commit {str(commit)[:12]}) meanwhile",
                why="bringing the old release back would take theirs away",
                next_step="talk to them; then playbooks/rollback.yml -e heroku_deploy_rollback_force=true",
                partial={"left": [f"v{live['version']} of somebody else is live"], "undone": []},
            )
