# SPDX-License-Identifier: GPL-3.0-or-later
"""The role, run by Ansible itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Benchmark
from .probes import command, statement
from .processes import is_running
from .repository import Repository

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
    run, project = benchmark.run, Path(__file__).parents[3]
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
