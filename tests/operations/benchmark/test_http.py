# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking with an app as its users do, and times that people took by hand."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .bot import Asked, Bot, listening
from .conftest import Benchmark
from .probes import http, statement
from .test_role import PLAYBOOK, holds

CONFIG_VARS = {"HOOK": "bot7:AAF-hook"}
SECRET = 'hunter2 "and/more'


@pytest.fixture
def heroku() -> Iterator[dict[str, Any]]:
    """Options for a Heroku that knows the app's config vars and nothing else."""
    with listening(Bot(answer=lambda _: (200, CONFIG_VARS))) as api:
        yield {"app": "invoice-bot", "api_url": api.url, "api_key": "x"}


def test_the_bot_is_timed_as_the_chat_platform_meets_it(benchmark: Benchmark, bot: Bot) -> None:
    """A PDF, an update id of its own each time, and the connection kept: else something else than the bot is timed."""
    (benchmark.repository.path / "order.pdf").write_bytes(b"%PDF-1.4 \xff")
    bot.answer = lambda asked: (200, {"ok": True, "invoice": f"A-{asked.number}"})
    update = {
        "update_id": "$[unique]",
        "text": "order $[iteration], $$[0]",
        "pdf": ["$[file:order.pdf]"],
        "date": "$[now]",
    }
    step = {"method": "POST", "url": f"{bot.url}/webhook", "json": update, "expect": {"json": {"ok": True}}}
    done = benchmark.measure(http(step, distinct="invoice"))
    assert not done.failed, done.message
    [metric] = done.result["metrics"]
    assert (metric["name"], metric["provider"], metric["successful"], metric["failed"]) == ("bot", "http", 3, 0)
    assert len(metric["samples"]) == 3
    assert metric["duplicates"] == 0
    sent = [asked.json for asked in bot.asked]
    assert len({item["update_id"] for item in sent}) == 4
    assert all(type(item["update_id"]) is type(item["date"]) is int for item in sent)
    assert [item["text"] for item in sent] == [f"order {number}, $[0]" for number in range(4)]
    assert base64.b64decode(sent[0]["pdf"][0]) == b"%PDF-1.4 \xff"
    assert len({asked.client for asked in bot.asked}) == 1, "the connection was not kept"
    assert bot.asked[0].headers["Content-Type"] == "application/json"
    again = benchmark.measure(http(step))
    assert not again.failed
    assert len({asked.json["update_id"] for asked in bot.asked}) == 8, "an id came twice over two runs"


def test_a_step_is_repeated_until_the_answer_is_there(benchmark: Benchmark, bot: Bot) -> None:
    """Bots answer the platform at once and work afterwards: what the user waits for is the second."""
    bot.answer = lambda asked: (200, {"state": "done" if asked.number % 3 == 0 else "busy"})
    asks = {"url": f"{bot.url}/state", "until": {"json": {"state": "done"}}, "interval": 0.05}
    done = benchmark.measure(http({"method": "POST", "url": f"{bot.url}/webhook", "body": "x=$[iteration]"}, asks))
    assert not done.failed, done.message
    [metric] = done.result["metrics"]
    assert (metric["successful"], len(bot.of("POST")), len(bot.of("GET"))) == (3, 4, 12)
    assert min(metric["samples"]) >= 100, "two pauses of 50 ms belong to the time"


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [({"json": "took.0", "unit": "s"}, 1500), ({"header": "x-runtime"}, 12.5)],
)
def test_the_time_that_the_answer_itself_says_is_taken(
    benchmark: Benchmark, bot: Bot, duration: dict[str, str], milliseconds: float
) -> None:
    """An app that measures itself knows it without the network."""
    bot.answer, bot.given = lambda _: (200, {"took": [1.5]}), {"X-Runtime": "12.5"}
    done = benchmark.measure(http({"url": bot.url}, duration=duration))
    assert done.result["metrics"][0]["samples"] == [milliseconds] * 3


def test_a_number_given_twice_is_counted(benchmark: Benchmark, bot: Bot) -> None:
    """Two invoices with one number are worse than a slow one."""
    bot.answer = lambda asked: (200, {"invoice": min(asked.number, 3)})
    done = benchmark.measure(http({"url": bot.url}, distinct="invoice"))
    assert done.result["metrics"][0]["duplicates"] == 1


def test_failures_are_counted_and_the_first_is_said(benchmark: Benchmark, bot: Bot) -> None:
    """They must neither vanish nor end the measurement; which it was is needed at three in the morning."""
    bot.answer = lambda asked: (500, {"error": f"no folio {asked.number}"}) if asked.number % 2 == 0 else (200, {})
    done = benchmark.measure(http({"url": f"{bot.url}/x"}, iterations=4, failure_limit=2))
    assert not done.failed, done.message
    [metric] = done.result["metrics"]
    assert (metric["iterations"], metric["successful"], metric["failed"]) == (4, 2, 2)
    told = f'GET {bot.url}/x: it was answered 500 instead of 200: {{"error": "no folio 2"}}'
    assert done.result["probes"][0]["problems"] == [told]
    assert sum(told in line for line in done.lines) == 1


def test_an_app_that_does_not_work_is_not_asked_on_and_on(benchmark: Benchmark, bot: Bot) -> None:
    """The reason is told early, what is there is kept, and the cleanup is done all the same."""
    bot.answer = lambda asked: (401 if asked.method == "GET" else 200, {})
    probe = http(
        {"url": bot.url}, cleanup=[{"method": "DELETE", "url": f"{bot.url}/x"}], iterations=50, failure_limit=1
    )
    done = benchmark.measure(probe)
    assert "Probe bot failed in 2 of 2 iterations: GET" in done.message
    assert "401 instead of 200" in done.message
    assert "failure_limit, now 1" in done.message
    assert (len(bot.of("GET")), len(bot.of("DELETE"))) == (3, 1)
    evidence = benchmark.run.read("benchmark-before")
    assert evidence is not None
    assert evidence["metrics"][0]["failed"] == 2


def test_a_cleanup_that_fails_is_said_and_kept(benchmark: Benchmark, bot: Bot) -> None:
    """Somebody has to remove the invoices; the measurement is good."""
    bot.answer = lambda asked: (404 if asked.method == "DELETE" else 200, {})
    done = benchmark.measure(http({"url": bot.url}, cleanup=[{"method": "DELETE", "url": bot.url}]))
    assert not done.failed
    assert "not cleaned up: DELETE" in done.result["probes"][0]["problems"][0]


def test_no_answer_is_waited_for_without_end(benchmark: Benchmark, bot: Bot) -> None:
    """Neither for one that does not come, nor for one that comes drop by drop, nor for all together."""

    def slow(asked: Asked) -> tuple[int, Any]:
        time.sleep(0.5)
        return 200, {}

    bot.answer = slow
    done = benchmark.measure(http({"url": bot.url, "timeout": 0.05}, failure_limit=9))
    assert "was not answered within 0.05 s" in done.result["probes"][0]["problems"][0]
    bounded = benchmark.measure(http({"url": bot.url}, iterations=100, timeout=1))
    assert "Probe bot was not done after 1 s" in bounded.message
    assert "raise its timeout" in bounded.message


def test_no_secret_gets_out(
    benchmark: Benchmark, bot: Bot, heroku: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app that echoes what it got must not bring the webhook's secret into the evidence that is sent around."""
    monkeypatch.setenv("BOT_TOKEN", SECRET)
    bot.answer = lambda asked: (403, {"got": asked.headers, "path": asked.path, "body": asked.body})
    step = {
        "method": "POST",
        "url": f"{bot.url}/$[config_var:HOOK]/x",
        "headers": {"X-Token": "$[env:BOT_TOKEN]", "X-Plain": "plainly-written"},
        "json": {"token": "$[env:BOT_TOKEN]"},
    }
    done = benchmark.measure(http(step), **heroku)
    assert "403 instead of 200" in done.message
    assert bot.asked[0].headers["X-Token"] == SECRET
    assert bot.asked[0].json == {"token": SECRET}
    assert bot.asked[0].path == f"/{CONFIG_VARS['HOOK']}/x"
    kept = "".join(file.read_text() for file in benchmark.run.directory.iterdir())
    shown = done.message + kept + "".join(done.lines) + json.dumps(done.result)
    for secret in (SECRET, json.dumps(SECRET)[1:-1], "hunter2", "plainly-written", CONFIG_VARS["HOOK"]):
        assert secret not in shown


def test_a_header_that_cannot_be_sent_is_not_shown(
    benchmark: Benchmark, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own error has the value in it."""
    monkeypatch.setenv("BOT_TOKEN", "hunter2\nX")
    done = benchmark.measure(http({"url": bot.url, "headers": {"X-Token": "$[env:BOT_TOKEN]"}}))
    assert "characters that HTTP does not allow" in done.message
    assert "hunter2" not in done.message + "".join(done.lines)


@pytest.mark.parametrize(
    ("url", "complaint", "advice"),
    [
        ("$[config_var:NO_SUCH]", "the app has no such config var", "heroku config"),
        ("$[env:NO_SUCH_VARIABLE]", "the controller's environment has no such variable", "export NO_SUCH_VARIABLE"),
        ("http://127.0.0.1:1/$[file:no.pdf]", "no.pdf: No such file", "a path in the repository"),
    ],
)
def test_what_a_placeholder_stands_for_is_there_before_anything_is_sent(
    benchmark: Benchmark, heroku: dict[str, Any], url: str, complaint: str, advice: str
) -> None:
    done = benchmark.measure(http({"url": url}), **heroku)
    assert complaint in done.message
    assert advice in done.message


def test_check_mode_says_what_it_would_send_and_asks_nobody(benchmark: Benchmark, bot: Bot) -> None:
    """Not even Heroku for the secret: the dry run needs no key."""
    step = {"method": "POST", "url": f"{bot.url}/$[unique]", "headers": {"X-Secret": "$[config_var:S]", "Y": "hidden"}}
    asks = {"url": bot.url, "until": {"json": {"state": "done"}}, "timeout": 5}
    probe = http(step, asks, cleanup=[{"method": "DELETE", "url": bot.url}])
    manual = [{"metric": "Bot Total", "point": "before", "times": [8.9], "unit": "s", "by": "Ana", "at": "2020-01-01"}]
    manual[0]["at"] = time.strftime("%Y-%m-%d %H:%M")
    planned = benchmark.measure(probe, check=True, manual=manual, app="x", api_url="http://127.0.0.1:1", api_key="x")
    assert not planned.failed, planned.message
    shown = "\n".join(planned.lines)
    assert f"would: POST {bot.url}/$[unique] 3 times after 1 for warming up, expecting 200" in shown
    assert f'then each time GET {bot.url}, again every 0.2 s until 200 and state = "done", at most 5 s' in shown
    assert f"in the end DELETE {bot.url}, expecting 200" in shown
    assert "would: take 1 times of Bot Total by Ana at 20" in shown
    assert "hidden" not in shown
    assert planned.result["metrics"] == bot.asked == []


def test_ctrl_c_cleans_up_in_the_app(benchmark: Benchmark, bot: Bot, tmp_path: Path) -> None:
    """Whoever stops a run leaves no invoices of the probe in production."""
    run, project = benchmark.run, Path(__file__).parents[3]
    probe = http({"method": "POST", "url": bot.url}, iterations=1000, interval=0.1)
    probe["cleanup"] = [{"method": "DELETE", "url": bot.url}]
    variables = {
        "pitstop_run": {"id": run.id, "app": run.app, "directory": str(run.directory)},
        "pitstop_database_url": benchmark.shared["database_url"],
        "pitstop_repository": benchmark.shared["repository"],
        "benchmark_probes": [probe],
    }
    (tmp_path / "vars.json").write_text(json.dumps(variables))
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", "app,", "-e", f"@{tmp_path / 'vars.json'}", str(tmp_path / "play.yml")]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert holds(lambda: len(bot.of("POST")) > 3, 60)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert holds(lambda: len(bot.of("DELETE")) == 1, 20)
    assert bot.asked[-1].method == "DELETE"


def test_times_taken_by_hand_are_judged_like_others(benchmark: Benchmark) -> None:
    """Three times before and three after, by different people, are what the team has today."""
    at = time.strftime("%Y-%m-%d %H:%M:%S%z")
    times = {"before": [8.9, 9.4, 8.1], "after-db": [], "after": [2.2, 2.0, 2.3]}
    manual = [
        {
            "metric": "Bot Total",
            "point": point,
            "times": taken,
            "unit": "s",
            **({"by": "Ana", "at": at} if taken else {}),
        }
        for point, taken in times.items()
    ]
    for point in times:
        done = benchmark.measure(statement("SELECT 1"), point, manual=manual)
        assert not done.failed, done.message
    metric = done.result["metrics"][-1]
    assert (metric["probe"], metric["provider"], metric["name"]) == ("manual", "manual", "Bot Total")
    assert metric["samples"] == [2200, 2000, 2300]
    noted = done.result["probes"][-1]
    assert (noted["name"], noted["by"]) == ("Bot Total", "Ana")
    assert noted["at"].startswith(at[:10])
    judged = benchmark.compare()
    assert not judged.failed, judged.message
    assert {item["name"]: item["verdict"] for item in judged.result["metrics"]}["Bot Total"] == "improved"


def test_times_of_another_run_are_not_taken_for_this_one(benchmark: Benchmark) -> None:
    """Next month's run would be judged by what was seen after the last one."""
    old = {"metric": "Bot Total", "point": "after", "times": [2], "unit": "s", "by": "Ana"}
    old["at"] = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - 3600))
    done = benchmark.measure(statement("SELECT 1"), manual=[old])
    assert "before this run began" in done.message
    assert "-e run_rejoin=last" in done.message
