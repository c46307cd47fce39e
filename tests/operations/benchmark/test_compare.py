# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing what was really measured: the verdict, the gate, and what is left as evidence."""

from __future__ import annotations

import json

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from tests.operations.conftest import RunOperation

from .conftest import Benchmark
from .probes import command, statement


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
    assert "The benchmark says that the app got worse: getNextFolio" in done.message
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


def test_a_database_made_slower_is_found_before_the_deploy(benchmark: Benchmark) -> None:
    """The rescue of the database phase acts on what this says; without it the deploy would get the blame."""
    for point, seconds in (("before", 0.005), ("after-db", 0.025)):
        benchmark.repository.app(seconds=seconds)
        benchmark.repository.commit()
        assert not benchmark.measure(command(), point).failed
    done = benchmark.compare(until="after-db")
    assert done.failed
    assert "reindexed" in done.message
    assert any("getNextFolio" in sentence for sentence in done.result["slower"])
    assert not (benchmark.run.directory / "comparison-team.json").exists()
    assert any(line.split("|")[1].split()[:5] == ["metric", "before", "after", "db", "change"] for line in done.lines)


def test_what_may_be_chance_does_not_stop_the_database_phase(benchmark: Benchmark) -> None:
    """Only a clear `worse` does: a rescue that acts on noise would undo good runs."""
    for point in ("before", "after-db"):
        assert not benchmark.measure(statement("SELECT pg_sleep(random() / 200)"), point).failed
    done = benchmark.compare(until="after-db")
    assert not done.failed
    assert done.result["slower"] == []


def test_the_database_phase_alone_is_not_judged_without_a_baseline(benchmark: Benchmark) -> None:
    """`--tags db` measures afterwards, and has nothing to compare that with."""
    assert not benchmark.measure(statement("SELECT 1"), "after-db").failed
    done = benchmark.compare(until="after-db")
    assert not done.failed
    assert done.result["sentence"] == "inconclusive: the speed before was not measured"
