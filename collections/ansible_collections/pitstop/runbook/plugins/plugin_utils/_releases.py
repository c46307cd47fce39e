# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and awaiting Heroku's releases and dynos. Every wait has a deadline and says what it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import (
    dyno_state,
    live_release,
    newer_than,
    slug_id,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient
from ansible_collections.pitstop.runbook.plugins.plugin_utils._pace import Pace

POLL_S = 1.0
NEWEST_FIRST = {"Range": "version ..; max=50, order=desc"}


class Releases:
    """The releases of one app."""

    def __init__(self, heroku: HerokuClient, app: str, say: Callable[[str], None]) -> None:
        self._heroku = heroku
        self._app = app
        self._say = say

    def all(self) -> list[dict[str, Any]]:
        """The newest fifty, newest first."""
        return list(self._heroku.get(f"/apps/{self._app}/releases", NEWEST_FIRST))

    def live(self) -> dict[str, Any]:
        """The current release; raises PitstopError when the app has none."""
        found = live_release(self.all())
        if found is None:
            raise PitstopError(
                f"The app {self._app} has no live release", next_step="deploy it once by hand: git push heroku main"
            )
        return dict(found)

    def commit_of(self, release: dict[str, Any]) -> str | None:
        """The commit of a release's slug, or None when it has no slug or the slug no commit."""
        slug = slug_id(release)
        return self._heroku.get(f"/apps/{self._app}/slugs/{slug}").get("commit") if slug else None

    def of_commit(self, commit: str, after_version: int) -> dict[str, Any] | None:
        """The newest release after a version whose slug was built from ``commit``."""
        newer = (dict(release) for release in newer_than(self.all(), after_version))
        return next((release for release in newer if self.commit_of(release) == commit), None)

    def awaited(self, version: int, timeout: float, log: Path | None = None) -> dict[str, Any]:
        """Wait until release ``version`` has succeeded; its output is shown, and kept in ``log``.

        Raises PitstopError when it failed or is still pending after ``timeout`` seconds.
        """
        release = self.get(version)
        self._follow(release, log)
        pace = Pace(self._say)
        while release["status"] == "pending":
            if pace.elapsed_s > timeout:
                raise PitstopError(
                    f"The release v{version} is still pending after {timeout:.0f} s",
                    next_step=f"look at its output: heroku releases:output v{version} -a {self._app}",
                )
            pace(lambda: f"waiting for release v{version}, {pace.elapsed_s:.0f} s so far")
            time.sleep(POLL_S)
            release = self.get(version)
        if release["status"] != "succeeded":
            raise PitstopError(
                f"The release v{version} {release['status']}",
                why="its release command did not succeed, so it never went live",
                next_step=f"read release.log of this run, or: heroku releases:output v{version} -a {self._app}",
            )
        return release

    def await_dynos(self, version: int, timeout: float) -> str:
        """Wait until all web dynos are up on release ``version`` or a later one; returns what was seen."""
        pace = Pace(self._say)
        while True:
            formation = self._heroku.get(f"/apps/{self._app}/formation")
            wanted = sum(int(process["quantity"]) for process in formation if process["type"] == "web")
            state, seen = dyno_state(self._heroku.get(f"/apps/{self._app}/dynos"), wanted, version)
            if state == "up":
                return seen
            if state == "crashed":
                raise PitstopError(
                    f"The app crashed on release v{version}",
                    why=seen,
                    next_step=f"read its log: heroku logs -n 100 -a {self._app}",
                )
            if pace.elapsed_s > timeout:
                raise PitstopError(
                    f"The web dynos are not up on v{version} after {timeout:.0f} s",
                    why=f"wanted {wanted}, saw {seen}",
                    next_step=f"look at them: heroku ps -a {self._app}",
                )
            pace(partial("waiting for web dynos on v{}: {}".format, version, seen))
            time.sleep(POLL_S)

    def get(self, version: int) -> dict[str, Any]:
        """One release by its version."""
        return dict(self._heroku.get(f"/apps/{self._app}/releases/{version}"))

    def _follow(self, release: dict[str, Any], log: Path | None) -> None:
        if release.get("output_stream_url"):
            # A stream may stay silent or break: it is shown beside the polling, which alone decides.
            threading.Thread(target=self._copy, args=(release["output_stream_url"], log), daemon=True).start()

    def _copy(self, url: str, log: Path | None) -> None:
        try:
            for chunk in self._heroku.stream(url):
                for line in filter(None, chunk.splitlines()):
                    self._say(f"release: {line}")
                if log:
                    with log.open("a", encoding="utf-8") as file:
                        file.write(chunk)
        except Exception as error:  # noqa: BLE001 - whatever breaks the stream, the release goes on
            self._say(f"the release's output broke off: {error}")
