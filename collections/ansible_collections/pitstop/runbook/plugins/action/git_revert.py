# SPDX-License-Identifier: GPL-3.0-or-later
"""Revert the deployed commits in the repository, so that its tree is the old one again."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import Shipment
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.git_revert import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import NO_HOOKS, Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

SIGNING_S = 60


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        shipment = Shipment.of_run(self.current_run)
        git = Git(self.args["repository"])
        head = git.run("rev-parse", "HEAD")
        result: dict[str, Any] = {"changed": False, "commit": head, "reverted": [], "undone": [], "left": []}
        if not shipment.before or not shipment.commit or (shipment.refused and not self.args["force"]):
            self.say("nothing was committed, so nothing is reverted")
            return result
        old, deployed = shipment.before["commit"], shipment.commit
        if shipment.promoted:
            self.say(f"a promotion made no commits: staging and the branch still have {deployed[:12]}")
            return result
        result["left"] = [f"the commits {old[:12]}..{deployed[:12]} are not reverted"]
        self._require_descent(git, old, deployed, result)
        commits = git.run("rev-list", "--first-parent", f"{old}..{deployed}").split()
        revert = _revert_of(git, old, deployed, head)
        if revert is None:
            if git.tree_of(head) == git.tree_of(old):
                self.say("the tree is the old one already")
                return {**result, "left": []}
            self._require_head(git, commits, deployed, head, result)
            result["changed"] = True
            if self.check:
                self.say(f"would: git commit-tree (one commit that reverts {_names(commits)})")
                return {**result, "reverted": commits, "left": []}
            revert = self._revert(git, commits, old, result)
        self.say(f"{_names(commits)} reverted by {revert[:12]}; its tree is the old one")
        again = f"to have them back: git revert --no-edit {revert[:12]}"
        result["undone"] = [f"the commits {_names(commits)} are reverted by {revert[:12]}; {again}"]
        return {**result, "commit": revert, "reverted": commits, "left": []}

    def _require_descent(self, git: Git, old: str, deployed: str, result: dict[str, Any]) -> None:
        missing = [commit[:12] for commit in (old, deployed) if git.commit_of(commit) is None]
        if missing:
            raise PitstopError(
                f"{git.path} does not have {' and '.join(missing)}",
                why="the deploy was made from another checkout",
                next_step=f"git -C {git.path} fetch --all, or set pitstop_repository to that one; then run again",
                partial=result,
            )
        if not git.succeeds("merge-base", "--is-ancestor", old, deployed):
            raise PitstopError(
                f"The deployed commit {deployed[:12]} does not come from the old one {old[:12]}",
                why="going back to the old tree would take other people's commits away",
                next_step=f"git log --oneline {old[:12]}...{deployed[:12]}, then revert by hand what is to go",
                partial=result,
            )

    def _require_head(self, git: Git, commits: list[str], deployed: str, head: str, result: dict[str, Any]) -> None:
        if head == deployed:
            return
        on_top = git.succeeds("merge-base", "--is-ancestor", deployed, head)
        command = f"git revert --no-edit -m 1 {' '.join(commit[:12] for commit in commits)}"
        raise PitstopError(
            f"HEAD is {head[:12]}, not the deployed commit {deployed[:12]}",
            why="somebody has committed on top of it; reverting below that is for a person to decide"
            if on_top
            else "something else is checked out",
            next_step=f"{command}, then git push" if on_top else "switch to the deployed branch, then run again",
            partial=result,
        )

    def _revert(self, git: Git, commits: list[str], old: str, result: dict[str, Any]) -> str:
        """One commit that reverts all, with the old tree itself: no merge is needed, so nothing can conflict.

        It is made beside the work tree, which then moves to it in one step: killed half way, there is either this
        commit or none, and whatever else lies in the work tree or in the index stays. Hooks do not run: this content
        has passed them before, and an undoing must not depend on what they need. Those of the push do run.
        """
        subjects = [git.run("log", "-1", "--format=%h %s", commit) for commit in commits]
        message = f"Revert the deploy of {commits[0][:12]}\n\nThis reverts, newest first:\n" + "\n".join(
            f"- {subject}" for subject in subjects
        )
        arguments = [*(["-S"] if git.signs else []), "-p", commits[0], "-m", message, git.tree_of(old)]
        try:
            revert = git.run("commit-tree", *arguments, timeout=SIGNING_S)
        except PitstopError as error:
            raise PitstopError(
                f"The revert cannot be {'signed' if git.signs else 'committed'}",
                why=error.why or error.what,
                next_step="unlock the key (sign something with it once, so that its agent knows it), then run again"
                if git.signs
                else "mend what git names, then run again",
                partial={**result, "changed": False},
            ) from error
        try:
            git.run(*NO_HOOKS, "merge", "--quiet", "--ff-only", revert)
        except PitstopError as error:
            raise PitstopError(
                f"The work tree {git.path} cannot be taken back to the old code",
                why=error.why or error.what,
                next_step=f"commit or stash what is in the way, then: git merge --ff-only {revert[:12]}, and git push",
                partial={**result, "changed": False},
            ) from error
        if git.tree_of("HEAD") != git.tree_of(old):
            raise PitstopError(
                f"The tree of HEAD is not that of {old[:12]}",
                why=f"something else moved {git.path} at the same moment",
                next_step=f"git diff {old[:12]} HEAD shows the difference; nothing is pushed",
                partial=result,
            )
        return revert


def _revert_of(git: Git, old: str, deployed: str, head: str) -> str | None:
    """The commit after the deployed one that has the old tree: the revert of an earlier, perhaps killed, rollback."""
    if not git.succeeds("merge-base", "--is-ancestor", deployed, head):
        return None
    wanted = git.tree_of(old)
    rows = git.run("log", "--first-parent", "--reverse", "--format=%H %T", f"{deployed}..{head}").splitlines()
    return next((commit for commit, tree in (row.split() for row in rows) if tree == wanted), None)


def _names(commits: list[str]) -> str:
    return ", ".join(commit[:12] for commit in commits)
