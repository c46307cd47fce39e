# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation report_render as a task runs it. If these fail, a run ends without its report, or with a stale one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.tests.unit import report_runs

from .conftest import RunOperation


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that went through, open as it is when its report is written."""
    return report_runs.write_run(tmp_path / "evidence", report_runs.improved())


def contents(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.directory.iterdir()}


def test_both_files_are_written_and_the_evidence_tells_of_them(run_operation: RunOperation, run: Run) -> None:
    done = run_operation("report_render", {"contacts": report_runs.CONTACTS, "evidence": "report"}, run=run)
    assert done.result["changed"]
    assert Path(done.result["html"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert Path(done.result["markdown"]).read_text(encoding="utf-8").startswith("# Maintenance of invoice-bot")
    assert run.read("report")["checklist"] == done.result["checklist"]  # type: ignore[index]
    assert {check["state"] for check in done.result["checklist"]} == {"done", "not_done"}


def test_writing_it_again_changes_nothing(run_operation: RunOperation, run: Run) -> None:
    """The report's own evidence must not make the next one differ."""
    run_operation("report_render", {"evidence": "report"}, run=run)
    before = contents(run)
    assert not run_operation("report_render", {}, run=run).result["changed"]
    assert contents(run) == before


def test_check_mode_writes_nothing_and_says_the_checklist(run_operation: RunOperation, run: Run) -> None:
    before = contents(run)
    planned = run_operation("report_render", {"language": "es"}, run=run, check=True)
    assert contents(run) == before
    assert planned.result["changed"]
    assert any("would: write" in line and "report.html" in line for line in planned.lines)
    assert any("Base de datos reparada: sin hacer" in line for line in planned.lines)
    done = run_operation("report_render", {"language": "es"}, run=run)
    assert set(done.result) == set(planned.result)
    assert done.result["checklist"] == planned.result["checklist"]


def test_a_closed_run_is_reported_again_with_its_seal_intact(run_operation: RunOperation, run: Run) -> None:
    """A new report must not make it look as if somebody had tampered with the evidence."""
    run_operation("report_render", {"evidence": "report"}, run=run)
    _run.close_run(run, _run.outcome_of(run, complete=True))
    sealed = (run.directory / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    again = run_operation("report_render", {"language": "es", "run_directory": str(run.directory)})
    assert again.result["changed"]
    lines = (run.directory / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if ".json" in line] == [line for line in sealed if ".json" in line]
    for line in lines:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((run.directory / name).read_bytes()).hexdigest() == digest, name


def test_closing_a_run_does_not_make_its_report_stale(run_operation: RunOperation, run: Run) -> None:
    run_operation("report_render", {"evidence": "report"}, run=run)
    _run.close_run(run, _run.outcome_of(run, complete=True))
    assert not run_operation("report_render", {"run_directory": str(run.directory)}).result["changed"]


def test_an_apps_folder_means_its_last_run(run_operation: RunOperation, run: Run) -> None:
    later = _run.open_run(run.directory.parents[1], run.app, {})
    done = run_operation("report_render", {"run_directory": str(run.directory.parent)})
    assert Path(done.result["html"]).parent == max(run.directory, later.directory)


def test_a_folder_without_runs_is_refused_with_what_to_do(run_operation: RunOperation, tmp_path: Path) -> None:
    done = run_operation("report_render", {"run_directory": str(tmp_path)})
    assert done.failed
    assert f"There is no run in {tmp_path}" in done.message
    assert "set pitstop_evidence_dir" in done.message


@pytest.mark.parametrize("name", list(report_runs.everything()))
def test_every_ending_gets_its_report(run_operation: RunOperation, tmp_path: Path, name: str) -> None:
    run = report_runs.write_run(tmp_path / name, report_runs.everything()[name])
    done = run_operation("report_render", {"contacts": report_runs.CONTACTS}, run=run)
    assert not done.failed
    assert done.result["verdict"] in Path(done.result["html"]).read_text(encoding="utf-8")
