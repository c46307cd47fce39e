# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of Pitstop's engine: what went wrong, why, and what to do next."""

from __future__ import annotations

from typing import Any


def last_lines(text: str, count: int = 3) -> str:
    """The end of what a program printed, in one line: that is mostly where the reason stands."""
    return "; ".join(text.strip().splitlines()[-count:])


class PitstopError(Exception):
    """An error a person can act on.

    ``what`` names the value or the step, ``why`` the cause, ``next_step`` the exact better value or command.
    ``partial`` holds results that were true before the failure, so that evidence keeps them.
    """

    def __init__(self, what: str, *, why: str = "", next_step: str = "", partial: dict[str, Any] | None = None) -> None:
        self.what = what
        self.why = why
        self.next_step = next_step
        self.partial = partial or {}
        super().__init__(str(self))

    def __str__(self) -> str:
        text = self.what.rstrip(".")
        if self.why:
            text += f": {self.why.rstrip('.')}"
        text += "."
        if self.next_step:
            text += f" Next: {self.next_step}"
        return text
