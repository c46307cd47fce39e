# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the sandbox's own tests."""

from __future__ import annotations

from tests.sandbox.fixtures import sandbox

__all__ = ["sandbox"]
