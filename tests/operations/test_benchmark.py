# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring and comparing, with a real git repository, a real script in it, and a real PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run

from .conftest import RunOperation
from .postgres_server import execute

APP = "SECONDS = {seconds}\nDUPLICATES = {duplicates}\n"
"""The app: a folio takes so long, and so many are given twice."""

SCRIPT = """
import json, os, pathlib, statistics, sys, time
import psycopg2
import app

phase = sys.argv[1].removeprefix("--")
connection = psycopg2.connect(os.environ["DATABASE_URL"])
cursor = connection.cursor()
samples = []
for _ in range(20):
    began = time.perf_counter()
    cursor.execute("SELECT pg_sleep(%s)", (app.SECONDS,))
    samples.append(1000 * (time.perf_counter() - began))
result = {
    "operation": "getNextFolio", "iterations": 20, "successful": 20, "failed": 0, "min": min(samples),
    "max": max(samples), "avg": statistics.fmean(samples), "median": statistics.median(samples),
    "p95": sorted(samples)[18], "stdDev": statistics.stdev(samples), "duplicates": app.DUPLICATES,
}
document = {"phase": phase.upper(), "modules": os.path.exists("node_modules/pg/index.js"), "folder": os.getcwd(),
            "seconds": app.SECONDS, "results": [result]}
pathlib.Path(f"benchmark-results-{phase}-{time.time_ns()}.json").write_text(json.dumps(document))
"""


class Repository:
    """The team's repository, with the script and an earlier result committed, as teams do."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        (folder / ".gitignore").write_text("node_modules\n__pycache__\n")
        (folder / "node_modules" / "pg").mkdir(parents=True)
        (folder / "node_modules" / "pg" / "index.js").write_text("")
        (folder / "benchmark-results-before-1.json").write_text("{}")
        (folder / "benchmark.py").write_text(SCRIPT)
        self.app(seconds=0.02, duplicates=7)
        self.commit()

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"]
        command = ["git", "-C", str(self.path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def app(self, *, seconds: float, duplicates: int = 0) -> None:
        (self.path / "app.py").write_text(APP.format(seconds=seconds, duplicates=duplicates))

    def script(self, text: str) -> None:
        (self.path / "benchmark.py").write_text(text)
        self.commit()

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "x")

    @property
    def is_clean(self) -> bool:
        """Whether nothing of a checkout is left, neither for git nor on the disk."""
        trees = self.git("worktree", "list", "--porcelain").count("worktree ")
        return trees == 1 and not list(Path(tempfile.gettempdir()).glob(f"pitstop-benchmark-{os.getpid()}-*"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "invoice-bot")


@pytest.fixture
def folios(database_url: str) -> str:
    """URL of a database with a table of the app's."""
    execute(database_url, "CREATE TABLE folios (tenant int PRIMARY KEY, n int)", "INSERT INTO folios VALUES (1, 100)")
    return database_url


def command(**options: Any) -> dict[str, Any]:
    return {"name": "team", "provider": "command", "argv": [sys.executable, "benchmark.py", "--{phase}"], **options}


def statement(sql: str, params: Any = None, **options: Any) -> dict[str, Any]:
    statements = [{"name": "folio", "sql": sql, "params": params}]
    return {"name": "db", "provider": "sql", "statements": statements, "iterations": 6, "warmup": 1, **options}


class Benchmark:
    """The operation with the options that all tests share."""

    def __init__(self, run_operation: RunOperation, run: Run, url: str, repository: Repository) -> None:
        self.perform, self.run, self.repository = run_operation, run, repository
        self.shared = {"database_url": url, "repository": str(repository.path)}

    def measure(self, probe: dict[str, Any], point: str = "before", *, check: bool = False, **options: Any) -> Any:
        args = {**self.shared, "probes": [probe], "point": point, "evidence": f"benchmark-{point}", **options}
        return self.perform("benchmark_measure", args, run=self.run, check=check)

    def compare(self, *, check: bool = False, **options: Any) -> Any:
        return self.perform("benchmark_compare", {**options, "evidence": "comparison"}, run=self.run, check=check)

    def raw(self, point: str = "before") -> dict[str, Any]:
        return dict(json.loads((self.run.directory / f"raw-{point}-team.json").read_text()))


@pytest.fixture
def benchmark(run_operation: RunOperation, run: Run, folios: str, repository: Repository) -> Benchmark:
    return Benchmark(run_operation, run, folios, repository)


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
    assert any(
        f"would: run `{sys.executable} benchmark.py --before` in a checkout of {commit}" in x for x in planned.lines
    )
    assert planned.result["metrics"] == []
    assert not list(benchmark.run.directory.glob("raw-*"))
    timed = benchmark.measure(statement("UPDATE folios\n SET n = 0"), check=True)
    assert any(
        "would: time folio 6 times after 1 for warming up, each rolled back: UPDATE folios SET n = 0" in line
        for line in timed.lines
    )
    judged = benchmark.compare(check=True)
    assert judged.result["verdict"] == "inconclusive"


def test_check_mode_returns_the_same_keys(benchmark: Benchmark) -> None:
    """What reads the results must not have to know in which mode they were made."""
    for point in ("before", "after"):
        real, checked = (benchmark.measure(statement("SELECT 1"), point, check=check) for check in (False, True))
        assert real.result.keys() == checked.result.keys()
        assert real.result["settings"].keys() == checked.result["settings"].keys()
        benchmark.measure(statement("SELECT 1"), point)
    assert benchmark.compare().result.keys() == benchmark.compare(check=True).result.keys()


def test_without_probes_nothing_is_measured_and_that_is_said(run_operation: RunOperation, run: Run) -> None:
    """A run without a benchmark goes on, and nobody takes its silence for success."""
    for point in ("before", "after"):
        done = run_operation("benchmark_measure", {"point": point, "evidence": f"benchmark-{point}"}, run=run)
        assert any("nothing is measured" in line for line in done.lines)
    judged = run_operation("benchmark_compare", {"evidence": "comparison"}, run=run)
    assert judged.result["sentence"] == "inconclusive: nothing was measured"


def test_a_fix_is_seen_and_the_deploy_gets_the_credit(benchmark: Benchmark) -> None:
    """The whole way: before, after the database's part, after the deploy, and the verdict with both shares."""
    for point in ("before", "after-db"):
        assert not benchmark.measure(command(), point).failed
    benchmark.repository.app(seconds=0.002)
    benchmark.repository.commit()
    assert not benchmark.measure(command(), "after").failed
    goals = [{"metric": "total", "max_ms": 15}, {"metric": "getNextFolio", "min_improvement_percent": 99}]
    done = benchmark.compare(goals=goals)
    assert not done.failed, done.message
    [metric] = done.result["metrics"]
    assert metric["verdict"] == "improved"
    assert metric["by_database"]["verdict"] != "improved"
    assert metric["by_deploy"]["verdict"] == "improved"
    assert "duplicates 7 → 0" in metric["why"]
    assert done.result["totals"][0]["verdict"] == "improved"
    assert [goal["met"] for goal in done.result["goals"]] == [True, False]
    assert done.result["sentence"].startswith("improved: getNextFolio 2")
    team = json.loads((benchmark.run.directory / "comparison-team.json").read_text())
    assert [item["operation"] for item in team["improvements"]] == ["getNextFolio"]
    assert team["totalImprovement"]["improvementPct"] > 0
    assert (benchmark.run.directory / team["before"]).exists()


def test_a_slower_app_fails_the_task_and_the_evidence_is_kept(benchmark: Benchmark) -> None:
    """This failure is what makes the runbook undo the deploy; the report needs the figures all the same."""
    benchmark.repository.app(seconds=0.005)
    benchmark.repository.commit()
    assert not benchmark.measure(command()).failed
    benchmark.repository.app(seconds=0.025)
    benchmark.repository.commit()
    assert not benchmark.measure(command(), "after").failed
    done = benchmark.compare()
    assert done.failed
    assert "The benchmark says that the app got worse. getNextFolio" in done.message
    evidence = benchmark.run.read("comparison")
    assert evidence is not None
    assert (evidence["verdict"], evidence["failed"]) == ("worse", True)
    assert evidence["metrics"][0]["after_db"] is None
    assert benchmark.compare(max_worse_percent=100_000).result["verdict"] == "worse"


def test_a_comparison_without_a_baseline_says_how_to_get_one(benchmark: Benchmark) -> None:
    """`--tags verify` alone in a new run has nothing to compare with."""
    assert not benchmark.measure(statement("SELECT 1"), "after").failed
    done = benchmark.compare()
    assert "no whole measurement of the point 'before'" in done.message
    assert "--tags baseline" in done.message


def test_a_misspelt_critical_metric_is_refused(benchmark: Benchmark) -> None:
    """It would be a gate that never closes."""
    for point in ("before", "after"):
        benchmark.measure(statement("SELECT 1"), point)
    assert "critical names 'foliio'" in benchmark.compare(critical=["foliio"]).message


PLAYBOOK = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.import_role: {name: benchmark}
      vars: {benchmark_point: before}
    - ansible.builtin.import_role: {name: benchmark}
      vars: {benchmark_point: after, benchmark_settle_seconds: 0}
    - ansible.builtin.import_role: {name: benchmark, tasks_from: compare}
"""


@pytest.fixture
def playbook(tmp_path: Path, benchmark: Benchmark) -> Iterator[subprocess.Popen[str]]:
    """`ansible-playbook` with the role, just started."""
    run, project = benchmark.run, Path(__file__).parents[2]
    variables = {
        "pitstop_run": {"id": run.id, "app": run.app, "directory": str(run.directory)},
        "pitstop_database_url": benchmark.shared["database_url"],
        "pitstop_repository": benchmark.shared["repository"],
        "benchmark_probes": [command(), statement("SELECT n FROM folios")],
    }
    (tmp_path / "vars.json").write_text(json.dumps(variables))
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    process = subprocess.Popen(
        [program, "-i", "invoice-bot,", "-e", f"@{tmp_path / 'vars.json'}", str(tmp_path / "play.yml")],
        cwd=project,
        env={**os.environ, "ANSIBLE_ROLES_PATH": str(project / "roles"), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_the_role_measures_and_compares(playbook: subprocess.Popen[str], benchmark: Benchmark) -> None:
    """The role hands its variables to the operations, through Ansible itself."""
    output, _ = playbook.communicate(timeout=120)
    assert playbook.returncode == 0, output
    comparison = benchmark.run.read("comparison")
    assert comparison is not None
    assert {item["name"] for item in comparison["metrics"]} == {"getNextFolio", "folio"}
    assert f"{comparison['verdict']}: " in output


@pytest.fixture
def endless(benchmark: Benchmark, tmp_path: Path) -> Path:
    """Let the script run for a minute; return the file that it writes its pid to."""
    pid_file = tmp_path / "pid"
    text = f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    benchmark.repository.script(text)
    return pid_file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_neither_the_script_nor_its_checkout(
    endless: Path, playbook: subprocess.Popen[str], repository: Repository, tmp_path: Path, number: int
) -> None:
    """Whoever stops a run has it stopped, and nothing lies around in /tmp and in git."""
    assert holds(lambda: endless.exists() and endless.read_text() != "", 60)
    playbook.send_signal(number)
    playbook.communicate(timeout=60)
    assert holds(lambda: not is_running(int(endless.read_text())), 20)
    assert holds(lambda: repository.git("worktree", "list", "--porcelain").count("worktree ") == 1, 20)
    assert holds(lambda: not list(tmp_path.glob("pitstop-benchmark-*")), 20)


def holds(condition: Any, seconds: float) -> bool:
    """Whether ``condition`` comes true within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_running(pid: int) -> bool:
    """Whether the process lives; one that ended and was not fetched yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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
