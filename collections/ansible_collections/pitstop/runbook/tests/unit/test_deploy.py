# SPDX-License-Identifier: GPL-3.0-or-later
"""What releases, dynos, diffs and push outputs mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import (
    Shipment,
    dyno_state,
    foreign_releases,
    live_release,
    newer_than,
    push_problem,
    to_restore,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run, to_json, write_whole


def dyno(state: str, version: int = 6, kind: str = "web") -> dict[str, Any]:
    return {"name": f"{kind}.1", "type": kind, "state": state, "release": {"version": version}}


@pytest.mark.parametrize(
    ("dynos", "wanted", "state"),
    [
        ([dyno("up")], 1, "up"),
        ([dyno("idle")], 1, "up"),
        ([dyno("up", version=5)], 1, "waiting"),
        ([dyno("up"), dyno("starting")], 2, "waiting"),
        ([dyno("up"), dyno("crashed")], 2, "crashed"),
        ([dyno("crashed", version=5), dyno("starting")], 1, "waiting"),
        ([], 1, "waiting"),
        ([], 0, "up"),
        ([dyno("up", kind="worker")], 1, "waiting"),
    ],
)
def test_an_app_is_up_when_all_its_web_dynos_are_up_on_the_release(dynos: list[Any], wanted: int, state: str) -> None:
    """`heroku ps:wait` is content with no dyno at all, and waits for ever for a crashed one."""
    assert dyno_state(dynos, wanted, 6)[0] == state


REJECTED = " ! [remote rejected] abc -> main ({})\nerror: failed to push some refs to 'origin'"


@pytest.mark.parametrize(
    ("output", "why", "step"),
    [
        (f"remote:  !     Push failed\n{REJECTED.format('pre-receive hook declined')}", "the build failed", "mend"),
        (" ! [rejected] abc -> main (non-fast-forward)", "force would lose them", "git pull --rebase origin main"),
        (" ! [rejected] abc -> main (fetch first)", "force would lose them", "git pull --rebase"),
        (REJECTED.format("cannot lock ref 'refs/heads/main': is at 1 but expected 2"), "same moment", "run again"),
        (
            "remote: error: GH006: Protected branch update failed for refs/heads/main.\nremote: \n"
            "remote: - Changes must be made through a pull request.\n"
            + REJECTED.format("protected branch hook declined"),
            "Changes must be made through a pull request",
            "git push origin 0123456789ab:refs/heads/topic, then open a pull request",
        ),
        (
            "remote: error: GH013: Repository rule violations found for refs/heads/main.\n"
            + REJECTED.format("push declined due to repository rule violations"),
            "the branch is protected",
            "pull request",
        ),
        (
            "remote: GitLab: You are not allowed to push code to protected branches on this project.\n"
            + REJECTED.format("pre-receive hook declined"),
            "the branch is protected",
            "pull request",
        ),
        (
            f"remote: GL-HOOK-ERR: Name an issue.\n{REJECTED.format('pre-receive hook declined')}",
            "a hook of the remote declined it (GL-HOOK-ERR: Name an issue.)",
            "mend what it names",
        ),
        (
            (
                "remote: error: GH013: Repository rule violations found for refs/heads/main.\n"
                "remote: - GITHUB PUSH PROTECTION\n"
                + REJECTED.format("push declined due to repository rule violations")
            ),
            "a secret",
            "make the secret invalid",
        ),
        ("fatal: could not read Username for 'https://git.heroku.com'", "credential", "by hand"),
        ("git@github.com: Permission denied (publickey).\nfatal: Could not read from remote", "credential", "by hand"),
        (
            (
                "remote: Permission to team/bot.git denied to ada.\n"
                "fatal: unable to access 'https://github.com/team/bot.git/': The requested URL returned error: 403"
            ),
            "may not push there",
            "right to push",
        ),
        ("fatal: repository 'https://git.heroku.com/nope.git/' not found", "is not there", "git remote -v"),
        ("fatal: unable to access 'https://a/': Could not resolve host: a", "connection", "run again"),
        ("fatal: the remote end hung up unexpectedly", "connection", "asked first what it has"),
        ("Total 401 (delta 404)\nsomething new", "something new", "by hand, to see more"),
    ],
)
def test_a_refused_push_says_why_and_what_next(output: str, why: str, step: str) -> None:
    """Git's exit code alone cannot tell a broken build from somebody else's commits, or from a protected branch."""
    found = push_problem(output, "origin", "0123456789abcdef", "main", "topic")
    assert why in found[0]
    assert step in found[1]


@given(st.lists(st.integers(1, 50), unique=True), st.integers(0, 50))
def test_newer_releases_come_newest_first(versions: list[int], after: int) -> None:
    """The rollback looks at what was released after ours; the wrong order would take the wrong one."""
    found = [release["version"] for release in newer_than([{"version": v} for v in versions], after)]
    assert found == sorted((v for v in versions if v > after), reverse=True)


def test_the_live_release_is_the_current_one_not_the_newest() -> None:
    """A failed release is the newest and serves nobody."""
    assert live_release([{"version": 7, "current": False}, {"version": 6, "current": True}]) == {
        "version": 6,
        "current": True,
    }


def released(version: int, slug: str, status: str = "succeeded") -> dict[str, Any]:
    return {"version": version, "status": status, "slug": {"id": slug}}


@pytest.mark.parametrize(
    ("releases", "foreign"),
    [
        ([(released(6, "new"), "ours")], []),
        ([(released(6, "new"), "ours"), (released(7, "new"), "ours")], [7]),  # the same slug again: config vars
        ([(released(6, "new"), "ours"), (released(7, "old"), "before")], []),  # a rollback
        ([(released(6, "hot"), "theirs")], [6]),
        ([(released(6, "hot", "failed"), "theirs")], []),
        ([(released(5, "hot"), "theirs")], []),  # before the deploy
        ([(released(7, "hot"), None), (released(6, "new"), "ours")], [7]),
    ],
)
def test_what_somebody_else_released_is_told_from_our_own(releases: list[Any], foreign: list[int]) -> None:
    """A rollback takes away all that came after the old release: a colleague's hotfix, or a config var."""
    found = foreign_releases(releases, 5, {"ours"}, "old")
    assert [release["version"] for release in found] == foreign


def test_a_shipment_is_what_the_whole_run_shipped() -> None:
    """A run that was started twice has two commits to answer for, and one release to go back to."""
    before: dict[str, Any] = {"version": 5, "commit": "a"}
    first: dict[str, Any] = {"version": 6, "commit": "b"}
    once = Shipment.of(
        {"review": {"live": before, "restore": before}, "commit": {"commit": "b"}, "push_heroku": {"x": 1}}
    )
    assert (once.before, once.commit, sorted(once.ours), once.pushed) == (before, "b", ["b"], True)
    twice = Shipment.of({"review": {"live": first, "restore": before}, "commit": {"commit": "c"}})
    assert (twice.before, twice.commit, sorted(twice.ours)) == (before, "c", ["b", "c"])
    hook_failed = Shipment.of({"review": {"live": first, "restore": before}, "commit": {"failed": True}})
    assert hook_failed.commit == "b"


@pytest.mark.parametrize(
    ("revert", "reverted_by"),
    [
        (None, None),
        ({"commit": "r", "reverted": ["b"]}, "r"),
        ({"commit": "x", "reverted": []}, None),  # there was nothing to revert
        ({"commit": "b", "reverted": ["b"]}, None),  # check mode has planned it
        ({"commit": "x", "reverted": [], "failed": True}, None),  # somebody had committed on top
    ],
)
def test_the_commit_that_took_a_deploy_back_is_known_again(revert: Any, reverted_by: str | None) -> None:
    """Else the release of the revert reads like somebody else's, and the next rollback is refused."""
    before = {"version": 5, "commit": "a"}
    deploy = {"review": {"live": before, "restore": before}, "commit": {"commit": "b"}}
    assert Shipment.of(deploy, {"revert": revert} if revert else {}).reverted_by == reverted_by


@pytest.mark.parametrize("deploy", [None, {}, {"review": {"failed": True, "error": "no"}}])
def test_nothing_was_shipped_by_a_deploy_that_did_not_get_past_its_review(deploy: Any) -> None:
    """The rescue runs for every failure, also for one that changed nothing."""
    shipment = Shipment.of(deploy)
    assert (shipment.before, shipment.commit, shipment.pushed) == (None, None, False)


@pytest.mark.parametrize("section", ["push_heroku", "build", "promote"])
def test_whatever_shipped_it_it_can_be_taken_back(section: str) -> None:
    """A method that the rollback does not know would leave the bad code where it is."""
    before = {"version": 5, "commit": "a"}
    deploy = {"review": {"live": before, "restore": before, "ships": "b"}, section: {"commit": "b"}}
    if section != "promote":
        deploy["commit"] = {"commit": "b"}
    shipment = Shipment.of(deploy)
    assert (shipment.pushed, shipment.commit, shipment.shipped) == (True, "b", frozenset("b"))
    assert shipment.promoted is (section == "promote")


def test_a_promotion_that_was_killed_is_known_by_its_intention() -> None:
    """It has left no evidence of its own, and may have gone live all the same."""
    before = {"version": 5, "commit": "a"}
    shipment = Shipment.of({"review": {"live": before, "restore": before, "ships": "s", "method": "promote"}})
    assert (shipment.commit, shipment.ours, shipment.promoted) == ("s", frozenset("s"), True)


def test_only_a_migration_that_may_have_run_stands_in_the_way() -> None:
    """Without a release command nothing has run it, and the bad code must not stay for its sake."""
    review = {"live": {"version": 5, "commit": "a"}, "irreversible": ["001.sql drops a column"]}
    assert Shipment.of({"review": review}).irreversible == ()
    assert Shipment.of({"review": {**review, "release_command": True}}).irreversible == ("001.sql drops a column",)


def test_a_killed_run_is_taken_back_by_the_next(tmp_path: Path) -> None:
    """The next start has no deploy of its own, yet what the killed one shipped and reverted is known."""
    killed = Run("1", "app", tmp_path / "app" / "1")
    write_whole(killed.directory / "run.json", to_json({"run_id": "1", "state": "abandoned"}))
    before = {"version": 5, "commit": "a"}
    killed.write("deploy.review", {"live": before, "restore": before}, "2026")
    killed.write("deploy.commit", {"commit": "b"}, "2026")
    killed.write("rollback.revert", {"commit": "r", "reverted": ["b"]}, "2026")
    following = Run("2", "app", tmp_path / "app" / "2")
    following.write("rollback.release", {"version": 7, "serves_old": True}, "2026")
    shipment = Shipment.of_run(following)
    assert (shipment.commit, shipment.reverted_by, shipment.restored_as) == ("b", "r", 7)


KINDS = {"ours": "new", "theirs": "hot", "before": "old"}
COURSE = st.lists(st.tuples(st.sampled_from(list(KINDS)), st.sampled_from(["succeeded", "failed"])), max_size=12)


@given(COURSE)
def test_a_rollback_goes_to_the_old_code_and_keeps_what_was_set_before_ours(course: list[tuple[str, str]]) -> None:
    """Whatever has happened since: it restores no code but the old, and nothing that came after the deploy."""
    noted = released(5, "old")
    newer = [(released(6 + n, KINDS[commit], status), commit) for n, (commit, status) in enumerate(course)]
    target = to_restore(newer, noted, {"ours"})
    assert target["slug"] == noted["slug"]
    assert target["status"] == "succeeded"
    first = min((release["version"] for release, commit in newer if commit == "ours"), default=99)
    kept = [r for r, c in newer if c == "before" and r["status"] == "succeeded" and r["version"] < first]
    assert target == (kept[-1] if kept else noted)


@given(COURSE, st.randoms())
def test_no_order_and_no_failed_release_hides_somebody_elses(course: list[tuple[str, str]], order: Any) -> None:
    """A release of theirs that is overlooked is taken away without a word; one of ours taken for theirs stops us."""
    newer = [(released(6 + n, KINDS[commit], status), commit) for n, (commit, status) in enumerate(course)]
    theirs = [r["version"] for r, commit in newer if commit == "theirs" and r["status"] == "succeeded"]
    ours = [r["version"] for r, commit in newer if commit == "ours" and r["status"] == "succeeded"]
    order.shuffle(newer)
    found = [release["version"] for release in foreign_releases(newer, 5, {"ours"}, "old")]
    assert found == sorted(theirs + ours[1:])
