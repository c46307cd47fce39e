# SPDX-License-Identifier: GPL-3.0-or-later
"""Push a branch to a remote or to Heroku, never by force, and ask the remote afterwards what it has."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import Shipment, push_problem, without_sideband
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.git_push import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._maintenance_mode import EndsMaintenance


class ActionModule(EndsMaintenance):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        git = Git(self.args["repository"])
        result: dict[str, Any] = {"remote": self._shown, "old": None, "new": git.run("rev-parse", "HEAD")}
        result.update(changed=False, output="", undone=[], left=[])
        if not self.args["undoing"]:
            return self._push_head(git, result)
        shipment = Shipment.of_run(self.current_run)
        if not shipment.before or not shipment.commit:
            self.say("nothing was shipped, so there is nothing to undo")
            return result
        try:
            return self._undo(git, shipment, shipment.before["commit"], result)
        except PitstopError as error:
            error.partial = {**result, **error.partial, "undone": [], "left": self._left(git, shipment, result["new"])}
            raise

    @property
    def _shown(self) -> str:
        return self.args["remote"] or "heroku"

    def _target(self) -> tuple[str, dict[str, str]]:
        if self.args["remote"]:
            return self.args["remote"], {}
        return self.heroku_git()

    def _push_head(self, git: Git, result: dict[str, Any]) -> dict[str, Any]:
        target, env = self._target()
        old = result["old"] = git.remote_commit(target, self.args["branch"], env)
        if old == result["new"] and not (self.check and self.args["pending_commit"]):
            self.say(f"{self._shown} has it already")
            return result
        return self._push(git, result, topic=f"deploy-{result['new'][:12]}")

    def _undo(self, git: Git, shipment: Shipment, before: str, result: dict[str, Any]) -> dict[str, Any]:
        """Push the revert where the deployed commits are, and nothing where they are not."""
        (target, env), branch, revert = self._target(), self.args["branch"], shipment.reverted_by
        result["new"] = revert or result["new"]
        there = git.remote_commit(target, branch, env)
        result["old"] = there
        if there and git.commit_of(there) is None:
            if self.check:
                self.say(f"would: git fetch {self._shown} {branch} ({there[:12]} is not known here), then see")
                return {**result, "new": there}
            git.fetch(target, f"refs/heads/{branch}", env)
        undone = [f"{self._shown}'s {branch} has the old content again (commit {result['new'][:12]})"]

        def has(commit: str | None) -> bool:
            """Whether the remote's branch has a commit. One that is unknown here comes from somebody else."""
            return bool(there and commit) and git.succeeds("merge-base", "--is-ancestor", str(commit), str(there))

        if has(revert):
            self.say(f"{self._shown} has the revert already")
            return {**result, "new": there, "undone": undone}
        if there and git.commit_of(there) and git.tree_of(there) == git.tree_of(before):
            self.say(f"{self._shown} has the old content already")
            return {**result, "new": there}
        if not any(has(commit) for commit in shipment.shipped):
            self.say(f"{self._shown}'s {branch} never got {str(shipment.commit)[:12]}, so there is nothing to undo")
            return {**result, "new": there}
        if not git.succeeds("merge-base", "--is-ancestor", str(there), result["new"]):
            raise PitstopError(
                f"{self._shown}'s {branch} has gone on beyond the deployed commit, to {str(there)[:12]}",
                why="somebody has pushed on top of it, and force would lose that",
                next_step=f"git pull {target} {branch}, settle with them what is to go, then push that",
                partial={**result, "new": there},
            )
        return {**self._push(git, result, topic=f"revert-{result['new'][:12]}"), "undone": undone}

    def _left(self, git: Git, shipment: Shipment, revert: str) -> list[str]:
        serves = shipment.restored_as
        here = f"the revert {revert[:12]} is in {git.path} and not on {self._shown}'s {self.args['branch']}"
        return [f"{here}; the app is on the old release, as v{serves}, which is what counts" if serves else here]

    def _push(self, git: Git, result: dict[str, Any], topic: str) -> dict[str, Any]:
        (target, env), branch, commit = self._target(), self.args["branch"], result["new"]
        had = (result["old"] or "nothing")[:12]
        if self.check:
            planned = self.args["pending_commit"] or self.args["undoing"]
            new = "the new commit" if planned else commit[:12]
            self.say(f"would: git push {self._shown} HEAD:refs/heads/{branch} ({had} -> {new})")
            return {**result, "changed": True}
        self.say(f"pushing {commit[:12]} to {self._shown}")
        not_arrived = {**result, "new": result["old"]}
        try:
            code, result["output"] = git.stream(
                "push",
                target,
                f"{commit}:refs/heads/{branch}",
                say=lambda line: self._pass_on(without_sideband(line)),
                env=env,
                timeout=self.args["timeout"],
            )
        except PitstopError as error:
            error.partial = not_arrived
            raise
        # The remote is asked, whatever git's exit code was.
        if git.remote_commit(target, branch, env) != commit:
            why, next_step = push_problem(result["output"], target, commit, branch, topic)
            raise PitstopError(
                f"The push to {self._shown} did not arrive (git's exit code {code})",
                why=why,
                next_step=next_step,
                partial={**not_arrived, "output": result["output"]},
            )
        return {**result, "changed": True}

    def _pass_on(self, line: str) -> None:
        if line:
            self.say(f"{self._shown}: {line}")
