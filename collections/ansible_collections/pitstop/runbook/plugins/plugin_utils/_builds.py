# SPDX-License-Identifier: GPL-3.0-or-later
"""Heroku's builds: a tarball becomes a slug and a release. The state of a build is asked for, never inferred."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError, last_lines
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import (
    ACCEPT,
    HerokuClient,
    HerokuError,
    UnknownOutcome,
    write_surely,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._output_stream import OutputStream
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import SLOWEST_POLL_S, Wait

ALL = {"Range": "id ..; max=1000"}  # builds are ranged by id alone, which tells nothing of their age
CANCEL = {"Accept": f"{ACCEPT}.cancel-build"}
CONFLICT = 409


class Builds:
    """The builds of one app."""

    def __init__(self, heroku: HerokuClient, app: str, console: Console) -> None:
        self._heroku = heroku
        self._path = f"/apps/{app}/builds"
        self._console = console

    def pending(self) -> list[str]:
        """The ids of the builds that are going on."""
        return [str(build["id"]) for build in self._heroku.get(self._path, ALL) if build["status"] == "pending"]

    def of_commit(self, commit: str) -> list[dict[str, Any]]:
        """All builds of a commit."""
        return [build for build in self._heroku.get(self._path, ALL) if build["source_blob"].get("version") == commit]

    def get(self, build_id: str) -> dict[str, Any]:
        return dict(self._heroku.get(f"{self._path}/{build_id}"))

    def start(self, tarball: Path, commit: str, known: Collection[str], timeout: float) -> dict[str, Any]:
        """Upload a gzipped tarball and build it, once. ``known`` are the ids of the builds of ``commit`` so far."""
        # Asking for one more place to upload to does no harm.
        place = write_surely(lambda: self._heroku.post("/sources"), lambda: None)["source_blob"]
        self._heroku.put_file(place["put_url"], tarball, timeout)
        checksum = f"SHA256:{hashlib.sha256(tarball.read_bytes()).hexdigest()}"
        blob = {"url": place["get_url"], "version": commit, "checksum": checksum}

        def find() -> Any:
            return next((build for build in self.of_commit(commit) if build["id"] not in known), None)

        return dict(write_surely(lambda: self._heroku.post(self._path, {"source_blob": blob}), find))

    def awaited(self, build: dict[str, Any], timeout: float) -> tuple[dict[str, Any], str]:
        """A build when it is no longer pending, and its output, which is shown as it comes.

        Raises PitstopError when it failed, or is still pending after ``timeout`` seconds; then it is cancelled.
        """
        output = OutputStream(self._heroku, build.get("output_stream_url"), self._say)
        try:
            with Wait(self._console, f"build {build['id'][:8]}", timeout, slowest_poll_s=SLOWEST_POLL_S) as wait:
                while build["status"] == "pending" and not wait.over:
                    wait.pause("it builds")
                    build = self.get(build["id"])
        finally:
            text = output.whole()
        if build["status"] == "pending":
            raise PitstopError(
                f"The build {build['id']} is not done after {timeout:.0f} s",
                why=last_lines(text),
                next_step="look at its output above; for a slow build set heroku_deploy_build_timeout higher",
                partial={"status": "pending", "output": text},
            )
        if build["status"] != "succeeded":
            raise PitstopError(
                f"The build {build['id']} {build['status']}, and nothing was released",
                why=f"it said: {last_lines(text)}",
                next_step="mend the build (its output is above), then run again",
                partial={"status": build["status"], "output": text},
            )
        return build, text

    def cancelled(self, commit: str, known: Collection[str]) -> list[dict[str, Any]]:
        """Cancel the builds of ``commit`` that go on, ``known`` ones aside; those and their state afterwards."""
        going_on = [
            build for build in self.of_commit(commit) if build["status"] == "pending" and build["id"] not in known
        ]
        for build in going_on:
            try:
                self._heroku.delete(f"{self._path}/{build['id']}", CANCEL)
            except UnknownOutcome:
                pass
            except HerokuError as error:
                if error.status != CONFLICT:  # it has ended meanwhile
                    raise
        return [self.get(build["id"]) for build in going_on]

    def _say(self, line: str) -> None:
        if line.strip():
            self._console.say(f"build: {line}")
