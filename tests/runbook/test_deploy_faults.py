# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of the local Heroku, met by a deploy: it ends with the old code serving or with the new one verified."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.faults import DESCRIPTIONS

from .conftest import Ended, Production

TAKEN_BACK = ("build_fails", "release_fails", "dyno_crashes", "health_wrong")
NOT_SHIPPED = ("protected_origin", "rejected_non_fast_forward")
BEFORE_THE_DEPLOY = ("backup_fails", "expired_backup_url")
SHIPPED = (
    *("slow_release", "api_429", "api_503", "reset_after_post", "hang", "drop_log_stream"),
    *("concurrent_release", "preboot", "eco_sleep"),
)
JUDGED_LATER = ("slower_code",)
"""Only phase 4 can tell: test_runbook.py."""

QUICK: dict[str, Any] = {"heroku_deploy_settle": 3, "heroku_deploy_health_timeout": 10}


def test_every_fault_is_rehearsed() -> None:
    """A fault that no run meets is a promise of `make demo FAULT=…` that nobody keeps."""
    met = {*TAKEN_BACK, *NOT_SHIPPED, *BEFORE_THE_DEPLOY, *SHIPPED, *JUDGED_LATER}
    assert set(DESCRIPTIONS) == met


def _deploy(production: Production, fault: str, **variables: Any) -> Ended:
    production.sandbox.fault(fault)
    return production.run("--skip-tags", "baseline,db,verify", **{**QUICK, **variables})


def _last_lines(ended: Ended) -> str:
    """What a person reads when all is over."""
    return ended.text[ended.text.index("TASK [run : close") :]


@pytest.mark.parametrize("fault", TAKEN_BACK)
def test_a_release_that_is_bad_is_taken_back(production: Production, fault: str) -> None:
    """Whatever git said: the old code serves again, the branch has the old content, and the screen says so."""
    before = production.serving()
    ended = _deploy(production, fault)
    after = production.serving()
    assert ended.exit_code == 2, ended.text
    assert after["answers as"] == after["commit"]
    assert {after[key] for key in ("tree", "head", "origin")} == {before["tree"]}
    assert (after["dirty"], after["maintenance"], after["pending"]) == ("", False, [])
    assert ended.read("run.json")["state"] == "undone"
    assert ended.read("run.json")["failure"]["phase"] == 3
    assert "undone: " in _last_lines(ended)
    assert "NOT undone" not in _last_lines(ended)
    assert "call DBA" in _last_lines(ended)


@pytest.mark.parametrize("fault", NOT_SHIPPED)
def test_what_a_remote_refuses_is_never_shipped(production: Production, fault: str) -> None:
    """Never by force: the app goes on untouched, and what a person has to do is said."""
    before = production.serving()
    ended = _deploy(production, fault)
    after = production.serving()
    assert ended.exit_code == 2, ended.text
    assert (after["commit"], after["answers as"]) == (before["commit"], before["commit"])
    assert {after[key] for key in ("head", "origin")} == {before["tree"]}
    assert (after["dirty"], after["maintenance"], after["pending"]) == ("", False, [])
    assert "NOT undone" not in _last_lines(ended)
    failure = ended.read("run.json")["failure"]
    assert ("protected" if fault == "protected_origin" else "commits that this one lacks") in failure["message"]
    assert "Next: " in failure["message"]


@pytest.mark.parametrize("fault", BEFORE_THE_DEPLOY)
def test_without_a_backup_nothing_is_touched(production: Production, fault: str) -> None:
    """The first thing that fails is the last thing that happens."""
    before = production.snapshot(), production.serving()
    ended = _deploy(production, fault)
    assert ended.exit_code == 2, ended.text
    assert (production.snapshot(), production.serving()) == before
    assert ended.read("run.json")["failure"]["phase"] == 0


@pytest.mark.parametrize("fault", SHIPPED)
def test_what_only_looks_like_a_failure_ends_with_the_new_code_verified(production: Production, fault: str) -> None:
    """A deploy that gives up at the first hiccup is one that people do by hand again."""
    old = production.serving()
    releases = len(production.heroku("/apps/invoice-bot/releases"))
    ended = _deploy(production, fault)
    assert ended.exit_code == 0, ended.text
    after = production.serving()
    assert after["commit"] == after["answers as"] == production.git("rev-parse", "HEAD")
    assert after["tree"] == after["head"] == after["origin"] != old["tree"]
    assert (after["dirty"], after["maintenance"], after["pending"]) == ("", False, [])
    made = len(production.heroku("/apps/invoice-bot/releases")) - releases
    assert made == (2 if fault == "concurrent_release" else 1), "a write whose answer was lost was repeated"
    assert ended.read("deploy.json")["health"]["passes"] == 3


def test_a_revert_that_cannot_be_pushed_says_what_is_left_to_do(production: Production) -> None:
    """A protected branch: the app is on the old release within seconds, the rest is a pull request."""
    before = production.serving()
    assert production.run("--skip-tags", "baseline,db,verify", **QUICK).exit_code == 0
    production.sandbox.fault("protected_origin")
    ended = production.run(playbook="playbooks/rollback.yml")
    after = production.serving()
    assert ended.exit_code == 2, ended.text
    assert (after["commit"], after["answers as"]) == (before["commit"], before["commit"])
    assert after["head"] == before["tree"] != after["origin"]
    assert "NOT undone" in _last_lines(ended)
    assert "pull request" in _last_lines(ended)
    production.sandbox.fault("none")
    again = production.run(playbook="playbooks/rollback.yml")
    assert again.exit_code == 0, again.text
    assert production.serving()["origin"] == before["tree"]


def test_maintenance_mode_is_on_only_while_it_is_shipped(production: Production) -> None:
    """Customers see the maintenance page instead of errors, and never longer than the deploy; also a failed one."""
    for fault in ("none", "dyno_crashes"):
        production.sandbox.fresh()
        ended = _deploy(production, fault, heroku_deploy_maintenance_mode=True)
        log = (production.sandbox.directory / "heroku/logs/invoice-bot.log").read_text()
        assert log.count("Maintenance mode on") == 1, ended.text
        on = log.index("Maintenance mode on")
        assert log.index("Build started", on) < log.index("Maintenance mode off")
        assert production.serving()["maintenance"] is False
        assert ended.exit_code == (0 if fault == "none" else 2)


def test_a_build_through_the_api_needs_no_push_remote(production: Production) -> None:
    """Some teams have no right to push to Heroku's git, or have to ship the same commit once more."""
    before = production.serving()
    build = {**QUICK, "heroku_deploy_method": "build"}
    ended = production.run("--skip-tags", "baseline,db,verify", **build)
    assert ended.exit_code == 0, ended.text
    after = production.serving()
    assert after["commit"] == after["answers as"] == production.git("rev-parse", "HEAD")
    back = production.run(playbook="playbooks/rollback.yml", **build)
    assert back.exit_code == 0, back.text
    after = production.serving()
    assert {after[key] for key in ("tree", "head", "origin")} == {before["tree"]}


def test_staging_s_slug_is_promoted_and_taken_back(production: Production) -> None:
    """What was tried on staging is what is shipped: the same slug, and no commit, since there is nothing to commit."""
    before = production.serving()
    production.git("commit", "--quiet", "--all", "--message", "perf: tried on staging")
    production.git("push", "--quiet", "origin", "HEAD:main")
    production.push_to_heroku("invoice-bot-staging")
    promote = {**QUICK, "heroku_deploy_method": "promote", "heroku_deploy_promote_from": "invoice-bot-staging"}
    ended = production.run("--skip-tags", "baseline,db,verify,backup", **promote)
    assert ended.exit_code == 0, ended.text
    after = production.serving()
    assert after["commit"] == after["answers as"] == production.git("rev-parse", "HEAD") != before["commit"]
    assert "Promote invoice-bot-staging" in str(production.heroku("/apps/invoice-bot/releases"))
    back = production.run(playbook="playbooks/rollback.yml", **promote)
    assert back.exit_code == 0, back.text
    after = production.serving()
    assert (after["tree"], after["commit"]) == (before["tree"], before["commit"])
    assert after["head"] == after["origin"] != before["tree"], "the team's commits are not ours to revert"


@pytest.mark.parametrize(
    "mistake", [{"heroku_deploy_health_body": "("}, {"heroku_deploy_health_url": "invoice-bot/health"}]
)
def test_a_mistake_in_what_is_checked_last_is_met_first(production: Production, mistake: dict[str, str]) -> None:
    """Met after the push, a typing error would cost a release and its rollback."""
    before = production.snapshot()
    ended = production.run("--tags", "deploy", **{**QUICK, **mistake})
    assert ended.exit_code == 2, ended.text
    assert production.snapshot() == before
    assert "Next: " in ended.read("run.json")["failure"]["message"]
