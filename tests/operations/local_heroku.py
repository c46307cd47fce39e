# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's Heroku for one test: one app with one database, and faults to set."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from sandbox.heroku.store import write_json

from .postgres_server import wheel_bin

PROJECT = Path(__file__).parents[2]
APP = "invoice-bot"
TOKEN = "not-a-real-token"
START_S = 30


@dataclass(frozen=True)
class LocalHeroku:
    """A running local Heroku. ``options`` are what an operation has to be given to speak with it."""

    url: str
    state_dir: Path

    @property
    def options(self) -> dict[str, Any]:
        return {"app": APP, "api_url": self.url, "data_url": self.url, "api_key": TOKEN}

    @property
    def ca_file(self) -> str:
        return str(self.state_dir / "ca.pem")

    def faults(self, *names: str) -> None:
        """Set these faults and no others."""
        write_json(self.state_dir / "faults.json", {"faults": names})

    def ask(self, method: str, path: str) -> Any:
        """What the API answers, asked past Pitstop's own client. Faults are lifted first."""
        self.faults()
        headers = {"Accept": "application/vnd.heroku+json; version=3", "Authorization": f"Bearer {TOKEN}"}
        return urllib3.request(method, self.url + path, headers=headers).json()

    def transfers(self) -> list[dict[str, Any]]:
        """The backups that it has."""
        return list(self.ask("GET", f"/client/v11/apps/{APP}/transfers"))


@contextmanager
def running_heroku(state_dir: Path, database_url: str) -> Iterator[LocalHeroku]:
    """Serve a local Heroku whose app has its database at ``database_url``."""
    state_dir.mkdir()
    port, router_port = _free_port(), _free_port()
    app = {
        "name": APP,
        "config_vars": {"DATABASE_URL": database_url},
        "database": {"name": "postgresql-curved-63923", "plan": "heroku-postgresql:standard-0"},
        "formation": {"web": 1},
        "web_url": f"http://localhost:{router_port}/",
    }
    config = {"token": TOKEN, "account": {"email": "ada@example.com"}, "node_bin": "/nonexistent", "apps": [app]}
    (state_dir / "config.json").write_text(json.dumps({**config, "pg_bin": str(wheel_bin())}))
    command = [sys.executable, "-m", "sandbox.heroku", "serve", "--state-dir", str(state_dir)]
    log = state_dir / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--router-port", str(router_port)],
            cwd=PROJECT,
            stdout=output,
            stderr=output,
        )
    try:
        _await(port, server, log)
        yield LocalHeroku(f"http://localhost:{port}", state_dir)
    finally:
        server.terminate()
        server.wait(timeout=START_S)


def _await(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"the local Heroku does not answer: {log.read_text()}"
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
