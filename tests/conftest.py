# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the collection importable by its real name, as ansible-core itself does, before any test module asks for it."""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

from tests.machine import pytest_runtest_setup, pytest_terminal_summary

__all__ = ["pytest_runtest_setup", "pytest_terminal_summary"]

init_plugin_loader([str(Path(__file__).parents[1] / "collections")])
