# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove git by using it: the work tree, who commits, and that each remote answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.git_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git, GitError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

HEROKU_BRANCH = "main"


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        git = Git(self.args["repository"])
        tips = {self.args["remote"]: self._origin(git), **self._heroku(git)}
        result = {
            "version": git.run("version").removeprefix("git version "),
            "repository": str(git.path),
            "branch": git.require_branch(self.args["branch"]),
            "head": git.run("rev-parse", "HEAD"),
            "identity": self._identity(git),
            "remotes": tips,
            "dirty": sorted(git.dirty()),
        }
        answered = ", ".join(f"{name} at {(tip or 'nothing')[:12]}" for name, tip in tips.items())
        self.say(f"git: {result['identity']} on {result['branch']}; {answered}; {len(result['dirty'])} paths changed")
        return result

    def _identity(self, git: Git) -> str:
        """Who a commit would be by. Without useConfigOnly git would make one up from the login and the host."""
        try:
            ident = git.run("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
        except GitError as error:
            raise PitstopError(
                "git does not know who you are",
                why="user.name or user.email is not set",
                next_step='git config --global user.name "…" && git config --global user.email "…"',
            ) from error
        return ident.rsplit(" ", 2)[0]

    def _origin(self, git: Git) -> str | None:
        name, remotes = self.args["remote"], git.run("remote").split()
        if name not in remotes:
            raise PitstopError(
                f"{git.path} has no remote {name}",
                why=f"it has {', '.join(remotes) or 'none'}",
                next_step=f"git -C {git.path} remote add {name} URL, or set preflight_remote",
            )
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
