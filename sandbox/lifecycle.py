# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox as a whole: up, down, clean. Every step is one that a second `up` repairs when it was interrupted."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox import database, node, repository
from sandbox.local_heroku import APP, LocalHeroku
from sandbox.paths import Paths
from sandbox.postgres import INSTALLATION, SUPERUSER, Cluster
from sandbox.service import Service
from sandbox.settings import Settings, load_or_choose, write_private


@dataclass(frozen=True)
class Sandbox:
    """Everything of one sandbox; nothing runs or exists before `up`."""

    paths: Paths
    settings: Settings

    @classmethod
    def open(cls, paths: Paths, round_trip_ms: float | None = None) -> Sandbox:
        """Return the sandbox in this folder, with its settings, chosen now if it is new."""
        paths.make()
        return cls(paths, load_or_choose(paths.settings, round_trip_ms))

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.paths, self.settings)

    @property
    def heroku(self) -> LocalHeroku:
        return LocalHeroku(self.paths, self.settings)

    @property
    def proxy(self) -> Service:
        command = [sys.executable, "-m", "sandbox.proxy", "--label", str(self.paths.root)]
        command += ["--listen-port", str(self.settings.proxy_port)]
        command += ["--target-port", str(self.settings.postgres_port)]
        command += ["--round-trip-ms", str(self.settings.round_trip_ms)]
        return Service("proxy", command, f"sandbox.proxy --label {self.paths.root} ", self.paths.run, self.paths.log)

    @property
    def services(self) -> tuple[Service, ...]:
        """All processes, in the order of their start."""
        return self.cluster.service, self.proxy, self.heroku.service

    def up(self, *, fresh: bool = False) -> None:
        """Make and start what is missing; `fresh` begins the app's first day anew."""
        cluster = self.cluster
        with _step("PostgreSQL"):
            cluster.initialise()
            cluster.start()
            database.ensure_owner(cluster)
        if fresh:
            with _step("back to the first day"):
                self._forget_app()
        with _step("the seeded template, made once"):
            database.ensure_template(cluster)
        with _step("the bot's database, a copy of it"):
            database.ensure_database(cluster)
        with _step(f"a distance of {self.settings.round_trip_ms:g} ms to the database"):
            self.proxy.start(lambda: database.answers(self.database_url))
        with _step("Node and the bot's packages"):
            node.link_programs(self.paths.node_bin)
            node.ensure_modules(self.paths)
        with _step("the bot's repository"):
            repository.ensure(self.paths, self.heroku.git_url)
        with _step("the local Heroku"):
            self.heroku.configure(self.database_url)
            self.heroku.start()
        with _step("the first release"):
            self._release_once()
        write_private(self.paths.state, self.state())

    def down(self) -> None:
        """Stop every process; all data stays."""
        self.paths.state.unlink(missing_ok=True)
        for service in reversed(self.services):
            service.stop()

    def clean(self) -> None:
        """Stop every process and remove everything; a file that is not the sandbox's stays, and so does its folder."""
        self.down()
        self.cluster.remove()
        self._remove_app_files()
        for folder in (self.paths.cache, self.paths.log, self.paths.run, self.paths.node_bin):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.paths.settings, self.paths.lock):
            file.unlink(missing_ok=True)
        if not any(self.paths.root.iterdir()):
            self.paths.root.rmdir()

    @property
    def database_url(self) -> str:
        """Through the proxy, as the bot and Pitstop connect."""
        settings = self.settings
        return (
            f"postgres://{database.OWNER}:{settings.owner_password}@localhost:{settings.proxy_port}/{database.DATABASE}"
        )

    def state(self) -> dict[str, Any]:
        """Return what inventories and tests need to know."""
        settings, heroku = self.settings, self.heroku
        return {
            "app": APP,
            "database": {
                "host": "127.0.0.1",
                "port": settings.proxy_port,
                "direct_port": settings.postgres_port,
                "name": database.DATABASE,
                "user": database.OWNER,
                "password": settings.owner_password,
            },
            "database_url": self.database_url,
            "superuser_url": (
                f"postgres://{SUPERUSER}:{settings.superuser_password}@127.0.0.1:{settings.postgres_port}/postgres"
            ),
            "heroku": {
                "api_url": heroku.api_url,
                "data_url": heroku.api_url,
                "git_url": heroku.git_url,
                "token": settings.heroku_token,
            },
            "web_url": heroku.web_url,
            "webhook_secret": settings.webhook_secret,
            "repository": str(self.paths.repository),
            "origin": str(self.paths.origin),
            "branch": repository.BRANCH,
            "round_trip_ms": settings.round_trip_ms,
            "scale": settings.scale,
            "bin": str(INSTALLATION / "bin"),
            "node_bin": str(self.paths.node_bin),
        }

    def _release_once(self) -> None:
        token = self.settings.heroku_token
        if repository.deployed_commit(self.paths, token) is None:
            self.heroku.wait_for_release(repository.deploy(self.paths, token))

    def _forget_app(self) -> None:
        self.paths.state.unlink(missing_ok=True)
        self.heroku.stop()
        database.drop_database(self.cluster)
        self._remove_app_files()

    def _remove_app_files(self) -> None:
        self.heroku.forget()
        repository.remove(self.paths)


@contextmanager
def _step(title: str) -> Iterator[None]:
    """Print a line with the seconds that the step took."""
    begin = time.monotonic()
    print(f"  {title} …", end="", flush=True)
    try:
        yield
    except BaseException:
        print(" not finished", flush=True)
        raise
    print(f" {time.monotonic() - begin:.1f} s", flush=True)
