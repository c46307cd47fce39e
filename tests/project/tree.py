# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's tree, as the tests in this folder look at it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "collections/ansible_collections/pitstop/runbook/plugins"
ROLES = sorted(spec.parents[1] for spec in ROOT.glob("roles/*/meta/argument_specs.yml"))
OPERATIONS = sorted(path.stem for path in PLUGINS.glob("modules/*.py") if path.stem != "__init__")


def tracked(*patterns: str) -> list[Path]:
    """The files that git knows and that are there, relative to the root, of all or of those that match a pattern."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in listed.stdout.split("\0") if (ROOT / name).is_file() and name]


def ansible(program: str, *arguments: str) -> str:
    """What a program of ansible-core prints when it is run from the root; fails with its errors when it fails."""
    environment = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run([program, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
