# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a run, and how it ends."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError


def test_a_part_joins_the_open_run_and_a_new_run_closes_an_old_one(tmp_path: Path) -> None:
    """`--tags db` after `--tags backup` is one run; two open ones would mix their evidence."""
    first = _run.open_run(tmp_path, "app", {})
    assert _run.open_runs(tmp_path, "app") == [first]
    second = _run.open_run(tmp_path, "app", {})
    assert _run.open_runs(tmp_path, "app") == [second]
    assert _run.state_of(first)["state"] == "abandoned"
    assert _run.rejoin(tmp_path, "app", "last") == second
    assert _run.rejoin(tmp_path, "app", first.id) == first
    with pytest.raises(PitstopError, match=second.id):
        _run.rejoin(tmp_path, "app", "19700101T000000-0000")


def test_a_check_of_an_earlier_run_reads_its_evidence_and_writes_beside_it(tmp_path: Path) -> None:
    """`playbooks/rollback.yml --check` must not write what it only planned over what was done."""
    run = _run.open_run(tmp_path, "app", {})
    run.write("rollback.release", {"changed": True}, "2026-01-01")
    copy = _run.check_copy(run)
    assert (copy.read("rollback") or {})["release"]["changed"] is True
    copy.write("rollback.release", {"changed": False}, "2026-01-02")
    _run.close_run(copy, _run.outcome_of(copy, complete=False))
    assert (run.read("rollback") or {})["release"]["changed"] is True
    assert not copy.directory.exists()


def test_the_first_failure_stays(tmp_path: Path) -> None:
    """What follows a failure is consequence; the user has to see the cause."""
    run = _run.open_run(tmp_path, "app", {})
    _run.record_failure(run, phase=3, task="push", message="the cause")
    _run.record_failure(run, phase=3, task="stop", message="a consequence")
    assert _run.state_of(run)["failure"]["message"] == "the cause"


@pytest.mark.parametrize(
    ("failed", "rollback", "complete", "state"),
    [
        (False, None, True, "succeeded"),
        (False, None, False, "open"),
        (True, None, True, "failed"),
        (True, {"release": {"undone": ["v5 is live"], "left": []}}, True, "undone"),
        (False, {"release": {"undone": ["v5 is live"], "left": []}}, True, "taken back"),
        (
            True,
            {"release": {"undone": ["v5 is live"]}, "push": {"failed": True, "error": "refused"}},
            True,
            "partly undone",
        ),
        (True, {"release": {"undone": [], "left": ["v6 of somebody else"]}}, True, "partly undone"),
    ],
)
def test_how_a_run_ended(
    tmp_path: Path, failed: bool, rollback: dict[str, object] | None, complete: bool, state: str
) -> None:
    """A run that missed its goal must never read like one that reached it, also when all was undone."""
    run = _run.open_run(tmp_path, "app", {})
    if failed:
        _run.record_failure(run, phase=3, task="push", message="no")
    if rollback:
        run.write("rollback", rollback, "2026-01-01")
    outcome = _run.outcome_of(run, complete=complete)
    assert outcome.state == state
    assert outcome.reached_goal is not failed


def test_a_closed_run_has_the_hashes_of_its_evidence(tmp_path: Path) -> None:
    """Evidence that can be altered unseen is none."""
    run = _run.open_run(tmp_path, "app", {})
    run.write("backup", {"verdict": "succeeded"}, "2026-01-01")
    _run.close_run(run, _run.outcome_of(run, complete=True))
    lines = (run.directory / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["backup.json", "run.json"]
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((run.directory / name).read_bytes()).hexdigest() == digest


def test_a_check_run_leaves_nothing(tmp_path: Path) -> None:
    """--check changes nothing, not even the evidence."""
    run = _run.open_check_run("app", {})
    _run.close_run(run, _run.outcome_of(run, complete=True))
    assert not run.directory.exists()
    assert list(tmp_path.iterdir()) == []


def test_sections_of_evidence_are_kept_beside_each_other(tmp_path: Path) -> None:
    """A phase's steps write one file; a later step must not take the earlier one's evidence away."""
    run = _run.open_run(tmp_path, "app", {})
    run.write("deploy.review", {"needed": True}, "2026-01-01T00:00:00+00:00")
    run.write("deploy.commit", {"commit": "abc"}, "2026-01-01T00:00:01+00:00")
    deploy = run.read("deploy")
    assert deploy is not None
    assert deploy["review"]["needed"] is True
    assert deploy["commit"]["commit"] == "abc"
    assert (deploy["phase"], deploy["run_id"], deploy["schema_version"]) == (3, run.id, 1)
    with pytest.raises(PitstopError, match="no evidence called"):
        run.write("deplyo", {}, "2026-01-01")
