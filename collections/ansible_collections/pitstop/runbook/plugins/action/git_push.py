# SPDX-License-Identifier: GPL-3.0-or-later
"""Push a branch to a remote or to Heroku, never by force, and ask the remote afterwards what it has."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import push_problem, without_sideband
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.git_push import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        git = Git(self.args["repository"])
        target, env = self._target()
        shown = self.args["remote"] or "heroku"
        branch = self.args["branch"]
        head = git.run("rev-parse", "HEAD")
        old = git.remote_commit(target, branch, env)
        result: dict[str, Any] = {"remote": shown, "old": old, "new": head, "changed": False, "output": ""}
        result.update(undone=[], left=[])
        if self.check and self.args["pending_commit"]:
            self.say(f"would: git push {shown} HEAD:refs/heads/{branch} ({(old or 'nothing')[:12]} -> the new commit)")
            return {**result, "changed": True}
        if old == head or self._same_content(git, old, head):
            self.say(f"{shown} has it already" if old == head else f"{shown} has the same content already")
            return {**result, "new": old}
        result["changed"] = True
        if self.args["undoing"]:
            result["undone"] = [f"{shown}'s {branch} has the old content again (commit {head[:12]})"]
        if self.check:
            self.say(f"would: git push {shown} HEAD:refs/heads/{branch} ({(old or 'nothing')[:12]} -> {head[:12]})")
            return result
        self.say(f"pushing {head[:12]} to {shown}")
        code, output = git.stream(
            "push",
            target,
            f"HEAD:refs/heads/{branch}",
            say=lambda line: self._pass_on(shown, without_sideband(line)),
            env=env,
            timeout=self.args["timeout"],
        )
        result["output"] = output
        # The remote is asked, whatever git's exit code was.
        if git.remote_commit(target, branch, env) != head:
            why, next_step = push_problem(output)
            raise PitstopError(
                f"The push to {shown} did not arrive (git's exit code {code})",
                why=why,
                next_step=next_step,
                partial={**result, "new": old, "changed": False, "undone": []},
            )
        return result

    def _pass_on(self, shown: str, line: str) -> None:
        if line:
            self.say(f"{shown}: {line}")

    def _target(self) -> tuple[str, dict[str, str]]:
        if self.args["remote"]:
            return self.args["remote"], {}
        return self.heroku_git()

    def _same_content(self, git: Git, old: str | None, head: str) -> bool:
        """When undoing, a remote that never got the change needs no push (and Heroku no build)."""
        if not self.args["undoing"] or old is None or git.commit_of(old) is None:
            return False
        return git.tree_of(old) == git.tree_of(head)
