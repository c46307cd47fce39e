# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the app answers as it should: an app that says what a test wants, over real HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from .conftest import Performed, RunOperation
from .stand_in import Asked, Reply, answering

NEW = "1234abcd" * 5
OLD = "0badc0de" * 5
GOOD = {"passes": 3, "timeout": 20}


def says(commit: object, status: int = 200, **more: Any) -> Reply:
    return Reply(status, [json.dumps({"status": "ok", "commit": commit, **more})])


class App:
    """An app that gives its answers one after the other, the last one for ever."""

    def __init__(self, operate: RunOperation) -> None:
        self.operate = operate
        self.url = ""
        self.answers: list[Reply] = []
        self.asked: list[Asked] = []

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def wait(self, *answers: Reply, **args: Any) -> Performed:
        self.answers = list(answers)
        return self.operate("health_wait", {"url": f"{self.url}/health", "version": NEW, **GOOD, **args})


@pytest.fixture
def app(run_operation: RunOperation, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The app; it is asked in quick succession."""
    monkeypatch.setattr(
        "ansible_collections.pitstop.runbook.plugins.action.health_wait.POLL_S",
        0.01,
    )
    found = App(run_operation)
    with answering(found.answer) as found.url:
        yield found


def test_old_answers_errors_and_good_ones_between_are_not_yet(app: App) -> None:
    """With preboot the old dynos answer for minutes, in between the new ones: one good answer proves nothing."""
    done = app.wait(Reply(503, ["starting"]), says(NEW), says(OLD), says(NEW), says(NEW), says(NEW))
    assert not done.failed, done.message
    assert done.result["passes"] == 3
    assert done.result["answers"] == {"status 503": 1, "as wanted": 4, "old version": 1}
    assert done.result["last"] == f"200, commit {NEW[:12]}"


@pytest.mark.parametrize(
    ("reply", "args", "last"),
    [
        (says(OLD), {}, f"still commit {OLD[:12]}"),
        (Reply(503, ["<h1>Application   error</h1>\n"]), {}, "status 503: <h1>Application error</h1>"),
        (Reply(200, ["ok"]), {}, "200 without commit: ok"),
        (says(NEW), {"body": '"db": *"up"'}, "not with"),
        (says(NEW), {"status": [204]}, "status 200"),
        (says(NEW[:6]), {}, "still commit 1234ab"),
        (says({"id": NEW}), {}, "200 without commit"),
        (Reply(500, ["at postgres://app:s3cr3ts3cr3t@db.example/app"]), {}, "postgres://app:***@db.example"),
    ],
)
def test_what_it_answered_last_is_told(app: App, reply: Reply, args: dict[str, Any], last: str) -> None:
    """At three in the morning, 'unhealthy' is no message; and the answer may hold a secret."""
    done = app.wait(reply, timeout=0, **args)
    assert done.failed
    assert last in done.message
    assert "s3cr3ts3cr3t" not in done.message + json.dumps(done.result) + "".join(done.lines)
    assert "curl -iL" in done.message
    assert done.result["passes"] == 0


@pytest.mark.parametrize(
    ("reply", "args"),
    [
        (says(NEW[:7]), {}),
        (says(None, build={"commit": NEW}), {"version_key": "build.commit"}),
        (Reply(200, [json.dumps({"build.commit": NEW})]), {"version_key": "build.commit"}),
        (says(12), {"version": "12"}),
        (says(NEW, 206), {"status": [200, 206]}),
        (says(NEW, db="up"), {"body": '"db": *"up"'}),
    ],
)
def test_apps_may_say_it_in_their_way(app: App, reply: Reply, args: dict[str, Any]) -> None:
    """A short commit, a version deep in the JSON: an app need not be changed for Pitstop."""
    done = app.wait(reply, **args)
    assert not done.failed, done.message


def test_a_redirect_is_followed_and_said_once(app: App) -> None:
    """Http leads to https on many an app; 301 for ever would be rolled back."""
    moved = Reply(301, headers={"Location": "/live?ticket=s3cr3t"})
    app.answers = [moved, says(OLD), moved, says(NEW), moved, says(NEW), says(NEW)]
    done = app.operate("health_wait", {"url": f"{app.url}/health", "version": NEW, **GOOD})
    assert not done.failed, done.message
    assert [line for line in done.lines if "redirects" in line] == [
        f"  app | {app.url}/health redirects to {app.url}/live"
    ]


def test_redirects_in_a_circle_end(app: App) -> None:
    done = app.wait(Reply(302, headers={"Location": "/health"}), timeout=0)
    assert done.failed
    assert done.result["answers"] == {"no answer": 1}
    assert "too many redirects" in done.message


def drip() -> Iterator[str]:
    while True:
        yield " "
        time.sleep(0.05)


def test_an_answer_without_an_end_does_not_hold_the_deploy(app: App) -> None:
    """A health address that streams would otherwise be read for ever, whatever the deadline."""
    done = app.wait(Reply(200, drip()), timeout=0)
    assert done.failed
    assert "not whole" in done.message


def test_nobody_there_is_told(operation_error: Callable[..., str]) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(answering(lambda _: Reply()))
        stack.close()
        message = operation_error("health_wait", {"url": f"{url}/?token=s3cr3t", "version": NEW, "timeout": 0})
    assert "refused" in message
    assert "s3cr3t" not in message


def test_good_answers_that_do_not_suffice_end_at_the_deadline(app: App) -> None:
    """A thousand passes asked for by mistake must not go on for hours."""
    done = app.wait(says(NEW), passes=1000, timeout=0)
    assert done.failed
    assert done.result["passes"] == 1


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ({"url": "my-app.example.com/health"}, "https://"),
        ({"url": "ftp://my-app.example.com"}, "https://"),
        ({"url": "https://my-app.example.com:x/"}, "https://"),
        ({"url": "https://my app.example.com/"}, "https://"),
        ({"body": "ok (really"}, "regular expression"),
        ({"passes": 0}, "set passes"),
    ],
)
def test_a_mistake_is_told_before_anything(run_operation: RunOperation, args: dict[str, Any], named: str) -> None:
    """Also in check mode, where mistakes are to be found; not after twenty minutes of deploy."""
    done = run_operation("health_wait", {"url": "https://a.example", "version": NEW, **args}, check=True)
    assert done.failed
    assert named in done.message


def test_check_mode_asks_nothing_and_has_the_same_keys(app: App, run_operation: RunOperation) -> None:
    """Tasks that use the result must not fail under --check."""
    planned = run_operation("health_wait", {"url": f"{app.url}/health", "version": NEW}, check=True)
    assert app.asked == []
    assert planned.lines[0].startswith("  app | would: ")
    assert planned.result.keys() == app.wait(says(NEW)).result.keys()


def test_a_look_before_the_deploy_is_one_question_and_refuses_nothing(app: App) -> None:
    """An app whose old code is ill, or does not tell its commit, is what a fix may be for."""
    for reply, kind in ((Reply(503, ["ill"]), "status 503"), (says(OLD), "old version"), (says(NEW), "as wanted")):
        app.asked.clear()
        done = app.wait(reply, only_look=True)
        assert not done.failed, done.message
        assert (done.result["answers"], len(app.asked)) == ({kind: 1}, 1)


def test_a_mistake_in_the_options_is_met_by_a_look_before_the_deploy(app: App) -> None:
    """Met only after the push, it would cost a deploy and its rollback."""
    refused = app.wait(says(NEW), only_look=True, body="(")
    assert refused.failed
    assert "no regular expression" in refused.message
    assert app.asked == []
