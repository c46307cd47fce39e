# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to hold before any test module is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

from tests.machine import pytest_runtest_setup, pytest_terminal_summary

__all__ = ["pytest_runtest_setup", "pytest_terminal_summary"]

# ansible-playbook and molecule lie beside this interpreter; its environment need not be an activated one.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# The collection is importable by its real name, as in ansible-core itself.
init_plugin_loader([str(Path(__file__).parents[1] / "collections")])
