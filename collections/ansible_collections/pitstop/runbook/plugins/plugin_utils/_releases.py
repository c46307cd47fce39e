# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and awaiting Heroku's releases and dynos. Every wait has a deadline and says what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import (
    dyno_state,
    live_release,
    newer_than,
    slug_id,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import write_whole
from ansible_collections.pitstop.runbook.plugins.plugin_utils._builds import Builds
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient, write_surely
from ansible_collections.pitstop.runbook.plugins.plugin_utils._output_stream import OutputStream
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import SLOWEST_POLL_S, Wait

NEWEST_FIRST = {"Range": "version ..; max=50, order=desc"}
LAST_LINES = 5
FAILED = ("failed", "expired")


class Releases:
    """The releases of one app."""

    def __init__(self, heroku: HerokuClient, app: str, console: Console) -> None:
        self._heroku = heroku
        self._app = app
        self._console = console
        self._commits: dict[str, str | None] = {}

    def all(self) -> list[dict[str, Any]]:
        """The newest fifty, newest first."""
        return list(self._heroku.get(f"/apps/{self._app}/releases", NEWEST_FIRST))

    def pending_releases(self) -> list[str]:
        """The releases that are going on, as v7."""
        return [f"v{release['version']}" for release in self.all() if release["status"] == "pending"]

    def pending_builds(self) -> list[str]:
        """The ids of the builds that are going on."""
        return Builds(self._heroku, self._app, self._console).pending()

    def pending(self) -> list[str]:
        """The builds and releases that are going on: what is live may change any moment."""
        builds = [f"build {build}" for build in self.pending_builds()]
        return builds + [f"release {release}" for release in self.pending_releases()]

    def await_quiet(self, timeout: float, refusal: Callable[[str], PitstopError]) -> None:
        """Wait until no build and no release is going on. Raises ``refusal`` of what is, after ``timeout`` seconds."""
        what = f"the end of what is going on in {self._app}"
        with Wait(self._console, what, timeout, slowest_poll_s=SLOWEST_POLL_S) as wait:
            while pending := ", ".join(self.pending()):
                if wait.over:
                    raise refusal(pending)
                wait.pause(pending)

    def bring_back(self, release: dict[str, Any]) -> int:
        """Release the slug of an old release again, once; returns the new version."""
        newest, path = self.all()[0]["version"], f"/apps/{self._app}/releases"

        def find() -> Any:
            return next((r for r in newer_than(self.all(), newest) if slug_id(r) == slug_id(release)), None)

        made = write_surely(lambda: self._heroku.post(path, {"release": release["id"]}), find)
        return int(made["version"])

    def live(self) -> dict[str, Any]:
        """The current release; raises PitstopError when the app has none."""
        found = live_release(self.all())
        if found is None:
            raise PitstopError(
                f"The app {self._app} has no live release", next_step="deploy it once by hand: git push heroku main"
            )
        return dict(found)

    def commit_of(self, release: Mapping[str, Any]) -> str | None:
        """The commit of a release's slug, or None when it has no slug or the slug no commit."""
        slug = slug_id(release)
        if slug is None:
            return None
        if slug not in self._commits:
            self._commits[slug] = self._heroku.get(f"/apps/{self._app}/slugs/{slug}").get("commit")
        return self._commits[slug]

    def of_commit(self, commit: str, after_version: int) -> dict[str, Any] | None:
        """The release by which ``commit`` went live after a version; the newest failed one when none did.

        A later change of config vars releases the same slug again: the release that brought it is the oldest of them.
        """
        newer = [dict(r) for r in newer_than(self.all(), after_version) if self.commit_of(r) == commit]
        alive = [release for release in newer if release["status"] not in FAILED]
        if not alive:
            return newer[0] if newer else None
        return [release for release in alive if slug_id(release) == slug_id(alive[0])][-1]

    def awaited(self, version: int, timeout: float, log: Path | None = None) -> dict[str, Any]:
        """Wait until release ``version`` has succeeded; its output is kept in ``log``, and shown while it comes.

        Raises PitstopError when it failed or is still pending after ``timeout`` seconds.
        """
        release = self.get(version)
        # Who waited for it before, as a push does, has shown it.
        show = self._say_output if release["status"] == "pending" else _ignore
        output = OutputStream(self._heroku, release.get("output_stream_url"), show)
        try:
            release = self._ended(release, timeout)
        finally:
            text = output.whole()
            if log and text:
                write_whole(log, text)
        if release["status"] != "succeeded":
            last = " / ".join(line for line in text.splitlines()[-LAST_LINES:] if line.strip())
            raise PitstopError(
                f"The release v{version} {release['status']}, so it never went live",
                why=f"its release command said: {last}" if last else "its release command did not succeed",
                next_step=f"read release.log of this run, or: heroku releases:output v{version} -a {self._app}",
            )
        return release

    def _say_output(self, line: str) -> None:
        self._console.say(f"release: {line}")

    def _ended(self, release: dict[str, Any], timeout: float) -> dict[str, Any]:
        """The release once it is no longer pending."""
        version = release["version"]
        with Wait(self._console, f"release v{version}", timeout, slowest_poll_s=SLOWEST_POLL_S) as wait:
            while release["status"] == "pending":
                if wait.over:
                    raise PitstopError(
                        f"The release v{version} is still pending after {timeout:.0f} s",
                        why="its release command still runs, and may yet go live",
                        next_step=f"look at its output: heroku releases:output v{version} -a {self._app}",
                    )
                wait.pause("its release command runs")
                release = self.get(version)
        return release

    def still_live(self, commit: str) -> dict[str, Any]:
        """The live release, which has to be of ``commit``; raises PitstopError when somebody has put another there."""
        live = self.live()
        if (found := self.commit_of(live)) != commit:
            raise PitstopError(
                f"v{live['version']} is live ({live['description']}), and not commit {commit[:12]}",
                why=f"somebody has released {f'commit {found[:12]}' if found else 'it'} meanwhile",
                next_step=f"talk to them (heroku releases -a {self._app}), then run again",
            )
        return live

    def await_dynos(self, version: int, timeout: float) -> str:
        """Wait until all web dynos are up on release ``version`` or a later one; returns what was seen."""
        with Wait(self._console, f"web dynos on v{version}", timeout, slowest_poll_s=SLOWEST_POLL_S) as wait:
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
                if wait.over:
                    raise PitstopError(
                        f"The web dynos are not up on v{version} after {timeout:.0f} s",
                        why=f"wanted {wanted}, saw {seen}",
                        next_step=f"look at them: heroku ps -a {self._app}",
                    )
                wait.pause(seen)

    def preboot(self) -> bool:
        """Whether the old web dynos go on serving for a while beside new ones. Some generations of apps never do."""
        features = self._heroku.get(f"/apps/{self._app}/features")
        return any(feature["name"] == "preboot" and feature["enabled"] for feature in features)

    def get(self, version: int | str) -> dict[str, Any]:
        """One release by its version, or its id."""
        return dict(self._heroku.get(f"/apps/{self._app}/releases/{version}"))


def _ignore(_line: str) -> None:
    """Show nothing."""
