# SPDX-License-Identifier: GPL-3.0-or-later
"""The bot, the team's benchmark and the probe: real Node, real PostgreSQL, real releases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import repository
from sandbox.paths import Paths
from tests.sandbox.fixtures import RunningSandbox

OPERATIONS = [
    "getNextFolio",
    "getUserState_cold",
    "getUserState_warm",
    "getFacturapiClient",
    "findCustomer",
    "incrementInvoiceCount",
]
RESULT_KEYS = ["operation", "iterations", "successful", "failed", "min", "max", "avg", "median", "p95", "stdDev"]
UNTOUCHED_BY_THE_BENCHMARK = (
    "tenant_invoices",
    "tenant_subscriptions",
    "tenant_customers",
    "tenant_users",
    "user_sessions",
)


@pytest.fixture(scope="module", autouse=True)
def _first_day(sandbox: RunningSandbox) -> Iterator[None]:
    sandbox.fresh()
    yield
    sandbox.fresh()


def probe(sandbox: RunningSandbox, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the bot's probe; return its one result."""
    done = sandbox.node("probe-bot.js", "--url", sandbox.state["web_url"], *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report) == ["phase", "timestamp", "environment", "results"]
    assert report["phase"] == "PROBE"
    [result] = report["results"]
    return dict(result)


def deploy_work_tree(sandbox: RunningSandbox) -> None:
    """Commit what lies in the bot's work tree, push it, and wait for its release."""
    folder = Path(sandbox.state["repository"])
    repository.git(folder, "commit", "--quiet", "--all", "--message", "fix: take the next number at once")
    repository.deploy(Paths(sandbox.directory), sandbox.state["heroku"]["token"])


def content(sandbox: RunningSandbox, table: str) -> str:
    """Return a fingerprint of a table's rows."""
    return str(sandbox.query(f"SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM {table} AS t")[0][0])


def test_health_tells_the_commit_and_release_that_run(sandbox: RunningSandbox) -> None:
    """Otherwise nobody can tell a deploy from yesterday's code that answers 200."""
    head = repository.git(Path(sandbox.state["repository"]), "rev-parse", "origin/main").strip()
    answer = httpx.get(f"{sandbox.state['web_url']}health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["commit"] == head
    assert answer.json()["release"].startswith("v")


@pytest.mark.parametrize("headers", [{}, {"X-Webhook-Secret": "guessed"}])
def test_webhook_wants_its_secret(sandbox: RunningSandbox, headers: dict[str, str]) -> None:
    """Otherwise anybody writes invoices."""
    before = content(sandbox, "tenant_invoices")
    answer = httpx.post(f"{sandbox.state['web_url']}webhook", headers=headers, json={})
    assert answer.status_code == 401
    assert content(sandbox, "tenant_invoices") == before


def test_webhook_refuses_what_is_no_pdf(sandbox: RunningSandbox) -> None:
    """Otherwise a stray message in the chat becomes an internal error, or an invoice."""
    headers = {"X-Webhook-Secret": sandbox.state["webhook_secret"]}
    answer = httpx.post(f"{sandbox.state['web_url']}webhook", headers=headers, json={"message": {"text": "hello"}})
    assert answer.status_code == 400
    assert "PDF" in answer.json()["error"]


def test_deployed_code_gives_numbers_twice_and_the_fix_never_does(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Otherwise the fix's correctness, worth more than its speed, is not part of the verdict."""
    load = ("--updates", "160", "--clients", "8")
    old = probe(sandbox, tmp_path, *load)
    deploy_work_tree(sandbox)
    new = probe(sandbox, tmp_path, *load)
    sandbox.fresh()
    assert old["successful"] == new["successful"] == 160
    assert old["duplicates"] > 0
    assert new["duplicates"] == 0


def test_slower_code_is_correct_and_takes_seven_round_trips(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Otherwise the fault does not make the deploy a change for the worse, which Pitstop must notice and undo."""
    sandbox.fault("slower_code")
    results = benchmark(sandbox, tmp_path, "after")["results"]
    deploy_work_tree(sandbox)
    duplicates = probe(sandbox, tmp_path)["duplicates"]
    sandbox.fresh()
    assert duplicates == 0
    assert results[0]["min"] >= 7 * sandbox.state["round_trip_ms"]


def test_probe_leaves_no_invoice_behind(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Otherwise each measurement writes invoices into somebody's books."""
    tables = ("tenant_invoices", "tenant_subscriptions")
    before = [content(sandbox, table) for table in tables]
    result = probe(sandbox, tmp_path, "--updates", "10", "--clients", "2")
    assert list(result) == [*RESULT_KEYS[:4], "duplicates", *RESULT_KEYS[4:], "samples"]
    assert len(result["samples"]) == result["successful"] == 10
    assert [content(sandbox, table) for table in tables] == before


def test_probe_fails_when_nothing_becomes_an_invoice(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Otherwise a bot that is down looks fast."""
    url = sandbox.state["web_url"]
    done = sandbox.node("probe-bot.js", "--url", url, "--updates", "2", folder=tmp_path, WEBHOOK_SECRET="wrong")
    assert done.returncode != 0
    assert "401" in done.stderr


def benchmark(sandbox: RunningSandbox, folder: Path, phase: str) -> dict[str, Any]:
    """Run the team's benchmark; return the JSON that it wrote into the current directory."""
    done = sandbox.node("benchmark-before-after.js", f"--{phase}", folder=folder, BENCHMARK_ITERATIONS="5")
    assert done.returncode == 0, done.stderr
    [written] = folder.glob(f"benchmark-results-{phase}-*.json")
    return dict(json.loads(written.read_text()))


def test_benchmark_writes_the_teams_json(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Otherwise Pitstop reads a file that no team has."""
    before, after = (benchmark(sandbox, tmp_path, phase) for phase in ("before", "after"))
    assert list(before) == ["phase", "timestamp", "environment", "results"]
    assert (before["phase"], after["phase"]) == ("BEFORE", "AFTER")
    assert [result["operation"] for result in before["results"]] == OPERATIONS
    for result in before["results"]:
        assert list(result) == RESULT_KEYS
        assert (result["iterations"], result["successful"], result["failed"]) == (5, 5, 0)
        assert 0 < result["min"] <= result["median"] <= result["p95"] <= result["max"]


def test_benchmark_compares_the_newest_two(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Otherwise the team's comparison cannot be put beside Pitstop's own."""
    before, after = (benchmark(sandbox, tmp_path, phase) for phase in ("before", "after"))
    done = sandbox.node("benchmark-before-after.js", "--compare", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    [written] = tmp_path.glob("benchmark-comparison-*.json")
    comparison = json.loads(written.read_text())
    assert list(comparison) == ["timestamp", "before", "after", "improvements", "totalImprovement"]
    assert (tmp_path / comparison["before"]).exists()
    for row, then, now in zip(comparison["improvements"], before["results"], after["results"], strict=True):
        assert list(row) == ["operation", "before", "after", "improvement", "improvementPct"]
        assert (row["before"], row["after"]) == (then["avg"], now["avg"])
        assert row["improvement"] == pytest.approx(then["avg"] - now["avg"], abs=0.001)
    assert list(comparison["totalImprovement"]) == ["before", "after", "improvement", "improvementPct"]


def test_benchmark_changes_nothing_but_numbers(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Otherwise measuring production changes it."""
    before = [content(sandbox, table) for table in UNTOUCHED_BY_THE_BENCHMARK]
    benchmark(sandbox, tmp_path, "before")
    assert [content(sandbox, table) for table in UNTOUCHED_BY_THE_BENCHMARK] == before


def test_benchmark_fails_when_an_operation_never_succeeds(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Otherwise a broken operation is reported as one without a time."""
    sandbox.query("ALTER TABLE tenant_customers RENAME TO mislaid")
    done = sandbox.node("benchmark-before-after.js", "--before", folder=tmp_path, BENCHMARK_ITERATIONS="2")
    sandbox.query("ALTER TABLE mislaid RENAME TO tenant_customers")
    assert done.returncode != 0
    assert "findCustomer" in done.stderr
