# SPDX-License-Identifier: GPL-3.0-or-later
"""What releases, dynos, diffs and push outputs mean."""

from __future__ import annotations

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
)


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


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (" ! [remote rejected] HEAD -> main (pre-receive hook declined)", "the build failed"),
        (" ! [rejected] HEAD -> main (non-fast-forward)", "force would lose them"),
        ("fatal: could not read Username for 'https://git.heroku.com'", "credential"),
        ("fatal: repository 'https://git.heroku.com/nope.git/' not found", "is not there"),
        ("something new", "something new"),
    ],
)
def test_a_refused_push_says_why_and_what_next(output: str, why: str) -> None:
    """Git's exit code alone cannot tell a broken build from somebody else's commits."""
    assert why in push_problem(output)[0]
    assert push_problem(output)[1]


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
        ({"commit": "r", "reverted": []}, "r"),  # a second rollback found it done
        ({"commit": "b", "reverted": []}, None),
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
