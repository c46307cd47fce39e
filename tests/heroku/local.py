# SPDX-License-Identifier: GPL-3.0-or-later
"""A local Heroku under test, and a tiny app to push to it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2

from sandbox.heroku.processes import free_port
from sandbox.heroku.store import write_json
from sandbox.node import link_programs
from tests.operations.postgres_server import wheel_bin

PROJECT = Path(__file__).parents[2]
APP = "shop"
TOKEN = "not-a-real-token"
EMAIL = "operator@shop.example"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/vnd.heroku+json; version=3"}
WAIT_SECONDS = 60

SERVER = """
const answer = JSON.stringify({
  text: TEXT, commit: process.env.HEROKU_SLUG_COMMIT, release: process.env.HEROKU_RELEASE_VERSION,
  greeting: process.env.GREETING, dyno: process.env.DYNO,
})
require('node:http').createServer((request, response) =>
  response.end(request.url === '/headers' ? JSON.stringify(request.headers) : answer))
  .listen(process.env.PORT, '127.0.0.1', () => console.log('listening'))
"""


def wait_until[T](ask: Callable[[], T], what: str) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.1)
    return answer


@contextmanager
def locked(database_url: str, table: str) -> Iterator[None]:
    """Hold a table so that pg_dump has to wait for it."""
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        connection.close()


@dataclass
class Local:
    """The server as a process of its own, with what the tests ask it."""

    state_dir: Path
    port: int = field(default_factory=free_port)
    router_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def authority(self) -> Path:
        return self.state_dir / "ca.pem"

    def configure(self, database_url: str, programs: Path) -> None:
        """Write the configuration: one app with a database."""
        link_programs(programs)
        app = {
            "name": APP,
            "web_url": f"http://localhost:{self.router_port}/",
            "config_vars": {"DATABASE_URL": database_url, "GREETING": "hello"},
            "database": {"name": "postgresql-curved-63923", "plan": "heroku-postgresql:standard-0"},
        }
        config = {
            "token": TOKEN,
            "account": {"email": EMAIL},
            "node_bin": str(programs),
            "pg_bin": str(wheel_bin()),
            "npm_cache": str(PROJECT / ".cache" / "npm"),
            "slow_release_seconds": 2,
            "preboot_seconds": 2,
            "eco_idle_seconds": 1,
            "apps": [app],
        }
        self.state_dir.mkdir()
        (self.state_dir / "config.json").write_text(json.dumps(config))

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [sys.executable, "-m", "sandbox.heroku", "serve", "--state-dir", str(self.state_dir)]
        command += ["--port", str(self.port), "--router-port", str(self.router_port)]
        with (self.state_dir / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log)
        wait_until(self._answers, "the server answers")

    def stop(self) -> int:
        """End the server with SIGTERM, as the sandbox does, and return its exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(timeout=WAIT_SECONDS)
        self.process = None
        return status

    def kill(self) -> None:
        """End the server as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def faults(self, *names: str) -> None:
        """Set these faults and no others."""
        write_json(self.state_dir / "faults.json", {"faults": names})

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request to the API."""
        headers = HEADERS | options.pop("headers", {})
        return httpx.request(method, self.url + path, headers=headers, timeout=WAIT_SECONDS, trust_env=False, **options)

    def get(self, path: str) -> Any:
        """What the API says, or an error."""
        return self.ask("GET", path).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Make something and return it, or an error."""
        return self.ask("POST", path, json=body or {}).raise_for_status().json()

    def releases(self) -> list[dict[str, Any]]:
        """All releases, oldest first."""
        return list(self.get(f"/apps/{APP}/releases"))

    def dynos(self) -> list[dict[str, Any]]:
        """All dynos."""
        return list(self.get(f"/apps/{APP}/dynos"))

    def settled(self, version: int) -> dict[str, Any]:
        """A release when it is no longer pending."""

        def ask() -> dict[str, Any] | None:
            release: dict[str, Any] = self.get(f"/apps/{APP}/releases/{version}")
            return release if release["status"] != "pending" else None

        found = wait_until(ask, f"v{version} is no longer pending")
        assert found is not None
        return found

    def wait_for_dyno(self, state: str, version: int) -> None:
        """Wait until web.1 is in a state, on a release."""
        wanted = [("web.1", state, version)]
        wait_until(
            lambda: [(d["name"], d["state"], d["release"]["version"]) for d in self.dynos()] == wanted,
            f"web.1 is {state} on v{version}",
        )

    def backup(self) -> dict[str, Any]:
        """Take a backup and return its transfer when it has ended."""
        transfer = self.post(f"/client/v11/databases/{self.database_id()}/backups")
        return self.transferred(transfer["uuid"])

    def transferred(self, uuid: str) -> dict[str, Any]:
        """A transfer when it has ended, with its messages."""

        def ask() -> dict[str, Any] | None:
            transfer: dict[str, Any] = self.get(f"/client/v11/apps/{APP}/transfers/{uuid}?verbose=true")
            return transfer if transfer["finished_at"] else None

        found = wait_until(ask, "the transfer ends")
        assert found is not None
        return found

    def database_id(self) -> str:
        """The UUID of the database add-on."""
        return str(self.get(f"/apps/{APP}/addons")[0]["id"])

    def web(self, path: str = "/") -> httpx.Response:
        """What the app answers through the router."""
        return httpx.get(f"http://localhost:{self.router_port}{path}", timeout=WAIT_SECONDS, trust_env=False)

    def log(self) -> str:
        """All lines of the app's log, without their times."""
        session = self.post(f"/apps/{APP}/log-sessions", {"lines": 1500})
        lines = httpx.get(session["logplex_url"], trust_env=False).text.splitlines()
        return "\n".join(line.partition(" ")[2] for line in lines)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.state_dir / "server.log").read_text()
        try:
            return self.ask("GET", "/account").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def serving(state_dir: Path, database_url: str, programs: Path) -> Iterator[Local]:
    """A local Heroku with one app, until the end of the block."""
    local = Local(state_dir)
    local.configure(database_url, programs)
    local.start()
    try:
        yield local
    finally:
        if local.process:
            local.stop()


@dataclass
class TinyApp:
    """A git repository with an app that needs nothing but node."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> TinyApp:
        """Make the repository, without a commit."""
        folder.mkdir()
        app = cls(folder)
        app.git("init", "--quiet", "--initial-branch=main")
        app.package(dependencies={})
        app.procfile("web: node server.js")
        return app

    def git(self, *arguments: str) -> str:
        """Run git in the repository, with nobody's settings but these."""
        done = subprocess.run(
            ["git", "-c", "user.name=tests", "-c", "user.email=tests@shop.example", *arguments],
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def package(self, dependencies: dict[str, str]) -> None:
        """Write package.json."""
        manifest = {"name": "tiny", "version": "1.0.0", "private": True, "dependencies": dependencies}
        (self.folder / "package.json").write_text(json.dumps(manifest))

    def procfile(self, *lines: str) -> None:
        """Write the Procfile."""
        (self.folder / "Procfile").write_text("".join(f"{line}\n" for line in lines))

    def commit(self, text: str) -> str:
        """Commit the app so that it answers with this text; return the commit."""
        (self.folder / "server.js").write_text(SERVER.replace("TEXT", json.dumps(text)))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={text}")
        return self.git("rev-parse", "HEAD")

    def push(self, local: Local, *refspecs: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        """Push over plain HTTP; what git showed is in ``stderr``, without the blanks it pads lines with."""
        header = f"Authorization: Basic {base64.b64encode(f':{token}'.encode()).decode()}"
        configuration = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": header}
        base = {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(
            ["git", "push", f"{local.url}/{APP}.git", *(refspecs or ("main",))],
            cwd=self.folder,
            env=base | configuration,
            capture_output=True,
            text=True,
            check=False,
        )
        done.stderr = "\n".join(line.rstrip() for line in done.stderr.splitlines())
        return done

    def deploy(self, local: Local, text: str) -> tuple[str, int]:
        """Commit, push, and wait for the dyno; return the commit and its release's version."""
        commit = self.commit(text)
        pushed = self.push(local)
        assert pushed.returncode == 0, pushed.stderr
        version = local.releases()[-1]["version"]
        local.wait_for_dyno("up", version)
        return commit, version
