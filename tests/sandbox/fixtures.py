# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox for tests: `from tests.sandbox.fixtures import sandbox` in a conftest makes it a fixture of that folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCALE = os.environ.get("PITSTOP_SANDBOX_SCALE", "0.02")


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox of the tests' own, in a folder of their own; `state` is what `.sandbox/state.json` says."""

    directory: Path

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "state.json").read_text()))

    @property
    def environment(self) -> dict[str, str]:
        """Of this sandbox's commands and of whatever is run against it: PITSTOP_SANDBOX_DIR is its folder."""
        return os.environ | {"PITSTOP_SANDBOX_DIR": str(self.directory), "PITSTOP_SANDBOX_SCALE": SCALE}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m sandbox` with these arguments, whatever comes of it."""
        return subprocess.run(
            [sys.executable, "-m", "sandbox", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, *arguments: str) -> str:
        """Run `python -m sandbox` and return its output; the test fails when the command does."""
        done = self.command(*arguments)
        assert done.returncode == 0, f"sandbox {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def up(self) -> None:
        """Start what is down."""
        self.must("up")

    def fresh(self) -> None:
        """Go back to the first day: database, repository, Heroku; faults are gone."""
        self.must("up", "--fresh")

    def fault(self, name: str) -> None:
        """Set a fault by its name, or unset all with "none"."""
        self.must("fault", name)

    def query(self, statement: str, *, as_superuser: bool = False) -> list[tuple[Any, ...]]:
        """Return the rows of a statement in the bot's database, asked by its owner or by the superuser."""
        url = str(self.state["superuser_url" if as_superuser else "database_url"])
        url = urlsplit(url)._replace(path=f"/{self.state['database']['name']}").geturl()
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def node(self, script: str, *arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the bot's work tree in `folder`, with the app's config vars, `variables` over them."""
        config_vars = {
            "DATABASE_URL": self.state["database_url"],
            "NODE_ENV": "production",
            "WEBHOOK_SECRET": self.state["webhook_secret"],
        }
        return subprocess.run(
            [f"{self.state['node_bin']}/node", f"{self.state['repository']}/scripts/{script}", *arguments],
            cwd=folder,
            env=self.environment | config_vars | variables,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox that all tests of the session share: who changes it calls `fresh()` afterwards."""
    running = RunningSandbox(tmp_path_factory.mktemp("production") / "sandbox")
    try:
        running.up()
        yield running
    finally:
        running.must("clean")
