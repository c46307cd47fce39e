# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of Heroku on a server that answers by a script: what is tried again, what is not, and for how long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.utils.display import Display

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _heroku
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient, HerokuError, UnknownOutcome
from ansible_collections.pitstop.runbook.plugins.plugin_utils._output_stream import OutputStream
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

KEY = "not-a-real-key"
Step = tuple[int, dict[str, str], bytes]
FINE: Step = (200, {}, b"{}")
HANG: Step = (0, {}, b"")
"""No answer, until the test is over."""


@dataclass
class Script:
    """A server that answers by ``steps``, the last of them for ever; what it was asked is in ``requests``."""

    url: str = ""
    steps: list[Step] = field(default_factory=lambda: [FINE])
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        self.requests.append((handler.command, handler.path, dict(handler.headers), body))
        status, headers, content = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if not status:
            self.over.wait(30)
            return
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True


@pytest.fixture
def script() -> Iterator[Script]:
    said = Script()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            said.answer(self)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do  # noqa: N815 - the names are http.server's

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said.url = f"http://127.0.0.1:{server.server_port}"
        yield said
        said.over.set()
        server.shutdown()


@dataclass
class Time:
    """A clock that only pauses move on."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def passing() -> Time:
    return Time()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def client(script: Script, passing: Time, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> HerokuClient:
    monkeypatch.setattr(_heroku, "TRY_S", 0.2)
    monkeypatch.setattr(_heroku, "WRITE_S", 0.2)
    return HerokuClient(script.url, script.url, KEY, say=lines.append, sleep=passing.sleep, clock=lambda: passing.now)


def quiet() -> Console:
    """A console that shows nothing."""
    return Console(Display, "", "none", silent=True)


def refusals(status: int, **headers: str) -> Step:
    return (status, {name.replace("_", "-"): value for name, value in headers.items()}, b'{"id": "x", "message": "m"}')


@pytest.mark.parametrize("trouble", [refusals(429), refusals(503), (500, {}, b"<html>"), HANG], ids=str)
def test_a_read_goes_on_through_passing_trouble(script: Script, client: HerokuClient, trouble: Step) -> None:
    """Heroku refuses one request in some thousands; a deploy of 200 must not fail by it."""
    script.steps = [trouble, trouble, (200, {}, b'{"answer": 42}')]
    assert client.get("/apps/shop") == {"answer": 42}
    assert len(script.requests) == 3


def test_a_read_ends_within_two_minutes_whatever_happens(
    script: Script, client: HerokuClient, passing: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try may take 12 s to be refused; pauses and tries together have to fit."""
    monkeypatch.setattr(_heroku, "TRY_S", 12)
    monkeypatch.setattr(client, "_clock", lambda: passing.now + 12 * len(script.requests))
    script.steps = [refusals(503, Retry_After="86400")]
    with pytest.raises(PitstopError):
        client.get("/apps/shop")
    assert client._clock() < 120
    assert max(passing.pauses) <= _heroku.LONGEST_PAUSE_S


def test_retry_after_is_respected_and_the_error_says_when_to_come_back(
    script: Script, client: HerokuClient, passing: Time
) -> None:
    """Who asks sooner is refused again, and has used up one more request."""
    script.steps = [refusals(429, Retry_After="17")]
    with pytest.raises(HerokuError, match="run again in 17 s"):
        client.get("/apps/shop")
    assert min(passing.pauses) >= 17


def test_an_answer_that_comes_by_the_drop_is_given_up(
    script: Script, client: HerokuClient, passing: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each drop comes in time and the whole never does: a timeout of the socket does not see that."""

    def clock() -> float:
        passing.now += 2
        return passing.now

    monkeypatch.setattr(client, "_clock", clock)
    script.steps = [(200, {}, b'{"never": "whole"}')]
    with pytest.raises(PitstopError, match="did not answer"):
        client.get("/apps/shop")


@pytest.mark.parametrize("method", ["post", "delete"])
def test_a_write_is_sent_once(script: Script, client: HerokuClient, method: str) -> None:
    """It may have taken effect: sent again it would be a second release."""
    script.steps = [HANG]
    with pytest.raises(UnknownOutcome):
        getattr(client, method)("/apps/shop/releases")
    assert len(script.requests) == 1


def test_a_wanted_state_is_sent_again(script: Script, client: HerokuClient) -> None:
    """Maintenance mode that stays on for one lost answer is an outage."""
    script.steps = [HANG, FINE]
    client.patch("/apps/shop", {"maintenance": False})
    assert [body for _, _, _, body in script.requests] == [b'{"maintenance": false}'] * 2


def test_few_requests_left_are_spent_slowly_and_that_is_said_once(
    script: Script, client: HerokuClient, passing: Time, lines: list[str]
) -> None:
    """The account's other deploys, and its dashboard, live on the same requests."""
    script.steps = [(200, {"RateLimit-Remaining": "42"}, b"{}")]
    for _ in range(3):
        client.get("/apps/shop")
    assert passing.pauses == [_heroku.SLOW_S] * 2
    assert len(lines) == 1
    assert "42 requests" in lines[0]
    script.steps = [(200, {"RateLimit-Remaining": "4000"}, b"{}")]
    for _ in range(3):
        client.get("/apps/shop")
    assert len(passing.pauses) == 3


def test_an_upload_is_whole_and_without_the_key(script: Script, client: HerokuClient, tmp_path: Path) -> None:
    """The storage is not Heroku's: a key sent there is a key given away."""
    file = tmp_path / "source.tar.gz"
    file.write_bytes(b"x" * 200_000)
    script.steps = [refusals(503), FINE]
    client.put_file(f"{script.url}/blob?signature=s3cr3t", file, timeout=60)
    for method, _, headers, body in script.requests:
        assert (method, len(body)) == ("PUT", 200_000)
        assert KEY not in str(headers)
        assert "Content-Type" not in headers


def test_an_upload_that_is_refused_does_not_show_its_url(script: Script, client: HerokuClient, tmp_path: Path) -> None:
    """The signature in it is a permission."""
    (tmp_path / "file").touch()
    script.steps = [(403, {}, b"<Error/>")]
    with pytest.raises(PitstopError, match="403") as refused:
        client.put_file(f"{script.url}/blob?signature=s3cr3t", tmp_path / "file", timeout=60)
    assert "s3cr3t" not in str(refused.value)


def test_a_stream_that_breaks_is_told_once_and_whole(
    script: Script, client: HerokuClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build of ten minutes outlives connections; its lines must neither be missing nor come twice."""
    monkeypatch.setattr("ansible_collections.pitstop.runbook.plugins.plugin_utils._output_stream.PAUSE_S", 0.01)
    whole = "first\nsecond é\nthird\n".encode()
    script.steps = [(404, {}, b"not yet"), (200, {"Content-Length": "99"}, whole[:14]), (200, {}, whole)]
    lines: list[str] = []
    output = OutputStream(client, f"{script.url}/streams/1", lines.append)
    assert output.whole() == whole.decode()
    assert lines == ["first", "second é", "third"]


def test_a_release_that_expired_is_a_failure(script: Script, client: HerokuClient) -> None:
    """Its command ran into Heroku's own limit: it will never go live."""
    script.steps = [(200, {}, b'{"version": 7, "status": "expired", "output_stream_url": null}')]
    with pytest.raises(PitstopError, match="v7 expired, so it never went live"):
        Releases(client, "shop", quiet()).awaited(7, 60)


def test_a_long_wait_looks_ever_less_often() -> None:
    """A build of twenty minutes would cost 1200 of the account's requests."""
    passing = Time()
    wait = Wait(quiet(), "it", 100, slowest_poll_s=5, clock=lambda: passing.now, sleep=passing.sleep)
    while not wait.over:
        wait.pause("not yet")
    assert passing.pauses[:5] == [1] * 5
    assert max(passing.pauses) == 5
    assert passing.now == 100, "the deadline holds"
