# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at what a deploy would ship, and refuse what must not be shipped."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import Shipment
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._review import findings
from ansible_collections.pitstop.runbook.plugins.modules.deploy_review import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases

SCREEN_LINES = 60


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        noted = Shipment.of(self.opened_run.read("deploy") if self.opened_run else None)
        try:
            return self._review(noted)
        except PitstopError as error:
            if noted.before:  # or this refusal would erase where the run's earlier start can be taken back to
                error.partial = {"restore": noted.before, **error.partial}
            raise

    def _review(self, noted: Shipment) -> dict[str, Any]:
        git = Git(self.args["repository"])
        git.require_branch(self.args["branch"])
        live = self._live()
        self._refuse_lost_commits(git, live["commit"])
        files = self._declared_changes(git)
        diff = self._diff(git, files)
        self._refuse_findings(diff)
        head = git.run("rev-parse", "HEAD")
        commits = [
            line.split("\t", 1) for line in git.run("log", "--format=%H%x09%s", f"{live['commit']}..HEAD").splitlines()
        ]
        needed = bool(files) or git.tree_of(head) != git.tree_of(live["commit"])
        self._show(live, diff, files, commits, needed=needed)
        return {
            "live": live,
            "restore": noted.before if live["commit"] in noted.ours else live,
            "base_commit": head,
            "files": list(files),
            "commits": [{"id": commit, "subject": subject} for commit, subject in commits],
            "needed": needed,
            "patch": diff,
            "diff": {"prepared": diff} if diff else {"before": "", "after": ""},
        }

    def _live(self) -> dict[str, Any]:
        app = self.args["app"]
        heroku = self.heroku()
        releases = Releases(heroku, app, self.console)
        if pending := releases.pending():
            raise PitstopError(
                f"Somebody is deploying {app} just now ({', '.join(pending)})",
                next_step="wait until that has ended, then run again",
            )
        live = releases.live()
        commit = releases.commit_of(live)
        if not commit:
            raise PitstopError(
                f"The live release v{live['version']} of {app} does not tell its commit",
                next_step="deploy it once with git push, so that a later deploy can be compared with it",
            )
        return {"version": live["version"], "id": live["id"], "commit": commit, "created_at": live["created_at"]}

    def _refuse_lost_commits(self, git: Git, live: str) -> None:
        if git.commit_of(live) is None:
            raise PitstopError(
                f"The live commit {live[:12]} is not in {git.path}",
                why="somebody has deployed what this checkout has not seen; shipping would lose it",
                next_step="git fetch --all, merge it, then run again",
            )
        if not git.succeeds("merge-base", "--is-ancestor", live, "HEAD"):
            lost = git.run("log", "--format=%h %s", f"HEAD..{live}").splitlines()
            raise PitstopError(
                f"Shipping HEAD would lose what is live: {'; '.join(lost[:5])}",
                why=f"the live commit {live[:12]} is no ancestor of HEAD",
                next_step=f"git merge {live[:12]}, then run again",
            )

    def _declared_changes(self, git: Git) -> dict[str, str]:
        declared = self.args["paths"]
        dirty = git.dirty()
        changed = {path: state for path, state in dirty.items() if _is_under(path, declared)}
        others = {path: state for path, state in dirty.items() if path not in changed}
        tracked = [path for path, state in others.items() if state != "??"]
        if tracked:
            raise PitstopError(
                f"The work tree has changes that are not declared: {', '.join(tracked)}",
                next_step="commit or stash them, or add them to heroku_deploy_paths",
            )
        if others:
            self.say(f"not shipped, since untracked and not declared: {', '.join(others)}")
        return changed

    def _diff(self, git: Git, files: dict[str, str]) -> str:
        tracked = [path for path, state in files.items() if state != "??"]
        parts = [git.run("diff", "HEAD", "--", *tracked)] if tracked else []
        for path, state in files.items():
            if state == "??":
                content = (git.path / path).read_text(encoding="utf-8", errors="replace")
                added = "".join(f"+{line}\n" for line in content.splitlines())
                parts.append(f"--- /dev/null\n+++ b/{path}\n{added}")
        return "".join(f"{part}\n" for part in parts)

    def _refuse_findings(self, diff: str) -> None:
        if found := findings(diff):
            raise PitstopError(
                f"The diff must not be shipped: {'; '.join(found)}",
                next_step="take it out of the file (a secret belongs into a config var), then run again",
            )

    def _show(
        self, live: dict[str, Any], diff: str, files: dict[str, str], commits: list[list[str]], *, needed: bool
    ) -> None:
        self.say(f"live: v{live['version']}, commit {live['commit'][:12]}")
        lines = diff.splitlines()
        for line in lines[:SCREEN_LINES]:
            self.say(line, color="green" if line.startswith("+") else "red" if line.startswith("-") else None)
        if len(lines) > SCREEN_LINES:
            self.say(f"… {len(lines) - SCREEN_LINES} more lines, whole in deploy.json")
        for commit, subject in commits:
            self.say(f"not deployed yet: {commit[:12]} {subject}")
        if not needed:
            self.say("nothing to deploy: what is live is what is here")
        elif files:
            self.say(f"to be committed and shipped: {', '.join(files)}")


def _is_under(path: str, declared: list[str]) -> bool:
    return any(path == wanted or path.startswith(wanted.rstrip("/") + "/") for wanted in declared)
