# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a deploy back, where the plain path does not lead: on a local Heroku with a real git and real dynos."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from tests.heroku.local import APP, TinyApp, serving, wait_until

from .conftest import RunOperation
from .shop import NEW, OLD, TIMEOUTS, Shop


@pytest.fixture
def shop(tmp_path: Path, run: Run, run_operation: RunOperation) -> Iterator[Shop]:
    """An app on its first day. Its release command takes no time."""
    with serving(tmp_path / "state", "postgres://nobody@localhost/nothing", tmp_path / "programs") as local:
        tiny = TinyApp.create(tmp_path / "app")
        for key, value in {"user.name": "Test", "user.email": "test@team.example"}.items():
            tiny.git("config", key, value)
        tiny.git("init", "--quiet", "--bare", str(tmp_path / "origin.git"))
        tiny.git("remote", "add", "origin", str(tmp_path / "origin.git"))
        tiny.procfile("web: node server.js", "release: echo at postgres://app:s3cr3ts3cr3t@db.example/app")
        commit, _ = tiny.deploy(local, OLD)
        yield Shop(local, tiny, run, run_operation, commit)


def test_a_release_that_is_still_pending_cannot_go_live_after_the_rollback(shop: Shop) -> None:
    """When the wait for a slow migration gave up, the new code would come up minutes after all was 'undone'."""
    shop.local.faults("slow_release")
    server = shop.tiny.folder / "server.js"
    assert not shop.perform("deploy_review", paths=["server.js"], evidence="deploy.review").failed
    server.write_text(server.read_text().replace(OLD, NEW))
    shop.perform("git_commit", paths=["server.js"], message=NEW, evidence="deploy.commit")
    before = shop.local.releases()[-1]["version"]
    # This push leaves no evidence, as if it had been killed; its release command is still running.
    pushing = threading.Thread(target=shop.tiny.push, args=(shop.local,))
    pushing.start()
    wait_until(
        lambda: any(r["version"] > before and r["status"] == "pending" for r in shop.local.releases()), "it is pending"
    )
    rolled_back = shop.roll_back()
    pushing.join()
    assert not rolled_back.failed, rolled_back.message
    assert shop.live_commit() == shop.old_commit
    shop.local.wait_for_dyno("up", next(r["version"] for r in shop.local.releases() if r["current"]))
    assert OLD in shop.local.web().text


def test_a_deploy_that_was_killed_before_it_wrote_its_evidence_is_taken_back(shop: Shop) -> None:
    """SIGKILL right after the push: what is live tells it, evidence does not."""
    assert shop.ship() == shop.live_commit()
    evidence = shop.run.read("deploy") or {}
    shop.run.path("deploy").unlink()
    for section in ("review", "commit"):
        shop.run.write(f"deploy.{section}", evidence[section], evidence["started_at"])
    assert not (done := shop.roll_back()).failed, done.message
    assert done.result["changed"] is True
    assert shop.live_commit() == shop.old_commit


def test_a_resumed_run_still_knows_what_was_live_before_it(shop: Shop) -> None:
    """The second start of a run finds the new code live; rolling back to that would undo nothing."""
    new = shop.ship()
    again = shop.perform("deploy_review", paths=["server.js"], evidence="deploy.review").result
    assert again["needed"] is False
    shop.perform("git_commit", paths=["server.js"], message=NEW, evidence="deploy.commit")
    assert shop.live_commit() == new
    assert shop.roll_back().result["changed"] is True
    assert shop.live_commit() == shop.old_commit
    assert shop.perform("git_revert", evidence="rollback.revert").result["reverted"] == [new]


def test_a_change_of_config_vars_by_somebody_else_is_not_rolled_away(shop: Shop) -> None:
    """A rollback restores the old config vars as well: a colleague's new setting would vanish without a word."""
    shop.ship()
    shop.local.ask("PATCH", f"/apps/{APP}/config-vars", json={"GREETING": "good morning"}).raise_for_status()
    refused = shop.roll_back()
    assert refused.failed
    assert "Somebody else" in refused.message
    assert shop.local.get(f"/apps/{APP}/config-vars")["GREETING"] == "good morning"
    assert not shop.roll_back(force=True).failed
    assert shop.live_commit() == shop.old_commit


def test_rollbacks_in_a_row_end_as_one(shop: Shop) -> None:
    """Killed half way or started again, a rollback must not take its own first release for somebody else's."""
    shop.ship()
    for _ in range(3):
        back = shop.roll_back()
        assert not back.failed, back.message
        reverted = shop.perform("git_revert", evidence="rollback.revert")
        assert not reverted.failed, reverted.message
        assert not shop.perform("git_push", undoing=True, evidence="rollback.push_heroku").failed
        assert shop.tiny.git("rev-parse", f"{shop.live_commit()}^{{tree}}") == shop.tiny.git(
            "rev-parse", f"{shop.old_commit}^{{tree}}"
        )
        releases = [(release["version"], release["status"]) for release in shop.local.releases()]
        if back.result["changed"]:
            once = releases
    assert releases == once


def test_a_second_start_that_is_refused_takes_nothing_down(shop: Shop) -> None:
    """A stray edit stops the review before it ships; the good deploy of the first start must not pay for it."""
    new = shop.ship()
    package = shop.tiny.folder / "package.json"
    text = package.read_text()
    package.write_text(text + "\n")
    assert shop.perform("deploy_review", paths=["server.js"], evidence="deploy.review").failed
    assert shop.roll_back().result["changed"] is False
    assert shop.perform("git_revert").result["changed"] is False
    assert shop.live_commit() == new
    package.write_text(text)
    assert not shop.perform("deploy_review", paths=["server.js"], evidence="deploy.review").failed
    assert shop.roll_back().result["changed"] is True, "the refusal erased where to go back to"
    assert shop.live_commit() == shop.old_commit


def test_what_was_never_shipped_is_not_taken_back(shop: Shop) -> None:
    """The deploy failed before its push and a colleague released something: that is no failure of the undoing."""
    assert not shop.perform("deploy_review", paths=["server.js"], evidence="deploy.review").failed
    theirs, _ = shop.tiny.deploy(shop.local, "a colleague's")
    done = shop.roll_back()
    assert not done.failed, done.message
    assert done.result["changed"] is False
    assert shop.live_commit() == theirs


def test_a_rollback_happens_once_on_a_wire_that_loses_answers_and_twice_is_once(shop: Shop) -> None:
    """Each repeated POST would be one more release, with its release command run again."""
    shop.ship()
    newest = shop.local.releases()[-1]["version"]
    shop.local.faults("reset_after_post")
    assert not (done := shop.roll_back()).failed, done.message
    shop.local.faults()
    assert [r["version"] for r in shop.local.releases() if r["version"] > newest] == [newest + 1]
    assert shop.roll_back().result["changed"] is False
    assert shop.local.releases()[-1]["version"] == newest + 1


def test_the_output_of_a_release_is_kept_without_its_secrets(shop: Shop) -> None:
    """Migrations like to print the database they work on, and evidence is passed around."""
    commit = shop.ship()
    released = shop.perform("heroku_release", commit=commit, after_version=0, evidence="deploy.release", **TIMEOUTS)
    assert not released.failed, released.message
    kept = (shop.run.directory / "release.log").read_text()
    assert "db.example" in kept
    assert "s3cr3t" not in kept
    assert "s3cr3t" not in "\n".join(released.lines)


def test_a_migration_that_cannot_go_back_refuses_the_rollback(shop: Shop) -> None:
    """The old code without its column is down as well, and worse than the new one: that is for a person to decide."""
    migration = shop.tiny.folder / "migrations/0042.sql"
    migration.parent.mkdir()
    migration.write_text("ALTER TABLE invoices DROP COLUMN folio;\n")
    paths = {"paths": ["server.js", "migrations"], "migration_paths": ["migrations/**"]}
    new = shop.ship(review=paths)
    assert not shop.perform("deploy_review", **paths, evidence="deploy.review").failed, "a second start of the run"
    refused = shop.roll_back()
    assert refused.failed
    for told in ("migrations/0042.sql:1", "DROP COLUMN", "heroku_deploy_rollback_force=true"):
        assert told in refused.message
    assert refused.result["left"]
    assert shop.live_commit() == new
    assert not shop.roll_back(force=True).failed
    assert shop.live_commit() == shop.old_commit


def test_a_rollback_whose_release_command_fails_is_no_success(shop: Shop, tmp_path: Path) -> None:
    """The CLI says done and exits with 0; the new code serves all the same."""
    broken = tmp_path / "broken"
    shop.tiny.procfile("web: node server.js", f"release: test ! -e {broken}")
    shop.tiny.deploy(shop.local, OLD)
    new = shop.ship()
    broken.touch()
    failed = shop.roll_back()
    assert failed.failed
    assert "could not be brought back" in failed.message
    assert f"commit {new[:12]}) serves" in failed.result["left"][0]
    assert shop.live_commit() == new
    broken.unlink()
    assert not shop.roll_back().failed
    assert shop.live_commit() != new


def test_a_rollback_that_was_killed_after_its_revert_goes_on_to_push_it(shop: Shop) -> None:
    """Else the branch would have the old content here, and the new one everywhere else, for ever."""
    new = shop.ship()
    assert not shop.roll_back().failed
    first = shop.perform("git_revert").result  # without evidence, as a killed one
    again = shop.perform("git_revert", evidence="rollback.revert").result
    assert (again["reverted"], again["commit"]) == ([new], first["commit"])
    pushed = shop.perform("git_push", undoing=True, evidence="rollback.push_heroku")
    assert pushed.result["changed"] is True, pushed.message
    assert shop.perform("git_push", undoing=True, evidence="rollback.push_heroku").result["changed"] is False


def test_what_never_arrived_at_heroku_needs_no_undoing_there(shop: Shop) -> None:
    """A colleague's push came first: theirs stays, and no build is begun for what was never there."""
    shop.local.faults("rejected_non_fast_forward")
    server = shop.tiny.folder / "server.js"
    server.write_text(server.read_text().replace(OLD, NEW))
    assert not shop.perform("deploy_review", paths=["server.js"], evidence="deploy.review").failed
    shop.perform("git_commit", paths=["server.js"], message=NEW, evidence="deploy.commit")
    rejected = shop.perform("git_push", evidence="deploy.push_heroku")
    assert rejected.failed
    assert "commits that this one lacks" in rejected.message
    builds = len(shop.local.get(f"/apps/{APP}/builds"))
    assert shop.roll_back().result["serves_old"] is True
    assert not shop.perform("git_revert", evidence="rollback.revert").failed
    undone = shop.perform("git_push", undoing=True, evidence="rollback.push_heroku")
    assert not undone.failed, undone.message
    assert undone.result["changed"] is False
    assert len(shop.local.get(f"/apps/{APP}/builds")) == builds


def test_what_somebody_has_pushed_on_top_is_not_lost(shop: Shop) -> None:
    """Undoing by force would take a colleague's commit with it."""
    new = shop.ship()
    theirs = shop.tiny.git("commit-tree", "-p", new, "-m", "a hotfix", f"{new}^{{tree}}")
    assert shop.tiny.push(shop.local, f"{theirs}:refs/heads/main").returncode == 0
    assert not shop.perform("git_revert", evidence="rollback.revert").failed
    refused = shop.perform("git_push", undoing=True, evidence="rollback.push_heroku")
    assert refused.failed
    assert "gone on beyond the deployed commit" in refused.message
    assert "the revert" in refused.result["left"][0]
