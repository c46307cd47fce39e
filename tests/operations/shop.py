# SPDX-License-Identifier: GPL-3.0-or-later
"""An app on a local Heroku, with a real git and real dynos, and a run that deploys it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from tests.heroku.local import APP, TOKEN, Local, TinyApp

from .conftest import Performed, RunOperation

OLD, NEW = "old", "new"
TIMEOUTS = {"timeout": 60, "dynos_timeout": 60}


@dataclass
class Shop:
    """An app that is live with its old code, its repository, and the operations as tasks of one run."""

    local: Local
    tiny: TinyApp
    run: Run
    operate: RunOperation
    old_commit: str

    def perform(self, name: str, **args: Any) -> Performed:
        """Run an operation with what it needs to reach the app."""
        access: dict[str, Any] = {}
        if name not in ("git_commit", "git_revert"):
            access |= {"app": APP, "api_url": self.local.url, "data_url": self.local.url, "api_key": TOKEN}
            access |= {"git_url": f"{self.local.url}/{APP}.git"}
        if name.startswith("git_") or name == "deploy_review":
            access |= {"repository": str(self.tiny.folder)}
        return self.operate(name, {**access, **args}, run=self.run)

    def ship(self, text: str = NEW, review: dict[str, Any] | None = None) -> str:
        """Review, commit a change and push it to Heroku; returns the commit."""
        server = self.tiny.folder / "server.js"
        server.write_text(server.read_text().replace(OLD, text))
        options = review or {"paths": ["server.js"]}
        assert not self.perform("deploy_review", **options, evidence="deploy.review").failed
        commit = self.perform("git_commit", paths=options["paths"], message=text, evidence="deploy.commit")
        assert not self.perform("git_push", evidence="deploy.push_heroku").failed
        return str(commit.result["commit"])

    def roll_back(self, **args: Any) -> Performed:
        return self.perform("heroku_rollback", evidence="rollback.release", **TIMEOUTS, **args)

    def live_commit(self) -> str:
        """The commit of the release that is current, once none is pending."""
        newest = self.local.releases()[-1]["version"]
        self.local.settled(newest)
        live = next(release for release in self.local.releases() if release["current"])
        return str(self.local.get(f"/apps/{APP}/slugs/{live['slug']['id']}")["commit"])
