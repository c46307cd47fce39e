# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring, with a real git repository, a real script in it, and a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.operations.postgres_server import execute

from .conftest import Benchmark
from .probes import command, statement
from .processes import is_running
from .repository import SCRIPT


def test_before_the_deploy_the_live_code_is_measured_and_not_the_fix_in_the_work_tree(benchmark: Benchmark) -> None:
    """Else the new code is measured as "before", and no improvement can ever be seen."""
    benchmark.repository.app(seconds=0.001)
    changed = benchmark.repository.git("status", "--porcelain")
    done = benchmark.measure(command())
    assert not done.failed, done.message
    assert benchmark.raw()["seconds"] == 0.02
    assert done.result["probes"][0]["commit"] == benchmark.repository.git("rev-parse", "HEAD").strip()
    assert benchmark.raw()["modules"], "the checkout must find node_modules"
    assert (benchmark.repository.path / "node_modules" / "pg" / "index.js").exists()
    assert benchmark.repository.is_clean
    assert benchmark.repository.git("status", "--porcelain") == changed


def test_the_work_tree_is_measured_where_that_is_asked_for_and_stays_as_it_was(benchmark: Benchmark) -> None:
    """A results file that stays behind would make the deploy's review stop at an unclean work tree."""
    benchmark.repository.app(seconds=0.001)
    changed = benchmark.repository.git("status", "--porcelain")
    done = benchmark.measure(command(revision="work_tree"))
    assert not done.failed, done.message
    assert benchmark.raw()["folder"] == str(benchmark.repository.path)
    assert benchmark.raw()["seconds"] == 0.001
    assert done.result["probes"][0]["commit"] is None
    assert benchmark.repository.git("status", "--porcelain") == changed


def test_another_commit_can_be_the_live_one(benchmark: Benchmark) -> None:
    """The team may have committed the fix before the window; what is live is then not HEAD."""
    live = benchmark.repository.git("rev-parse", "HEAD").strip()
    benchmark.repository.app(seconds=0.001)
    benchmark.repository.commit()
    assert not benchmark.measure(command(), revision_commit=live).failed
    assert benchmark.raw()["seconds"] == 0.02
    assert not benchmark.measure(command(), "after", revision_commit=live).failed
    assert benchmark.raw("after")["seconds"] == 0.001
    refused = benchmark.measure(command(), revision_commit="no-such-commit")
    assert "has no commit 'no-such-commit'" in refused.message


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("import sys; sys.exit('no database today')", "exit code 1: no database today"),
        ("", "it wrote no file benchmark-results-before-*.json"),
        (SCRIPT + SCRIPT, "it wrote 2 files"),
        (SCRIPT.replace("phase.upper()", "'AFTER'"), "its phase is 'AFTER'"),
        (SCRIPT.replace('"max": max(samples)', '"max": float("nan")'), "NaN is not JSON"),
        (SCRIPT.replace("json.dumps(document)", "json.dumps(document)[:90]"), "no whole JSON document"),
        (SCRIPT.replace('"successful": 20, "failed": 0', '"successful": 0, "failed": 20'), "before any change"),
        ("import time; time.sleep(60)", "was not done after 1 s and was stopped"),
    ],
    ids=["fails", "silent", "two files", "wrong phase", "nan", "half-written", "all failed", "hangs"],
)
def test_a_script_that_goes_wrong_ends_in_a_clear_error_and_leaves_nothing(
    benchmark: Benchmark, script: str, complaint: str
) -> None:
    """A bad baseline must stop the run before anything is changed."""
    benchmark.repository.script(script)
    done = benchmark.measure(command(timeout=1 if "60" in script else 60))
    assert done.failed
    assert complaint in done.message
    assert "Next: " in done.message
    assert benchmark.repository.is_clean
    evidence = benchmark.run.read("benchmark-before")
    assert evidence is not None
    assert evidence["failed"]


def test_what_a_stopped_script_had_started_is_stopped_too(benchmark: Benchmark, tmp_path: Path) -> None:
    """A benchmark that goes on in the background spoils the next measurement."""
    pid_file = tmp_path / "pid"
    benchmark.repository.script(
        "import pathlib, subprocess, time\n"
        f"child = subprocess.Popen(['sleep', '60']); pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    assert benchmark.measure(command(timeout=2)).failed
    assert not is_running(int(pid_file.read_text()))


def test_a_program_that_is_not_there_is_named(benchmark: Benchmark) -> None:
    """On a fresh controller node is what is missing, and the message must say so."""
    assert "no-such-node: No such file" in benchmark.measure(command(argv=["no-such-node", "x.js"])).message
    assert benchmark.repository.is_clean


def test_results_can_be_printed(benchmark: Benchmark) -> None:
    """Not each team's script writes files."""
    last = SCRIPT.strip().rpartition("\n")[2]
    benchmark.repository.script(SCRIPT.replace(last, "print(json.dumps(document))"))
    done = benchmark.measure(command(results="-"))
    assert [metric["name"] for metric in done.result["metrics"]] == ["getNextFolio"]
    assert benchmark.raw()["phase"] == "BEFORE"


def test_the_script_gets_the_database_unless_told_otherwise(benchmark: Benchmark) -> None:
    """It must measure the database that is maintained, and a staging one only where somebody says so."""
    shown = "import os; raise SystemExit(sorted(k for k in os.environ if k in ('DATABASE_URL', 'EXTRA')))"
    benchmark.repository.script(shown)
    assert "['DATABASE_URL']" in benchmark.measure(command()).message
    told = {"DATABASE_URL": None, "EXTRA": 1}
    assert "['EXTRA']" in benchmark.measure(command(environment=told)).message


def test_no_password_gets_out(benchmark: Benchmark, folios: str) -> None:
    """A careless script prints its connection string; evidence is sent around."""
    password = folios.split("@", maxsplit=1)[0].rpartition(":")[2]
    benchmark.repository.script("import os, sys; print('{}'); sys.exit('cannot reach ' + os.environ['DATABASE_URL'])")
    done = benchmark.measure(command())
    assert "cannot reach postgres://" in done.message
    kept = "".join(file.read_text() for file in benchmark.run.directory.iterdir())
    assert password not in done.message + kept + "".join(done.lines)


def test_what_a_killed_controller_left_is_removed(benchmark: Benchmark) -> None:
    """A run survives its controller: the next one cleans up, and a person's own work tree stays."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = Path(tempfile.mkdtemp(prefix=f"pitstop-benchmark-{dead.pid}-"))
    mine = benchmark.repository.path.parent / "mine"
    for tree in (left / "checkout", mine):
        benchmark.repository.git("worktree", "add", "--quiet", "--detach", str(tree))
    assert not benchmark.measure(command()).failed
    assert not left.exists()
    assert mine.exists()
    assert str(mine) in benchmark.repository.git("worktree", "list")


def test_statements_are_timed_and_change_nothing(benchmark: Benchmark, folios: str) -> None:
    """A benchmark on production may not number an invoice."""
    sql = "UPDATE folios SET n = n + 1 WHERE tenant = %s RETURNING n"
    done = benchmark.measure(statement(sql, [1], iterations=7))
    [metric] = done.result["metrics"]
    assert (metric["name"], metric["successful"], metric["failed"], len(metric["samples"])) == ("folio", 7, 0, 7)
    assert all(sample > 0 for sample in metric["samples"])
    assert value_of(folios, "SELECT n FROM folios") == 100
    assert done.result["settings"]["server_version"].startswith("18")
    assert done.result["settings"]["round_trip_ms"] > 0
    evidence = benchmark.run.read("benchmark-before")
    assert evidence is not None
    assert evidence["metrics"] == done.result["metrics"]


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("UPDATE folios SET n = 0; COMMIT", None),
        ("SELECT 1; COMMIT; DROP TABLE folios", None),
        ("DROP TABLE folios", None),
        ("SELECT 1; DELETE FROM folios", None),
        ("SELECT * FROM no_such_table", None),
        ("SELECT %s", None),
        ("SELECT %s", []),
        ("SELECT %(tenant)s", {"n": 1}),
    ],
)
def test_what_cannot_be_timed_without_a_trace_is_refused(
    benchmark: Benchmark, folios: str, sql: str, params: Any
) -> None:
    """A COMMIT in a statement would turn a measurement into damage."""
    done = benchmark.measure(statement(sql, params))
    assert "folio of probe db cannot be timed" in done.message
    assert "Next: give one SELECT" in done.message
    assert value_of(folios, "SELECT n FROM folios") == 100


def test_statements_that_fail_are_counted(benchmark: Benchmark, folios: str) -> None:
    """Failures are a metric: they must neither vanish nor end the measurement."""
    execute(folios, "CREATE SEQUENCE calls")
    sql = "SELECT 1 / (nextval('calls') % 2)"
    done = benchmark.measure(statement(sql, iterations=6, warmup=1), "after")
    [metric] = done.result["metrics"]
    assert (metric["iterations"], metric["successful"], metric["failed"]) == (6, 3, 3)
    assert sum("division by zero" in line for line in done.lines) == 1


@pytest.mark.parametrize(
    ("probe", "complaint"),
    [
        (command(name="../x"), "called '../x'"),
        (command(argv=[]), "argv is empty"),
        (command(links=["/etc"]), "'/etc' leads out of the repository"),
        (command(results="../*.json"), "'../*.json' leads out"),
        (command(timeout=0), "timeout is 0"),
        (statement("SELECT 1", iterations=0), "iterations is 0"),
        (statement("SELECT 1", "one"), "params of folio are 'one'"),
        ({"name": "db", "provider": "sql"}, "it has no statements"),
    ],
)
def test_a_probe_that_makes_no_sense_is_refused_before_anything_runs(
    benchmark: Benchmark, probe: dict[str, Any], complaint: str
) -> None:
    """Also in check mode, which is there to find such things."""
    done = benchmark.measure(probe, check=True)
    assert complaint in done.message


def test_check_mode_says_what_it_would_run_and_runs_nothing(benchmark: Benchmark) -> None:
    """The dry run before the window shows the plan, and reaches neither the app nor the database."""
    benchmark.shared["database_url"] = "postgres://nobody@127.0.0.1:1/none"
    planned = benchmark.measure(command(), check=True)
    assert not planned.failed, planned.message
    commit = benchmark.repository.git("rev-parse", "HEAD")[:12]
    run_it = f"would: run `{sys.executable} benchmark.py --before` in a checkout of {commit}"
    assert any(run_it in line for line in planned.lines)
    assert planned.result["metrics"] == []
    assert not list(benchmark.run.directory.glob("raw-*"))
    timed = benchmark.measure(statement("UPDATE folios\n SET n = 0"), check=True)
    time_it = "would: time folio 6 times after 1 for warming up, each rolled back: UPDATE folios SET n = 0"
    assert any(time_it in line for line in timed.lines)


def value_of(url: str, sql: str) -> Any:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone()
            assert row is not None
            return row[0]
    finally:
        connection.close()
