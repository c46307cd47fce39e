# SPDX-License-Identifier: GPL-3.0-or-later
"""The local Heroku as the sandbox uses it: configured, started, asked."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox import node
from sandbox.errors import SandboxError
from sandbox.paths import Paths
from sandbox.postgres import INSTALLATION
from sandbox.service import Service
from sandbox.settings import Settings, write_private

APP = "invoice-bot"
STAGING = f"{APP}-staging"
DATABASE = {"name": "postgresql-curved-63923", "plan": "heroku-postgresql:standard-0"}
ACCOUNT = "operator@invoice-bot.example"


@dataclass(frozen=True)
class LocalHeroku:
    """The server of `python -m sandbox.heroku`, with the bot as its app."""

    paths: Paths
    settings: Settings

    @property
    def api_url(self) -> str:
        return f"http://localhost:{self.settings.heroku_port}"

    @property
    def git_url(self) -> str:
        return f"{self.api_url}/{APP}.git"

    @property
    def web_url(self) -> str:
        return f"http://localhost:{self.settings.router_port}/"

    @property
    def service(self) -> Service:
        command = [sys.executable, "-m", "sandbox.heroku", "serve", "--state-dir", str(self.paths.heroku)]
        command += ["--port", str(self.settings.heroku_port), "--router-port", str(self.settings.router_port)]
        return Service("heroku", command, f"{self.paths.heroku} ", self.paths.run, self.paths.log)

    def configure(self, database_url: str) -> None:
        """Write what the server is told at its start."""
        config_vars = {
            "DATABASE_URL": database_url,
            "NODE_ENV": "production",
            "WEBHOOK_SECRET": self.settings.webhook_secret,
        }
        app = {
            "name": APP,
            "config_vars": config_vars,
            "database": DATABASE,
            "formation": {"web": 1},
            "web_url": self.web_url,
        }
        # No dyno runs there; its release command looks at the same tables, as it only reads them.
        staging = {"name": STAGING, "config_vars": config_vars, "formation": {"web": 0}, "web_url": self.web_url}
        config = {
            "token": self.settings.heroku_token,
            "account": {"email": ACCOUNT},
            "node_bin": str(self.paths.node_bin),
            "pg_bin": str(INSTALLATION / "bin"),
            "npm_cache": str(node.npm_cache(self.paths)),
            "apps": [app, staging],
            "pipelines": [{"name": APP, "couplings": {STAGING: "staging", APP: "production"}}],
        }
        self.paths.heroku.mkdir(mode=0o700, exist_ok=True)
        write_private(self.paths.heroku / "config.json", config)

    def start(self) -> None:
        self.service.start(self._answers)

    def stop(self) -> None:
        self.service.stop()

    def forget(self) -> None:
        """Remove apps, releases, dynos and backups; the server must be stopped."""
        shutil.rmtree(self.paths.heroku, ignore_errors=True)

    def releases(self) -> list[dict[str, Any]]:
        """Return the app's releases as the Platform API shows them."""
        url = f"{self.api_url}/apps/{APP}/releases"
        headers = {
            "Accept": "application/vnd.heroku+json; version=3",
            "Authorization": f"Bearer {self.settings.heroku_token}",
        }
        for _ in range(3):  # the faults api_429 and api_503 hit every third request
            response = httpx.get(url, headers=headers, timeout=30)
            if response.is_success:
                return list(response.json())
        raise SandboxError(f"{url} is answered {response.status_code}; see {self.service.log_file}.")

    def wait_for_release(self, commit: str, timeout: float = 60) -> None:
        """Wait until the bot answers with this commit; raise SandboxError when it does not."""
        deadline = time.monotonic() + timeout
        while (answer := self.health()).get("commit") != commit:
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"the bot at {self.web_url}health does not answer with commit {commit[:8]} but {answer}. "
                    f"See {self.service.log_file}, then begin anew: python -m sandbox up --fresh"
                )
            time.sleep(0.2)

    def health(self) -> dict[str, Any]:
        """Return what the bot's /health says, or the error that stands in its place."""
        try:
            answer = httpx.get(f"{self.web_url}health", timeout=10).json()
        except (httpx.HTTPError, ValueError) as error:
            return {"status": "no answer", "error": str(error)}
        return answer if isinstance(answer, dict) else {"status": "no answer", "error": repr(answer)}

    def _answers(self) -> bool:
        try:
            httpx.get(f"{self.api_url}/account", timeout=5)
        except httpx.HTTPError:
            return False
        return True
