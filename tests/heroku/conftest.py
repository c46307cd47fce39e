# SPDX-License-Identifier: GPL-3.0-or-later
"""A local Heroku with a database and a tiny app, and the real Heroku CLI beside it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.heroku import cli as heroku_cli
from tests.heroku.cli import Cli
from tests.heroku.local import PROJECT, TOKEN, Local, TinyApp, serving
from tests.operations.postgres_server import execute, running_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the superuser on a fresh PostgreSQL."""
    with running_server() as url:
        yield url


@pytest.fixture(scope="module")
def database_url(postgres_url: str) -> str:
    """URL of a new database with a table ``folio`` of 1000 rows."""
    name = f"shop_{secrets.token_hex(4)}"
    url = urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    execute(postgres_url, f"CREATE DATABASE {name}")
    execute(url, "CREATE TABLE folio AS SELECT generate_series(1, 1000) AS number")
    return url


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Local]:
    """A running local Heroku with one app, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("heroku")
    with serving(folder / "state", database_url, folder / "programs") as local:
        yield local


@pytest.fixture
def local(server: Local) -> Local:
    """The local Heroku of this module, running and without faults."""
    server.faults()
    if server.process is None:
        server.start()
    return server


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyApp:
    """A tiny app in a git repository of its own, shared by the tests of a module."""
    return TinyApp.create(tmp_path_factory.mktemp("tiny") / "app")


@pytest.fixture(scope="session")
def heroku_programs() -> Path:
    """A folder with the real CLI, installed from npm on first use."""
    return heroku_cli.install(Path(os.environ.get("PITSTOP_HEROKU_CLI", PROJECT / ".cache" / "heroku-cli")))


@pytest.fixture
def cli_settings(local: Local, tmp_path: Path, heroku_programs: Path) -> dict[str, str]:
    """Settings with which the CLI uses the local Heroku, and a home folder of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return heroku_cli.settings(local.port, TOKEN, local.authority, home, heroku_programs)


@pytest.fixture
def cli(heroku_programs: Path, cli_settings: dict[str, str]) -> Cli:
    """The real CLI, pointed at the local Heroku."""
    return Cli(heroku_programs / "heroku", cli_settings)
