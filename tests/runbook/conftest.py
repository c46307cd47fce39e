# SPDX-License-Identifier: GPL-3.0-or-later
"""What end-to-end tests share: the whole runbook through ansible-runner, on a sandbox of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import pytest
from ansible_runner.interface import run as ansible_runner_run

from sandbox.repository import authorization
from tests.sandbox.fixtures import PROJECT, RunningSandbox, sandbox

__all__ = ["sandbox"]

ASKED_AT_MOST = 5
DATABASE_SQL = """
SELECT json_build_object(
    'files', (SELECT json_agg((relname, pg_relation_filenode(oid), reloptions::text) ORDER BY relname) FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')),
    'invoices', (SELECT count(*) FROM tenant_invoices))
"""


@dataclass(frozen=True)
class Ended:
    """A run of a playbook that has ended: its exit code, all that it printed, and its evidence folder."""

    exit_code: int
    text: str
    changed: int
    evidence: Path

    def read(self, name: str) -> dict[str, Any]:
        """A file of the evidence."""
        return dict(json.loads((self.evidence / name).read_text()))


@dataclass(frozen=True)
class Production:
    """The sandbox as a run sees it, and what has to be compared before and after."""

    sandbox: RunningSandbox
    artifacts: Path

    def run(self, *options: str, playbook: str = "master.yml", **variables: Any) -> Ended:
        """Run a playbook as AWX would, through ansible-runner."""
        runner = ansible_runner_run(
            private_data_dir=mkdtemp(dir=self.artifacts),  # the options of an earlier run would be read from it again
            project_dir=str(PROJECT),
            playbook=playbook,
            inventory=str(PROJECT / "inventories/demo"),
            cmdline=" ".join(options) or None,
            extravars=variables,
            envvars={"PITSTOP_SANDBOX_DIR": str(self.sandbox.directory), "ANSIBLE_NOCOLOR": "1"},
            quiet=True,
        )
        changed = sum((runner.stats or {}).get("changed", {}).values())
        with runner.stdout as output:
            text = output.read()
        return Ended(int(runner.rc), text, changed, self._newest_evidence())

    def _newest_evidence(self) -> Path:
        runs = sorted((self.sandbox.directory / "evidence").glob("*/*/run.json"))
        return runs[-1].parent if runs else self.sandbox.directory

    def git(self, *arguments: str, repository: str = "repository") -> str:
        """Ask git in the bot's work tree, or in `origin`."""
        done = subprocess.run(
            ["git", "-C", self.sandbox.state[repository], *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def push_to_heroku(self, app: str) -> None:
        """Deploy HEAD to an app by hand, as somebody in the team would."""
        access = self.sandbox.state["heroku"]
        url = access["git_url"].replace("/invoice-bot.git", f"/{app}.git")
        subprocess.run(
            ["git", "-C", self.sandbox.state["repository"], "push", "--quiet", url, "HEAD:refs/heads/main"],
            env={**os.environ, **authorization(access["token"])},
            capture_output=True,
            check=True,
        )

    def heroku(self, path: str) -> Any:
        """Ask the local Heroku's Platform API."""
        access = self.sandbox.state["heroku"]
        headers = {
            "Authorization": f"Bearer {access['token']}",
            "Accept": "application/vnd.heroku+json; version=3",
        }
        for _ in range(ASKED_AT_MOST):  # some faults hit every third request, or never answer one in twenty
            with suppress(httpx.TransportError):
                answer = httpx.get(access["api_url"] + path, headers=headers)
                if answer.status_code not in (429, 503):
                    return answer.raise_for_status().json()
        raise AssertionError(f"the local Heroku does not answer {path}")

    def health(self) -> dict[str, Any]:
        """The bot's own answer."""
        answer = httpx.get(self.sandbox.state["web_url"] + "health", timeout=30)
        return dict(answer.raise_for_status().json())

    def serving(self) -> dict[str, Any]:
        """What users meet and what the team finds: the live release, its commit, the branch everywhere, the mode."""
        live = next(release for release in self.heroku("/apps/invoice-bot/releases") if release["current"])
        commit = self.heroku(f"/apps/invoice-bot/slugs/{live['slug']['id']}")["commit"]
        return {
            "commit": commit,
            "answers as": self.health()["commit"],
            "tree": self.tree(commit),
            "head": self.tree("HEAD"),
            "origin": self.tree("main", repository="origin"),
            "dirty": self.git("status", "--porcelain"),
            "maintenance": self.heroku("/apps/invoice-bot")["maintenance"],
            "pending": [
                resource["id"]
                for kind in ("releases", "builds")
                for resource in self.heroku(f"/apps/invoice-bot/{kind}")
                if resource["status"] == "pending"
            ],
        }

    def tree(self, revision: str, repository: str = "repository") -> str:
        """The content of a revision: equal trees are equal content."""
        return self.git("rev-parse", f"{revision}^{{tree}}", repository=repository)

    def folios(self) -> list[Any]:
        """The last invoice number of each tenant: measuring hands some out, planning must not."""
        return self.sandbox.query("SELECT tenant_id, series, current_number FROM tenant_folios ORDER BY 1, 2")

    def snapshot(self) -> dict[str, Any]:
        """All that a run may change: database, repository, origin, Heroku."""
        return {
            "database": self.sandbox.query(DATABASE_SQL),
            "head": self.git("rev-parse", "HEAD"),
            "work tree": self.git("status", "--porcelain"),
            "origin": self.git("rev-parse", "main", repository="origin"),
            "releases": [(r["version"], r["status"]) for r in self.heroku("/apps/invoice-bot/releases")],
        }


@pytest.fixture
def production(sandbox: RunningSandbox, tmp_path: Path) -> Production:
    """A production on its first day: bloated, without the indexes, the fix uncommitted in the work tree."""
    sandbox.fresh()
    for kept in ("evidence", "backups"):
        shutil.rmtree(sandbox.directory / kept, ignore_errors=True)
    return Production(sandbox, tmp_path)
