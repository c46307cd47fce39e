# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception the sandbox shows to its user."""

from __future__ import annotations


class SandboxError(Exception):
    """Something a person has to know: the message says which value, why, and the exact next step."""
