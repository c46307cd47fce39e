# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that is killed at any moment: the next start finds out what is true and goes on to the end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.sandbox.fixtures import PROJECT

from .conftest import Production

SEED = 20261124
MOMENTS = 10
PART = ["--skip-tags", "baseline,db,verify,backup"]
QUICK: dict[str, Any] = {"heroku_deploy_settle": 1}
WITH_MAINTENANCE = {**QUICK, "heroku_deploy_maintenance_mode": True}


def _started(production: Production, output: Path) -> subprocess.Popen[bytes]:
    """A run of its own process group, with maintenance mode, which is one more thing to be left on."""
    with output.open("w") as target:
        return subprocess.Popen(
            ["ansible-playbook", "-i", "inventories/demo", "master.yml", *PART, "-e", json.dumps(WITH_MAINTENANCE)],
            cwd=PROJECT,
            env=production.sandbox.environment,
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _change(production: Production, number: int) -> None:
    """One more change of the declared file."""
    file = Path(production.sandbox.state["repository"]) / "lib/folios.js"
    file.write_text(f"{file.read_text()}// change {number}\n")


def test_a_deploy_killed_at_any_moment_is_finished_by_the_next_run(production: Production, tmp_path: Path) -> None:
    """The laptop's battery ends in the middle: nothing may stay half deployed, nor the maintenance page up."""
    before = time.monotonic()
    whole = _started(production, tmp_path / "whole")
    assert whole.wait() == 0, (tmp_path / "whole").read_text()
    seconds = time.monotonic() - before
    moments = random.Random(SEED)  # noqa: S311 - the same moments each time, and no secrets
    for number in range(MOMENTS):
        _change(production, number)
        killed = _started(production, tmp_path / f"killed-{number}")
        time.sleep(moments.uniform(0.2, 1) * seconds)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        ended = production.run(*PART, **QUICK)
        after, printed = production.serving(), (tmp_path / f"killed-{number}").read_text()
        assert ended.exit_code == 0, f"moment {number}: {printed}\n{ended.text}"
        head = production.git("rev-parse", "HEAD")
        assert after["commit"] == after["answers as"] == head, f"moment {number}: {printed}\n{ended.text}"
        assert after["head"] == after["origin"] == after["tree"]
        assert (after["dirty"], after["maintenance"], after["pending"]) == ("", False, [])
