# SPDX-License-Identifier: GPL-3.0-or-later
"""The review before a deploy: a real repository, a real origin, and the answers of Heroku's API from a table."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

from .conftest import Performed, RunOperation
from .test_git import Checkout


@dataclass
class Api:
    """What Heroku answers, by path; a list of answers is given one after the other."""

    live: str
    staging: str = ""
    maintenance: bool = False
    builds: list[list[dict[str, Any]]] = field(default_factory=list)

    def get(self, path: str, _headers: Any = None) -> Any:
        _, _, app, *what = path.split("/")
        if what == ["builds"]:
            return self.builds.pop(0) if self.builds else []
        if what == ["releases"]:
            release = {"version": 5, "id": "r5", "current": True, "status": "succeeded", "description": "Deploy"}
            return [{**release, "created_at": "2026-11-24T06:58:38Z", "slug": {"id": app}}]
        if what[:1] == ["slugs"]:
            return {"commit": self.staging if app == "staging" else self.live}
        if what == ["features"]:
            return []  # as of a generation that has no preboot
        return {"maintenance": self.maintenance}


@dataclass
class Desk:
    """A checkout whose first commit is live, and the review as a task."""

    checkout: Checkout
    api: Api
    run: Run
    operate: RunOperation

    def review(self, *, check: bool = False, **args: Any) -> Performed:
        given = {"repository": str(self.checkout.path), "app": "shop", "paths": ["app.js"], "evidence": "deploy.review"}
        return self.operate("deploy_review", {**given, **args}, run=self.run, check=check)

    def commit(self, name: str, text: str, message: str = "more") -> str:
        self.checkout.write(name, text)
        self.checkout.git("add", name)
        self.checkout.git("commit", "-q", "-m", message)
        return self.checkout.git("rev-parse", "HEAD")


@pytest.fixture
def desk(tmp_path: Path, run: Run, run_operation: RunOperation, monkeypatch: pytest.MonkeyPatch) -> Desk:
    checkout = Checkout(tmp_path)
    heroku = tmp_path / "heroku.git"
    subprocess.run(["git", "clone", "-q", "--bare", checkout.path, heroku], check=True)
    api = Api(checkout.git("rev-parse", "HEAD"))
    monkeypatch.setattr(Operation, "heroku", lambda _: api)
    monkeypatch.setattr(Operation, "heroku_git", lambda _: (str(heroku), {}))
    return Desk(checkout, api, run, run_operation)


def test_all_that_is_not_live_is_shown_and_the_repository_is_left_as_it_was(desk: Desk) -> None:
    """What was committed last week goes live as well; and to look must change nothing."""
    desk.commit("other.js", "undeployed\n")
    desk.checkout.write("app.js", "declared\n")
    (desk.checkout.path / "logo.bin").write_bytes(b"\0\1")
    (desk.checkout.path / "link").symlink_to("app.js")
    before = sorted(path for path in (desk.checkout.path / ".git").rglob("*"))
    done = desk.review(paths=["app.js", "logo.bin", "link"])
    assert not done.failed, done.message
    assert done.result["needed"] is True
    assert done.result["ships"] is None
    assert [commit["subject"] for commit in done.result["commits"]] == ["more"]
    for shown in ("+undeployed", "+declared", "Binary files /dev/null and b/logo.bin differ", "new file mode 120000"):
        assert shown in done.result["patch"]
    assert any("will: commit 3 files" in line for line in done.lines)
    assert sorted(path for path in (desk.checkout.path / ".git").rglob("*")) == before
    assert not any("will:" in line for line in desk.review(paths=["app.js", "logo.bin", "link"], check=True).lines)


def test_nothing_new_is_no_failure(desk: Desk) -> None:
    """A deploy that is started again after its end."""
    done = desk.review()
    assert not done.failed, done.message
    assert (done.result["needed"], done.result["plan"]) == (False, [])


def test_a_commit_that_heroku_has_but_does_not_serve_cannot_be_pushed_again(desk: Desk) -> None:
    """Its release failed: the push would be content, and the wait for the release in vain."""
    desk.commit("app.js", "new\n")
    subprocess.run(["git", "-C", desk.checkout.path, "push", "-q", "../heroku.git", "main"], check=True)
    refused = desk.review()
    assert refused.failed
    assert "heroku_deploy_method: build" in refused.message
    assert not desk.review(method="build").failed


def _merging(desk: Desk) -> None:
    (desk.checkout.path / ".git" / "MERGE_HEAD").write_text(desk.api.live + "\n")


def _secret_in_the_past(desk: Desk) -> None:
    desk.commit("app.js", "postgres://app:" + "x" * 12 + "@db.example/app\n")
    desk.commit("app.js", "taken out\n")


def _other_branch(desk: Desk) -> None:
    desk.checkout.git("switch", "-q", "--detach")


def _staged_elsewhere(desk: Desk) -> None:
    desk.checkout.write("other.js", "half done\n")
    desk.checkout.git("add", "other.js")


def _unreachable(desk: Desk) -> None:
    desk.checkout.git("remote", "set-url", "origin", "/nowhere.git")


def _no_identity(desk: Desk) -> None:
    desk.checkout.write("app.js", "new\n")
    for key in ("user.name", "user.email"):
        desk.checkout.git("config", key, "")


def _large(desk: Desk) -> None:
    desk.checkout.write("app.js", "x" * 5_000_001)


def _diverged(desk: Desk) -> None:
    colleague = desk.checkout.origin.parent / "colleague"
    subprocess.run(["git", "clone", "-q", desk.checkout.origin, colleague], check=True)
    identity = ["-c", "user.name=C", "-c", "user.email=c@team.example"]
    subprocess.run(["git", "-C", colleague, *identity, "commit", "-q", "--allow-empty", "-m", "hotfix"], check=True)
    subprocess.run(["git", "-C", colleague, "push", "-q", "origin", "main"], check=True)


def _maintained(desk: Desk) -> None:
    desk.api.maintenance = True


def _lost(desk: Desk) -> None:
    first = desk.api.live
    desk.api.live = desk.commit("other.js", "hot\n", "hotfix")
    desk.checkout.git("reset", "-q", "--hard", first)


def _unrelated(desk: Desk) -> None:
    desk.api.live = desk.checkout.git("commit-tree", "-m", "other", "HEAD^{tree}")


def _shallow(desk: Desk) -> None:
    (desk.checkout.path / ".git" / "shallow").write_text(desk.api.live + "\n")


def _unborn(desk: Desk) -> None:
    desk.checkout.git("update-ref", "-d", "HEAD")


def _ignored(desk: Desk) -> None:
    desk.checkout.git("rm", "-q", "--cached", "app.js")
    desk.checkout.git("commit", "-q", "-m", "out")
    desk.checkout.write(".gitignore", "app.js\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_merging, "git merge --continue"),
        (_secret_in_the_past, "app.js:1 a URL with a password"),
        (_other_branch, "HEAD is detached"),
        (_staged_elsewhere, "not declared: other.js"),
        (_unreachable, "does not answer git"),
        (_no_identity, "does not know who you are"),
        (_large, "app.js (5.0 MB)"),
        (_diverged, "hotfix: shipping without them"),
        (_maintained, "heroku maintenance:off -a shop"),
        (_lost, "would lose what is live"),
        (_unrelated, "no common history"),
        (_shallow, "fetch --unshallow"),
        (_unborn, "has no commit yet"),
        (_ignored, "git add --force app.js"),
    ],
)
def test_what_must_not_be_shipped_gets_its_own_answer(desk: Desk, spoil: Callable[[Desk], None], said: str) -> None:
    """Each of these has taken down somebody's production, or lost somebody's work; each has its own way out."""
    spoil(desk)
    refused = desk.review()
    assert refused.failed
    assert said in refused.message
    assert "xxxx" not in refused.message


def test_a_mistyped_path_is_named_with_what_it_may_mean(desk: Desk) -> None:
    """Else the fix is silently not shipped, and the run says that all went well."""
    refused = desk.review(paths=["lib/app.js"])
    assert refused.failed
    assert "there is app.js" in refused.message


def test_a_path_that_was_deleted_and_shipped_long_ago_stops_nobody(desk: Desk) -> None:
    """The same deploy is started again after its end."""
    desk.checkout.git("rm", "-q", "app.js")
    desk.checkout.git("commit", "-q", "-m", "without")
    desk.api.live = desk.checkout.git("rev-parse", "HEAD")
    assert not desk.review().failed


def test_a_submodule_is_said_for_a_push_and_stops_a_tarball(desk: Desk) -> None:
    """The tarball has an empty folder in its place."""
    desk.checkout.git("update-index", "--add", "--cacheinfo", f"160000,{desk.api.live},vendor/lib")
    desk.checkout.git("commit", "-q", "-m", "submodule")
    (desk.checkout.path / "vendor" / "lib").mkdir(parents=True)
    said = desk.review()
    assert any("submodules: vendor/lib" in line for line in said.lines), said.message
    refused = desk.review(method="build")
    assert refused.failed
    assert "vendor/lib" in refused.message


def test_somebody_elses_build_is_waited_for_or_stops(desk: Desk) -> None:
    """What is live may change any moment: compared with the old release, theirs would be lost."""
    desk.api.builds = [[{"id": "b1", "status": "pending"}]]
    refused = desk.review(pending="stop")
    assert refused.failed
    assert "build b1" in refused.message
    desk.api.builds = [[{"id": "b1", "status": "pending"}], []]
    assert not desk.review(pending="wait").failed
    assert desk.api.builds == []


def test_maintenance_mode_that_a_killed_start_left_on_is_ours(desk: Desk) -> None:
    """The second start has to go on, and take it off."""
    desk.run.write("deploy.maintenance", {"enabled": True}, "2026-01-01")
    desk.api.maintenance = True
    done = desk.review()
    assert not done.failed, done.message
    assert done.result["maintenance"] is True


def test_a_promotion_ships_staging_and_commits_nothing(desk: Desk) -> None:
    """Changes that lie here would be forgotten."""
    desk.api.staging = desk.commit("app.js", "proved\n", "proved on staging")
    desk.checkout.git("reset", "-q", "--hard", "HEAD~1")
    done = desk.review(method="promote", promote_from="staging")
    assert not done.failed, done.message
    assert done.result["ships"] == desk.api.staging
    assert "+proved" in done.result["patch"]
    desk.checkout.write("app.js", "only here\n")
    refused = desk.review(method="promote", promote_from="staging")
    assert refused.failed
    assert "app.js" in refused.message


def test_a_refused_start_keeps_what_the_killed_run_before_it_has_left(desk: Desk, tmp_path: Path) -> None:
    """Else maintenance mode stays on for ever, and nobody knows what was live before."""
    killed, first = desk.run, desk.api.live
    killed.write("deploy.review", {"live": {"version": 5, "commit": first}, "irreversible": ["x"]}, "2026-01-01")
    killed.write("deploy.commit", {"commit": "c0"}, "2026-01-01")
    killed.write("deploy.maintenance", {"enabled": True}, "2026-01-01")
    desk.run = _run.open_run(tmp_path / "evidence", "invoice-bot", {})
    desk.checkout.write("other.js", "stray\n")
    assert desk.review().failed
    kept = desk.run.read("deploy") or {}
    assert kept["review"]["restore"]["commit"] == first
    assert kept["review"]["irreversible"] == ["x"]
    assert (kept["commit"]["commit"], kept["maintenance"]["enabled"]) == ("c0", True)
