# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults this Heroku can be told to have, through ``DIR/faults.json``: ``{"faults": ["release_fails"]}``.

A fault is something that the platform really does, at the place where it would happen: the buildpack stops, the
release command exits 1, the socket is reset. [GUESS] how often, and which request.
The file is read at each use, so that setting one needs no restart.
"""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.heroku.store import write_json

FAULTS: dict[str, str] = {
    "build_fails": "the next build stops with an error and its push is rejected; then the fault is over",
    "release_fails": "the release command of the next slug built exits 1, whenever that slug is released",
    "dyno_crashes": "the web process of the next slug built exits at boot; the old dyno is already stopped",
    "health_wrong": "the next slug built runs under a wrong HEROKU_SLUG_COMMIT: its 200 OK is a false success",
    "slow_release": "the release command of the next slug built takes about 20 s longer, then succeeds",
    "backup_fails": "the next backup ends with succeeded=false; then the fault is over",
    "api_429": "every third API request is answered 429 with Retry-After, until unset",
    "api_503": "every third API request is answered 503, until unset",
    "reset_after_post": "every other API POST takes effect, then its connection is reset unanswered, until unset",
    "hang": "every twentieth API request has no effect and never gets an answer, until unset",
    "drop_log_stream": "log streams break after three lines, every second log session is refused (403), until unset",
    "expired_backup_url": "the link to a backup's file is answered 403 by the storage: it has expired, until unset",
    "concurrent_release": "when the next new slug is live a colleague sets a config var: one more release on top",
    "rejected_non_fast_forward": "a colleague's commit is on main before the next push to Heroku, which rejects it",
    "preboot": "preboot is on: old web dynos take the requests until well after the new ones are up, until unset",
    "eco_sleep": "eco dynos: they fall asleep soon after the last request, and the next one waits, until unset",
}
"""Name and what happens. Those that say "next" disarm themselves, so that undoing works."""

SLUG_FAULTS = ("release_fails", "dyno_crashes", "health_wrong", "slow_release")
WRONG_COMMIT = "0" * 40


class Faults:
    """The faults that are set now."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "faults.json"

    def active(self, name: str) -> bool:
        """Whether this fault is set."""
        return name in self._read()

    def take(self, name: str) -> bool:
        """Whether this fault is set; if so it is over from now on."""
        faults = self._read()
        if name not in faults:
            return False
        write_json(self._file, {"faults": [fault for fault in faults if fault != name]})
        return True

    def taint(self, process_types: dict[str, str], slow_seconds: int) -> dict[str, str]:
        """The Procfile of a new slug with the slug faults built in, for as long as that slug lives."""
        tainted = dict(process_types)
        for fault in SLUG_FAULTS:
            if self.take(fault):
                _build_in(fault, tainted, slow_seconds)
        return tainted

    def _read(self) -> list[str]:
        try:
            return list(json.loads(self._file.read_text())["faults"])
        except FileNotFoundError:
            return []


def _build_in(fault: str, commands: dict[str, str], slow_seconds: int) -> None:
    if fault == "release_fails":
        commands["release"] = "echo 'sandbox fault: release_fails' >&2; exit 1"
    elif fault == "slow_release":
        commands["release"] = (
            f"echo 'sandbox fault: slow_release'; sleep {slow_seconds}; {commands.get('release', ':')}"
        )
    elif fault == "dyno_crashes":
        commands["web"] = "echo 'sandbox fault: dyno_crashes' >&2; exit 1"
    else:
        commands["web"] = f"export HEROKU_SLUG_COMMIT={WRONG_COMMIT}; exec {commands.get('web', 'false')}"
