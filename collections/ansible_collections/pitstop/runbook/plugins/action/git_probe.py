# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove git by using it: the work tree, who commits, and that each remote answers."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.git_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        git = Git(self.args["repository"])
        identity = {key: self._configured(git, key) for key in ("user.name", "user.email")}
        remote, branch = self.args["remote"], self.args["branch"]
        heads = {remote: git.remote_commit(remote, branch)}
        if self.args["app"]:
            url, env = self.heroku_git()
            heads["heroku"] = git.remote_commit(url, "main", env)
        result = {
            "version": git.run("version").removeprefix("git version "),
            "repository": str(git.path),
            "branch": git.run("branch", "--show-current"),
            "head": git.run("rev-parse", "HEAD"),
            "identity": f"{identity['user.name']} <{identity['user.email']}>",
            "remotes": heads,
            "dirty": sorted(git.dirty()),
        }
        answered = ", ".join(f"{name} at {(head or 'nothing')[:12]}" for name, head in heads.items())
        self.say(f"git: {result['identity']} on {result['branch'] or 'no branch'}; {answered}")
        return result

    def _configured(self, git: Git, key: str) -> str:
        if not git.succeeds("config", key):
            raise PitstopError(f"git does not know your {key}", next_step=f"git config --global {key} …")
        return git.run("config", key)
