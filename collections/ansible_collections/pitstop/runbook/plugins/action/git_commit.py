# SPDX-License-Identifier: GPL-3.0-or-later
"""Commit the declared paths, and nothing else."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError, last_lines
from ansible_collections.pitstop.runbook.plugins.modules.git_commit import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._shipping import declared_changes
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

HOOKS_TIMEOUT_S = 600
LOCK_TIMEOUT_S = 5
HOOK_LINES = 10
LOCKS = ("index.lock", "HEAD.lock")


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        git = Git(self.args["repository"])
        parent = git.head()
        changes = declared_changes(git, self.args["paths"])
        paths, message = list(changes), self.args["message"]
        result: dict[str, Any] = {"changed": bool(paths), "paths": paths, "parent": parent, "commit": parent}
        if not paths:
            self.say("nothing to commit")
            return result
        if self.check:
            self.say(f"would: git add -- {' '.join(paths)}")
            self.say(f"would: git commit -m {message!r} -- {' '.join(paths)}")
            return result
        git.require_committer()
        self._await_locks(git)
        if untracked := [path for path, state in changes.items() if state == "??"]:
            git.run("--literal-pathspecs", "add", "--", *untracked)
        command = ("--literal-pathspecs", "commit", "--quiet", "-m", message, "--", *paths)
        code, output = git.stream(*command, say=lambda line: self.say(f"commit: {line}"), timeout=HOOKS_TIMEOUT_S)
        if code != 0:
            raise PitstopError(
                f"git has not committed {', '.join(paths)} (exit code {code})",
                why=last_lines(output, HOOK_LINES) or "it said nothing; a hook may have refused it",
                next_step="mend what it (or its hook) names, look at git diff, then run again",
                partial={**result, "changed": False},
            )
        result["commit"] = git.head()
        self.say(f"committed {result['commit'][:12]} {message.splitlines()[0]}")
        self._look_at_hooks_work(git, result)
        return result

    def _await_locks(self, git: Git) -> None:
        """Another git may be at work just now; one that was killed has left its lock for good."""
        words = (word for name in LOCKS for word in ("--git-path", name))
        locks = [(git.path / line).resolve() for line in git.run("rev-parse", *words).splitlines()]
        with Wait(self.console, "another git to end", LOCK_TIMEOUT_S) as wait:
            while held := [str(lock) for lock in locks if lock.exists()]:
                if wait.over:
                    raise PitstopError(
                        f"Another git holds {', '.join(held)}",
                        why="it is still at work, or it was killed and has left its lock behind",
                        next_step=f"when no git runs there any more: rm {' '.join(held)}, then run again",
                    )
                wait.pause("it holds its lock")

    def _look_at_hooks_work(self, git: Git, result: dict[str, Any]) -> None:
        """A hook may have put more into the commit than was reviewed, or changed files after it."""
        shown = git.run("-c", "core.quotePath=false", "show", "--format=", "--name-only", "--no-renames", "-z", "HEAD")
        if foreign := sorted(set(filter(None, shown.split("\0"))) - set(result["paths"])):
            raise PitstopError(
                f"The commit {result['commit'][:12]} has files that are not declared: {', '.join(foreign)}",
                why="a hook has added them, so nobody has reviewed them",
                next_step="look at it (git show), then run again, which reviews it; or git reset --soft HEAD~1",
                partial=result,
            )
        if left := declared_changes(git, self.args["paths"]):
            self.say(f"changed by a hook after the commit, so not shipped: {', '.join(left)}", color="yellow")
