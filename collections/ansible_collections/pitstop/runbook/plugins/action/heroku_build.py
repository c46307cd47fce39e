# SPDX-License-Identifier: GPL-3.0-or-later
"""Have Heroku build a commit from a tarball: for apps without a push remote, and for a commit it has had before."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_build import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._builds import Builds
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._maintenance_mode import EndsMaintenance
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases


class ActionModule(EndsMaintenance):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        git = Git(self.args["repository"])
        app, commit = self.args["app"], self.args["commit"]
        result: dict[str, Any] = {"changed": True, "build": None, "status": None, "version": None, "commit": commit}
        result.update(output="", undone=[], left=[])
        if self.check:
            self.say(f"would: POST /sources, upload {commit[:12] or 'the new commit'}, POST /apps/{app}/builds")
            result["undone"] = self._undone(commit)
            return result
        if git.commit_of(commit) != commit:
            raise PitstopError(f"The commit {commit} is not in {git.path}", next_step="git fetch --all, then run again")
        builds = Builds(self.heroku(), app, self.console)
        before = builds.of_commit(commit)
        known = {build["id"] for build in before if build["status"] != "pending"}
        try:
            build = next((build for build in before if build["status"] == "pending"), None)
            if build:
                self.say(f"build {build['id']} of commit {commit[:12]} goes on already: it is the one to wait for")
            else:
                build = self._start(git, builds, commit, known)
            result["build"] = build["id"]
            build, result["output"] = builds.awaited(build, self.args["timeout"])
        except PitstopError as error:
            error.partial = {**result, **error.partial, **self._ended(builds, commit, known)}
            raise
        except KeyboardInterrupt:
            # The person wants it stopped: left alone it would go live later, with nobody looking.
            for sentence in self._ended(builds, commit, known)["left"]:
                self.console.last_words(sentence)
            raise
        release = build.get("release")
        if release:
            result["version"] = Releases(self.heroku(), app, self.console).get(release["id"])["version"]
        result.update(status=build["status"], undone=self._undone(commit))
        self.say(f"build {build['id']} succeeded: v{result['version']}")
        return result

    def _start(self, git: Git, builds: Builds, commit: str, known: set[str]) -> dict[str, Any]:
        timeout = self.args["timeout"]
        with tempfile.TemporaryDirectory(prefix="pitstop-") as folder:
            tarball = Path(folder) / "source.tar.gz"
            git.run("archive", "--format=tar.gz", f"--output={tarball}", commit, timeout=timeout)
            self.say(f"uploading commit {commit[:12]} ({tarball.stat().st_size / 1e6:.1f} MB) to build it on Heroku")
            return builds.start(tarball, commit, known, timeout)

    def _ended(self, builds: Builds, commit: str, known: set[str]) -> dict[str, Any]:
        """Cancel what goes on of ours, and tell what became of it."""
        left: list[str] = []
        try:
            for build in builds.cancelled(commit, known):
                if build["status"] == "failed":
                    self.say(f"build {build['id']} was cancelled", color="yellow")
                else:
                    left.append(f"build {build['id']} could not be cancelled: it {build['status']}")
        except PitstopError as error:
            left.append(f"a build of commit {commit[:12]} may go on, since it could not be cancelled: {error.what}")
        return {"left": left}

    def _undone(self, commit: str) -> list[str]:
        return [f"Heroku has built the old content again (commit {commit[:12]})"] if self.args["undoing"] else []
