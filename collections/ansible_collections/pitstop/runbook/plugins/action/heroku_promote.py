# SPDX-License-Identifier: GPL-3.0-or-later
"""Release on this app what runs on another app of its pipeline."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_promote import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import write_surely
from ansible_collections.pitstop.runbook.plugins.plugin_utils._maintenance_mode import EndsMaintenance
from ansible_collections.pitstop.runbook.plugins.plugin_utils._promotions import Promotions
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import SLOWEST_POLL_S, Wait


class ActionModule(EndsMaintenance):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        source, app, commit = self.args["from_app"], self.args["app"], self.args["commit"]
        result: dict[str, Any] = {"changed": False, "promotion": None, "status": None, "version": None}
        result.update(commit=commit, undone=[], left=[])
        heroku = self.heroku()
        releases = Releases(heroku, app, self.console)
        live = releases.live()
        if releases.commit_of(live) == commit:
            self.say(f"{app} runs commit {commit[:12]} already (v{live['version']})")
            return {**result, "status": "succeeded", "version": live["version"]}
        going_on = releases.of_commit(commit, live["version"])
        if going_on and going_on["status"] == "pending" and not self.check:
            self.say(f"v{going_on['version']} of commit {commit[:12]} goes on already: it is the one to wait for")
            result.update(changed=True, version=going_on["version"])
            return self._awaited(releases, self.args["timeout"], result)
        promotions = Promotions.between(heroku, source, app)
        staged = self._staged(Releases(heroku, source, self.console))
        result["changed"] = True
        if self.check:
            self.say(f"would: POST /pipeline-promotions ({source} v{staged['version']}, {commit[:12]}, to {app})")
            return result
        try:
            left_s = self._promote(promotions, releases, result)
        except PitstopError as error:
            error.partial = {**result, **error.partial}
            raise
        return self._awaited(releases, left_s, result)

    def _awaited(self, releases: Releases, timeout: float, result: dict[str, Any]) -> dict[str, Any]:
        """The result when the release in it has succeeded."""
        log = self.opened_run.directory / "release.log" if self.opened_run else None
        try:
            result["status"] = releases.awaited(result["version"], timeout, log)["status"]
        except PitstopError as error:
            result["status"] = releases.get(result["version"])["status"]
            if result["status"] == "pending":
                result["left"] = [f"the command of release v{result['version']} goes on, and may yet succeed"]
            error.partial = result
            raise
        self.say(f"{self.args['app']} v{result['version']} has the slug of {self.args['from_app']}")
        return result

    def _staged(self, releases: Releases) -> dict[str, Any]:
        """What the source runs; raises PitstopError when that is not ``commit``."""
        commit, live = self.args["commit"], releases.live()
        if (found := releases.commit_of(live)) != commit:
            raise PitstopError(
                f"{self.args['from_app']} runs commit {(found or 'unknown')[:12]} (v{live['version']})",
                why=f"commit {commit[:12]} is what is to be promoted",
                next_step="deploy that commit there and try it, then run again",
            )
        return live

    def _promote(self, promotions: Promotions, releases: Releases, result: dict[str, Any]) -> float:
        """Promote, once, until there is a release; returns the seconds that are left for it."""
        commit, newest = self.args["commit"], releases.all()[0]["version"]

        def find() -> dict[str, Any] | None:
            """The release of a promotion whose answer was lost, as far as it can be told."""
            return {"id": None} if releases.of_commit(commit, newest) else None

        with Wait(self.console, "the promotion", self.args["timeout"], slowest_poll_s=SLOWEST_POLL_S) as wait:
            result["promotion"] = write_surely(promotions.begin, find)["id"]
            result["status"] = "pending"
            while not self._released(promotions, releases, newest, result):
                if wait.over:
                    raise PitstopError(
                        f"The promotion made no release of {self.args['app']} within {self.args['timeout']} s",
                        next_step=f"heroku releases -a {self.args['app']}, then run again",
                    )
                wait.pause("it makes a release")
            return wait.left_s

    def _released(self, promotions: Promotions, releases: Releases, newest: int, result: dict[str, Any]) -> bool:
        """Whether the promotion has made a release, whose version is then in ``result``."""
        if result["promotion"] is None:
            release = releases.of_commit(self.args["commit"], newest)
            result["version"] = release["version"] if release else None
            return release is not None
        outcome = promotions.outcome(result["promotion"])
        if outcome["release"]:
            result["version"] = releases.get(outcome["release"]["id"])["version"]
            return True
        if outcome["status"] == "failed":
            result["status"] = "failed"
            raise PitstopError(
                f"The promotion to {self.args['app']} failed, and nothing was released",
                why=str(outcome.get("error_message") or ""),
                next_step=f"try it by hand: heroku pipelines:promote -a {self.args['from_app']}",
            )
        return False
