# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the release of a commit has truly succeeded and its web dynos are up."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_release import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._maintenance_mode import EndsMaintenance
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

APPEARS_WITHIN_S = 60


class ActionModule(EndsMaintenance):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        commit = self.args["commit"]
        result: dict[str, Any] = {
            "version": None,
            "id": None,
            "status": None,
            "commit": commit,
            "superseded_by": None,
            "dynos": "",
            "seconds": 0.0,
        }
        if self.check:
            self.say("would: wait until the new release has succeeded and all web dynos are up on it")
            return result
        began = time.monotonic()
        releases = Releases(self.heroku(), self.args["app"], self.console)
        try:
            release = self._appeared(releases, commit)
            result.update(version=release["version"], id=release["id"], status=release["status"])
            log = self.opened_run.directory / "release.log" if self.opened_run else None
            result["status"] = releases.awaited(release["version"], self.args["timeout"], log)["status"]
            self._await_dynos(releases, commit, result)
        except PitstopError as error:
            error.partial = {**result, "seconds": round(time.monotonic() - began, 1)}
            raise
        result["seconds"] = round(time.monotonic() - began, 1)
        self.say(f"release v{result['superseded_by'] or result['version']} is up: {result['dynos']}")
        return result

    def _await_dynos(self, releases: Releases, commit: str, result: dict[str, Any]) -> None:
        """Until they are up on what is live: our release, or a later one of the same commit."""
        seen = result["version"]
        with Wait(self.console, f"web dynos of {commit[:12]}", self.args["dynos_timeout"]) as wait:
            while True:
                live = releases.still_live(commit)
                if live["version"] != seen:
                    seen = result["superseded_by"] = live["version"]
                    self.say(f"v{seen} is on top meanwhile ({live['description']}), of the same commit", color="yellow")
                result["dynos"] = releases.await_dynos(seen, wait.left_s)
                if releases.still_live(commit)["version"] == seen:
                    return

    def _appeared(self, releases: Releases, commit: str) -> dict[str, Any]:
        """The release of ``commit`` that the deploy has made; the live one when nothing had to be released."""
        with Wait(self.console, f"a release of {commit[:12]}", APPEARS_WITHIN_S) as wait:
            while True:
                if found := releases.of_commit(commit, self.args["after_version"]):
                    return found
                live = releases.live()
                if releases.commit_of(live) == commit:
                    return live
                if wait.over:
                    raise PitstopError(
                        f"Heroku has no release of commit {commit[:12]} after v{self.args['after_version']}",
                        why="a push of a commit that Heroku has had before builds nothing",
                        next_step="git commit --allow-empty -m 'Deploy again', then run again",
                    )
                wait.pause(f"v{live['version']} is live")
