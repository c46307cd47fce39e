# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform itself: its parts, put together, started and stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sandbox.heroku import config as configuration
from sandbox.heroku import git_repositories
from sandbox.heroku.backups import Backups
from sandbox.heroku.builds import Builds
from sandbox.heroku.dynos import Dynos
from sandbox.heroku.faults import Faults
from sandbox.heroku.logs import LogBook
from sandbox.heroku.models import App
from sandbox.heroku.pipelines import Pipelines
from sandbox.heroku.releases import Releases
from sandbox.heroku.store import Store
from sandbox.heroku.streams import Outputs


class Heroku:
    """Everything behind the HTTP interface. Make it once per process, then ``start``, then ``stop``."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.config = configuration.load(state_dir)
        self.store = Store(state_dir)
        self.store.create_missing(self.config.apps)
        self.faults = Faults(state_dir)
        self.logs = {app.id: LogBook(state_dir / "logs" / f"{app.name}.log") for app in self.apps}
        self.outputs = Outputs(state_dir)
        self.dynos = Dynos(state_dir, self.config, self.faults, lambda app: self.logs[app.id])
        self.releases = Releases(self.store, self.logs, self.outputs, self.dynos, self.faults, self.config.email)
        self.builds = Builds(state_dir, self.config, self.store, self.faults, self.logs, self.outputs, self.releases)
        self.pipelines = Pipelines(self.store, self.releases)
        self.pipelines.create_missing(self.config.pipelines)
        self.backups = Backups(state_dir, self.config, self.store, self.faults)
        self.uploads = state_dir / "uploads"
        self.uploads.mkdir(exist_ok=True)
        self.hung_up = asyncio.Event()

    @property
    def apps(self) -> list[App]:
        """All apps, in the order of the configuration; the first is the router's default."""
        return self.store.state.apps

    async def start(self) -> None:
        """Settle what an earlier server left unfinished, make repositories, run the current releases."""
        self.builds.fail_interrupted()
        self.releases.fail_interrupted()
        self.backups.fail_interrupted()
        self.store.save()
        for app in self.apps:
            await git_repositories.ensure(self.state_dir, app)
        self.dynos.start_all(self.apps)

    def hang_up(self) -> None:
        """End all streams and unanswered requests, so that those who wait for them do not hold up the server's end."""
        self.hung_up.set()
        for log in self.logs.values():
            log.close()
        self.outputs.close_all()

    async def stop(self) -> None:
        """End every process of the platform, and keep the state."""
        await asyncio.gather(self.builds.stop_all(), self.dynos.stop_all(), self.backups.stop_all())
        self.store.save()
