# SPDX-License-Identifier: GPL-3.0-or-later
"""Revert the deployed commits in the repository, so that its tree is the old one again."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import Shipment
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.git_revert import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git, GitError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        shipment = Shipment.of(self.current_run.read("deploy"))
        git = Git(self.args["repository"])
        head = git.run("rev-parse", "HEAD")
        result: dict[str, Any] = {"changed": False, "commit": head, "reverted": [], "undone": [], "left": []}
        if not shipment.before or not shipment.commit or (shipment.refused and not self.args["force"]):
            self.say("nothing was committed, so nothing is reverted")
            return result
        old, deployed = shipment.before["commit"], shipment.commit
        if git.tree_of(head) == git.tree_of(old):
            self.say("the tree is the old one already")
            return result
        result["left"] = [f"the commits {old[:12]}..{deployed[:12]} are not reverted"]
        if head != deployed:
            raise PitstopError(
                f"HEAD is {head[:12]}, not the deployed commit {deployed[:12]}",
                why="somebody has committed on top of it; reverting below that is for a person to decide",
                next_step=f"git revert {old[:12]}..{deployed[:12]}, then git push",
                partial=result,
            )
        commits = git.run("rev-list", "--first-parent", f"{old}..{head}").split()
        if self.check:
            for commit in commits:
                self.say(f"would: git revert {commit[:12]}")
        else:
            result["commit"] = self._revert(git, commits, old, result)
        names = ", ".join(commit[:12] for commit in commits)
        result.update(changed=True, reverted=commits, left=[])
        if not self.check:
            by = result["commit"][:12]
            self.say(f"reverted {names} by {by}; the tree is the old one again")
            result["undone"] = [
                f"the commits {names} are reverted by {by}; to have them back: git revert --no-edit {by}"
            ]
        return result

    def _revert(self, git: Git, commits: list[str], old: str, result: dict[str, Any]) -> str:
        """One commit that reverts all, with the old tree itself: no merge is needed, so nothing can conflict.

        It is made beside the work tree, which then moves to it in one step: killed half way, there is either this
        commit or none, and whatever else lies in the work tree or in the index stays. Hooks do not run: an undoing must
        not depend on them.
        """
        subjects = [git.run("log", "-1", "--format=%h %s", commit) for commit in commits]
        message = f"Revert the deploy of {commits[0][:12]}\n\nThis reverts, newest first:\n" + "\n".join(
            f"- {subject}" for subject in subjects
        )
        signs = git.run("config", "--type=bool", "--default=false", "--get", "commit.gpgsign") == "true"
        signed = ["-S"] if signs else []
        revert = git.run("commit-tree", *signed, "-p", commits[0], "-m", message, git.tree_of(old))
        try:
            git.run("merge", "--quiet", "--ff-only", revert)
        except GitError as error:
            raise PitstopError(
                f"The work tree {git.path} cannot be taken back to the old code",
                why=error.why,
                next_step=f"commit or stash what is in the way, then: git merge --ff-only {revert[:12]}, and git push",
                partial=result,
            ) from error
        return revert
