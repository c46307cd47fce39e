# SPDX-License-Identifier: GPL-3.0-or-later
"""Revert the deployed commits in the repository, so that its tree is the old one again."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.git_revert import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        deploy = self.current_run.read("deploy") or {}
        git = Git(self.args["repository"])
        head = git.run("rev-parse", "HEAD")
        result: dict[str, Any] = {"changed": False, "commit": head, "reverted": [], "undone": [], "left": []}
        old = deploy.get("review", {}).get("live", {}).get("commit")
        if not old or not deploy.get("commit"):
            self.say("nothing was committed, so nothing is reverted")
            return result
        if git.tree_of(head) == git.tree_of(old):
            self.say("the tree is the old one already")
            return result
        deployed = deploy["commit"]["commit"]
        if head != deployed:
            raise PitstopError(
                f"HEAD is {head[:12]}, not the deployed commit {deployed[:12]}",
                why="somebody has committed on top of it; reverting below that is for a person to decide",
                next_step=f"git revert {old[:12]}..{deployed[:12]}, then git push",
                partial={**result, "left": [f"the commits {old[:12]}..{deployed[:12]} are not reverted"]},
            )
        commits = git.run("rev-list", "--first-parent", f"{old}..{head}").split()
        result.update(changed=True, reverted=commits)
        if self.check:
            for commit in commits:
                self.say(f"would: git revert {commit[:12]}")
            return result
        result["commit"] = self._revert(git, commits, old)
        names = ", ".join(commit[:12] for commit in commits)
        self.say(f"reverted {names} by {result['commit'][:12]}; the tree is the old one again")
        result["undone"] = [
            f"the commits {names} are reverted by {result['commit'][:12]}; to have them back: git cherry-pick {names}"
        ]
        return result

    def _revert(self, git: Git, commits: list[str], old: str) -> str:
        """One commit that reverts all: killed half way, there is either this commit or none."""
        head = git.run("rev-parse", "HEAD")
        subjects = [git.run("log", "-1", "--format=%h %s", commit) for commit in commits]
        message = f"Revert the deploy of {head[:12]}\n\nThis reverts, newest first:\n" + "\n".join(
            f"- {subject}" for subject in subjects
        )
        try:
            for commit in commits:
                is_merge = len(git.run("rev-list", "--parents", "-1", commit).split()) > 2
                git.run("revert", "--no-commit", *(["-m", "1"] if is_merge else []), commit)
            if git.run("write-tree") != git.tree_of(old):
                raise PitstopError(
                    "Reverting the deployed commits did not give the old tree",
                    next_step=f"look at the difference: git diff {old[:12]}",
                )
            git.run("commit", "--quiet", "--no-edit", "-m", message)
        except PitstopError:
            git.run("reset", "--merge", head)
            raise
        return git.run("rev-parse", "HEAD")
