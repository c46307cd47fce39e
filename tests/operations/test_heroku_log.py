# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an app's log after a deploy: a Platform API whose log streams say and do what a test wants."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from tests.heroku import local as heroku_local
from tests.heroku.local import Local, TinyApp, serving

from .conftest import Performed, RunOperation
from .stand_in import Asked, Reply, answering

APP = "invoice-bot"
ACTION = "ansible_collections.pitstop.runbook.plugins.action.heroku_log"
SESSION = "ansible_collections.pitstop.runbook.plugins.plugin_utils._log_session"
ROUTER = 'method=GET path="/pay?card=4111" host=a.example request_id={id} fwd="203.0.113.7" dyno=web.1'
_ids = itertools.count()


def line(text: str, process: str = "router", ago_s: float = 0) -> str:
    """A line of Heroku's, unlike any other by its time."""
    moment = datetime.now(UTC) - timedelta(seconds=ago_s) + timedelta(microseconds=next(_ids))
    return f"{moment.isoformat(timespec='microseconds')} heroku[{process}]: {text}"


def ok(ago_s: float = 0, service: int = 12) -> str:
    return line(f"at=info {ROUTER.format(id='x' * 20)} service={service}ms status=200 bytes=5", ago_s=ago_s)


def error(code: str, ago_s: float = 0) -> str:
    return line(f'at=error code={code} desc="…" {ROUTER.format(id="x" * 20)} service= status=503 bytes=', ago_s=ago_s)


def forever(*lines: str) -> Iterator[str]:
    """A stream that gives its lines, then waits for more."""
    yield from events(*lines)
    while True:
        time.sleep(0.05)
        yield ": still here\n"


def events(*lines: str) -> Iterator[str]:
    for each in lines:
        yield f"id: {each.split(' ', 1)[0]}\ndata: {each}\n\n"


@dataclass
class Platform:
    """An API whose log sessions have the given streams, one after the other, the last one again and again."""

    operate: RunOperation
    run: Run
    streams: list[Reply] = field(default_factory=list)
    refusal: int = 0
    sessions: list[dict[str, Any]] = field(default_factory=list)
    last_ids: list[str] = field(default_factory=list)
    health: list[Asked] = field(default_factory=list)
    url: str = ""

    def answer(self, asked: Asked) -> Reply:
        if asked.path.endswith("/log-sessions"):
            if self.refusal:
                return Reply(self.refusal, ['{"id": "forbidden", "message": "You do not have access"}'])
            self.sessions.append(json.loads(asked.body))
            created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            session = {"logplex_url": f"{self.url}/logplex/s3cr3t-session", "created_at": created}
            return Reply(201, [json.dumps(session)], {"Content-Type": "application/json"})
        if asked.path.startswith("/logplex/"):
            self.last_ids.append(asked.headers.get("Last-Event-ID", ""))
            return self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
        self.health.append(asked)
        return Reply()

    def log(self, *streams: Reply, **args: Any) -> Performed:
        self.streams = list(streams)
        access = {"app": APP, "api_url": self.url, "data_url": self.url, "api_key": "HRKU-not-a-real-one"}
        done = self.operate("heroku_log", {**access, "evidence": "deploy.log", **args}, run=self.run)
        said = json.dumps(done.result) + "".join(done.lines) + json.dumps(self.run.read("deploy"))
        assert not [each for each in ("s3cr3t-session", "203.0.113.7", "4111", "HRKU-not") if each in said]
        return done


SSE = {"Content-Type": "text/event-stream"}


def stream(*lines: str, ends: bool = True) -> Reply:
    return Reply(200, events(*lines), SSE, ends=ends)


def open_stream(*lines: str) -> Reply:
    return Reply(200, forever(*lines), SSE)


@pytest.fixture
def platform(run_operation: RunOperation, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The API; what Pitstop waits between two looks is short."""
    monkeypatch.setattr(f"{ACTION}.ASK_EVERY_S", 0.1)
    monkeypatch.setattr(f"{ACTION}.KEPT_WITHIN_S", 0.5)
    monkeypatch.setattr(f"{SESSION}.PAUSE_S", 0.05)
    monkeypatch.setattr(f"{SESSION}.MAX_PAUSE_S", 0.05)
    found = Platform(run_operation, run)
    with answering(found.answer) as found.url:
        yield found


def quiet_before() -> dict[str, Any]:
    return {"seconds": 3600.0, "requests": 900, "errors_5xx": 1, "codes": {"H12": 1}}


def test_what_the_log_still_has_is_what_before_means(platform: Platform) -> None:
    """Without it, an app that always had some timeouts would be rolled back for them."""
    done = platform.log(stream(ok(600), error("H12", 300), line("Error R14 (Memory quota exceeded)", "web.1", 5)))
    assert not done.failed, done.message
    assert platform.sessions == [{"lines": 1500, "tail": False}]
    found = done.result
    assert (found["lines"], found["requests"], found["errors_5xx"]) == (3, 2, 1)
    assert found["codes"] == {"H12": 1, "R14": 1}
    assert 600 <= found["seconds"] < 660
    assert found["service_ms"] == {"median": 12, "p95": 12}
    assert found["complete"] is True
    assert found["verdict"] == "unknown"
    assert len(found["samples"]) == 2


def test_a_log_without_an_end_does_not_hold_the_deploy(platform: Platform) -> None:
    """Logs of Fir apps never end."""
    done = platform.log(open_stream(ok(60)))
    assert not done.failed
    assert done.result["complete"] is False
    assert done.result["requests"] == 1
    assert "could not be read to its end" in "".join(done.lines)


def test_a_new_fatal_code_fails_the_deploy_at_once(platform: Platform) -> None:
    """Health was proved, then the app crashed: users wait for the rollback, not for the rest of a minute."""
    done = platform.log(open_stream(ok(), error("H10")), seconds=60, baseline=quiet_before())
    assert done.failed
    assert "H10 (App crashed): 1 in 2 requests" in done.message
    assert "heroku logs -n 200 -a invoice-bot" in done.message
    kept = (platform.run.read("deploy") or {})["log"]
    assert kept["verdict"] == "worse"
    assert kept["seconds"] < 30
    assert "code=H10" in kept["samples"][0]
    assert 'path="/pay"' in kept["samples"][0]


def test_what_was_before_the_watch_is_not_counted(platform: Platform) -> None:
    """While dynos restart, H10 and H13 are a normal part of a deploy."""
    done = platform.log(open_stream(error("H10", ago_s=30), ok()), seconds=1, baseline=quiet_before())
    assert not done.failed, done.message
    assert done.result["codes"] == {}
    assert done.result["verdict"] == "quiet"


def test_a_stream_that_breaks_and_is_refused_is_read_on(platform: Platform) -> None:
    """Heroku ends streams as it likes. What was missed is read then, and what is given twice counts once."""
    lines = [ok(), ok(), error("H12"), ok(), ok()]
    done = platform.log(
        Reply(403),
        stream(*lines[:2], ends=False),
        Reply(403),
        stream(*lines[:4]),
        open_stream(*lines),
        seconds=2,
        baseline=quiet_before(),
    )
    assert not done.failed, done.message
    assert (done.result["lines"], done.result["codes"]) == (5, {"H12": 1})
    assert done.result["complete"] is True
    assert [session["lines"] for session in platform.sessions] == [0, 0, 1500, 1500, 1500]
    assert platform.last_ids[2] == lines[1].split(" ", 1)[0]


@pytest.mark.parametrize("refusal", [0, 403])
def test_a_log_that_cannot_be_read_is_said_and_no_failure(platform: Platform, refusal: int) -> None:
    """The app has proved its health; a log service in trouble must not take a good deploy back."""
    platform.refusal = refusal
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(f"{ACTION}.REOPENED_WITHIN_S", 0.1)
        done = platform.log(Reply(403), seconds=1, baseline=quiet_before())
    assert not done.failed, done.message
    assert done.result["complete"] is False
    assert done.result["verdict"] == "unknown"
    assert "403" in done.result["findings"][0]
    assert done.result["findings"][0] in "".join(done.lines)


def test_plain_text_is_read_as_well(platform: Platform) -> None:
    """Whatever a log service makes of what we accept."""
    text = f"{ok(9)}\r\n{error('H12', 8)}\n"
    done = platform.log(Reply(200, [text[:70], text[70:]], {"Content-Type": "text/plain"}))
    assert done.result["codes"] == {"H12": 1}
    assert done.result["requests"] == 2


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ({"codes": ["H10", "500"]}, "'500' is no error code"),
        ({"seconds": -1}, "-1 s"),
        ({"seconds": 1, "url": "a.example"}, "'a.example'"),
    ],
)
def test_a_mistake_is_told_before_anything(platform: Platform, args: dict[str, Any], named: str) -> None:
    done = platform.log(Reply(403), **args)
    assert done.failed
    assert named in done.message
    assert platform.sessions == []


def test_check_mode_reads_nothing_and_has_the_same_keys(platform: Platform, run_operation: RunOperation) -> None:
    """The result of a planned run is the baseline of a planned watch."""
    planned = run_operation("heroku_log", {"app": APP, "api_url": platform.url}, check=True)
    assert planned.lines[0].startswith("  app | would: ")
    assert platform.sessions == []
    assert planned.result.keys() == platform.log(stream()).result.keys()
    watched = run_operation("heroku_log", {"app": APP, "seconds": 60, "baseline": planned.result}, check=True)
    assert not watched.failed


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """A local Heroku with an app that is up."""
    with serving(tmp_path / "state", "postgres://nobody@localhost/nothing", tmp_path / "programs") as found:
        tiny = TinyApp.create(tmp_path / "app")
        tiny.procfile("web: node server.js")
        tiny.deploy(found, "hello")
        yield found


def test_with_a_router_and_a_log_that_breaks_all_the_time(
    local: Local, run_operation: RunOperation, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: the health address makes traffic, the router logs it, and the outage behind it is found."""
    monkeypatch.setattr(f"{SESSION}.PAUSE_S", 0.05)
    monkeypatch.setattr(f"{ACTION}.ASK_EVERY_S", 0.2)
    health = f"http://localhost:{local.router_port}/"
    access = {"app": heroku_local.APP, "api_url": local.url, "api_key": heroku_local.TOKEN}
    for _ in range(5):
        local.web()
    before = run_operation("heroku_log", access, run=run)
    assert before.result["requests"] >= 5
    assert before.result["complete"] is True

    local.faults("drop_log_stream")
    watch = {**access, "seconds": 5, "url": health, "baseline": before.result}
    done = run_operation("heroku_log", watch, run=run)
    assert not done.failed, done.message
    assert done.result["requests"] > 3, "more than one stream gives"
    assert done.result["verdict"] == "quiet"
    assert done.result["service_ms"]["median"] is None, "only we asked"

    local.faults()
    scaled = {"updates": [{"type": "web", "quantity": 0}]}
    local.ask("PATCH", f"/apps/{heroku_local.APP}/formation", json=scaled).raise_for_status()
    done = run_operation("heroku_log", watch, run=run)
    assert done.failed
    assert "H14" in done.message
