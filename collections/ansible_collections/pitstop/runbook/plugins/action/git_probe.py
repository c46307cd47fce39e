# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove git by using it: the work tree, who commits, and that each remote answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.git_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import HEROKU_BRANCH, Git, GitError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        git = Git(self.args["repository"])
        tips = {self.args["remote"]: self._origin(git), **self._heroku(git)}
        result = {
            "version": git.run("version").removeprefix("git version "),
            "repository": str(git.path),
            "branch": git.require_branch(self.args["branch"]),
            "head": git.head(),
            "identity": git.require_committer(),
            "remotes": tips,
            "dirty": sorted(git.dirty()),
        }
        answered = ", ".join(f"{name} at {(tip or 'nothing')[:12]}" for name, tip in tips.items())
        self.say(f"git: {result['identity']} on {result['branch']}; {answered}; {len(result['dirty'])} paths changed")
        return result

    def _origin(self, git: Git) -> str | None:
        name = self.args["remote"]
        git.require_remote(name, "preflight_remote")
        remedy = f"try `git -C {git.path} fetch {name}`, and mend your key or password"
        return self._tip(name, remedy, lambda: git.remote_commit(name, self.args["branch"]))

    def _heroku(self, git: Git) -> dict[str, str | None]:
        if not self.args["app"]:
            return {}
        url, env = self.heroku_git()
        remedy = "export a valid HEROKU_API_KEY, and check pitstop_heroku_git_url"
        return {"heroku": self._tip(url, remedy, lambda: git.remote_commit(url, HEROKU_BRANCH, env))}

    @staticmethod
    def _tip(name: str, next_step: str, ask: Callable[[], str | None]) -> str | None:
        try:
            return ask()
        except GitError as error:
            raise PitstopError(f"The remote {name} does not answer git", why=error.why, next_step=next_step) from error
