# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of all probes have in common: how they are checked, and how they are refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError


def refused(probe: str, why: str, next_step: str) -> PitstopError:
    """The error of a probe whose options make no sense."""
    return PitstopError(f"Probe {probe} cannot be run", why=why, next_step=next_step)


def at_least(least: int, option: Mapping[str, Any], key: str, probe: str, default: int = 0) -> int:
    """The whole number below ``key``, or ``default`` where none is given."""
    value = default if option[key] is None else int(option[key])
    if value < least:
        raise refused(probe, f"{key} is {value}", f"set it to {least} or more")
    return value


def seconds(option: Mapping[str, Any], key: str, probe: str, *, zero: bool = False) -> float:
    """The seconds below ``key``: more than none, unless ``zero``."""
    value = float(option[key])
    if not (0 <= value < math.inf) or (value == 0 and not zero):
        raise refused(
            probe, f"{key} is {value:g}", f"set it to a number of seconds, {'0 or more' if zero else 'above 0'}"
        )
    return value


def inside(path: str, probe: str) -> str:
    """``path``, which has to be one inside the repository."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise refused(probe, f"{path!r} leads out of the repository", "give a path inside the repository")
    return path
