# SPDX-License-Identifier: GPL-3.0-or-later
"""Every molecule scenario passes, from an empty container to its verified end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import machine

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
TIMEOUT_S = 600


@pytest.mark.needs("container engine")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, tmp_path: Path) -> None:
    """Without it nobody would know that the roles hold on a server that is not the sandbox's."""
    environment = os.environ | {
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path),
        "PITSTOP_CONTAINER_ENGINE": str(machine.container_engine()),
    }
    done = subprocess.run(
        ["molecule", "test", "--scenario-name", scenario],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
