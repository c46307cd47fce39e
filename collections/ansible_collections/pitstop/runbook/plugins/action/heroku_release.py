# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the release of a commit has truly succeeded and its web dynos are up."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_release import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

APPEARS_WITHIN_S = 60


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        commit = self.args["commit"]
        result: dict[str, Any] = {
            "version": None,
            "id": None,
            "status": None,
            "commit": commit,
            "dynos": "",
            "seconds": 0.0,
        }
        if self.check:
            self.say("would: wait until the new release has succeeded and all web dynos are up on it")
            return result
        began = time.monotonic()
        releases = Releases(self.heroku(), self.args["app"], self.console)
        release = self._appeared(releases, commit)
        result.update(version=release["version"], id=release["id"], status=release["status"])
        log = self.opened_run.directory / "release.log" if self.opened_run else None
        try:
            release = releases.awaited(release["version"], self.args["timeout"], log)
            result["status"] = release["status"]
            result["dynos"] = releases.await_dynos(release["version"], self.args["dynos_timeout"])
        except PitstopError as error:
            error.partial = {**result, "seconds": round(time.monotonic() - began, 1)}
            raise
        result["seconds"] = round(time.monotonic() - began, 1)
        self.say(f"release v{result['version']} is up: {result['dynos']}")
        return result

    def _appeared(self, releases: Releases, commit: str) -> dict[str, Any]:
        """The release of ``commit``: the live one when it is that already, else one that the push has made."""
        with Wait(self.console, f"a release of {commit[:12]}", APPEARS_WITHIN_S) as wait:
            while True:
                live = releases.live()
                if releases.commit_of(live) == commit:
                    return live
                if found := releases.of_commit(commit, self.args["after_version"]):
                    return found
                if wait.over:
                    raise PitstopError(
                        f"Heroku has no release of commit {commit[:12]} after v{self.args['after_version']}",
                        why="a push of a commit that Heroku has had before builds nothing",
                        next_step="git commit --allow-empty -m 'Deploy again', then run again",
                    )
                wait.pause(f"v{live['version']} is live")
