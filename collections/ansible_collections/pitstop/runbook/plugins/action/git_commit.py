# SPDX-License-Identifier: GPL-3.0-or-later
"""Commit the declared paths, and nothing else."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.modules.git_commit import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

HOOKS_TIMEOUT_S = 600


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        git = Git(self.args["repository"])
        parent = git.run("rev-parse", "HEAD")
        paths = [path for path in self.args["paths"] if git.run("status", "--porcelain", "--", path)]
        result: dict[str, Any] = {"changed": bool(paths), "paths": paths, "parent": parent, "commit": parent}
        if not paths:
            self.say("nothing to commit")
            return result
        if self.check:
            self.say(f"would: git add -- {' '.join(paths)}")
            self.say(f"would: git commit -m {self.args['message']!r} -- {' '.join(paths)}")
            return result
        git.run("add", "--", *paths)
        git.run("commit", "--quiet", "-m", self.args["message"], "--", *paths, timeout=HOOKS_TIMEOUT_S)
        result["commit"] = git.run("rev-parse", "HEAD")
        self.say(f"committed {result['commit'][:12]} {self.args['message'].splitlines()[0]}")
        return result
