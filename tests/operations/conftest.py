# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of operations share: a live PostgreSQL, a database each, and a way to run an operation as a task would."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins import loader as plugins
from ansible.template import Templar

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _operation
from tests import servers

from .database_helpers import bloat, sql
from .local_heroku import LocalHeroku, running_heroku
from .postgres_server import execute, running_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the superuser on a fresh PostgreSQL 18, with its password."""
    with running_server() as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """URL of a new, empty database of its own, as its owner: an ordinary role, as an app has."""
    with _new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def server_of_major() -> Iterator[Callable[[int], str]]:
    """``server_of_major(15)`` is the superuser's URL on a server of that major, started once, when first asked for."""
    with ExitStack() as started:

        @cache
        def start(major: int) -> str:
            return started.enter_context(running_server(servers.programs(major), *servers.settings(major)))

        yield start


_EACH = [pytest.param(major, marks=pytest.mark.needs(f"PostgreSQL {major}")) for major in servers.chosen_majors()]


@pytest.fixture(params=_EACH)
def every_major_url(request: pytest.FixtureRequest, server_of_major: Callable[[int], str]) -> str:
    """URL of the superuser on each supported major in turn: tests/servers.py says how to choose among them."""
    return server_of_major(request.param)


@pytest.fixture
def every_major_owner_url(every_major_url: str) -> Iterator[str]:
    """URL of a new database on each major in turn, as its owner: an ordinary role in pg_monitor, with pgstattuple."""
    with _new_database(every_major_url) as url:
        own = urlsplit(url)
        there = urlsplit(every_major_url)._replace(path=own.path).geturl()
        execute(there, "CREATE EXTENSION pgstattuple", f"GRANT pg_monitor TO {own.username}")
        yield url


@pytest.fixture
def with_repack_url(server_of_major: Callable[[int], str]) -> Iterator[str]:
    """URL of a new database on PostgreSQL 19, as its owner; the test needs("PostgreSQL 19")."""
    with _new_database(server_of_major(servers.WITH_REPACK)) as url:
        yield url


@contextmanager
def _new_database(server_url: str) -> Iterator[str]:
    name, password = f"app_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    execute(server_url, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'", f"CREATE DATABASE {name} OWNER {name}")
    try:
        yield urlsplit(server_url)._replace(netloc=_netloc(server_url, name, password), path=f"/{name}").geturl()
    finally:
        execute(server_url, f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}")


@pytest.fixture
def heroku(tmp_path: Path, database_url: str) -> Iterator[LocalHeroku]:
    """A local Heroku of its own, whose app ``invoice-bot`` has its database at ``database_url``."""
    with running_heroku(tmp_path / "heroku", database_url) as local:
        yield local


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """An open run of app ``invoice-bot`` with its evidence folder."""
    return _run.open_run(tmp_path / "evidence", "invoice-bot", {})


@dataclass
class Performed:
    """What a task that ran an operation left: its result, as ``register`` would hold it, and the lines it showed."""

    result: dict[str, Any]
    lines: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))


RunOperation = Callable[..., Performed]


@pytest.fixture
def run_operation(monkeypatch: pytest.MonkeyPatch) -> RunOperation:
    """``run_operation(name, args, variables={…}, run=Run, check=False)`` runs an action as a task would."""

    def perform(
        name: str,
        args: dict[str, Any],
        *,
        variables: dict[str, Any] | None = None,
        run: Run | None = None,
        check: bool = False,
    ) -> Performed:
        task_vars: dict[str, Any] = {"inventory_hostname": "app", **(variables or {})}
        if run:
            fact = {"id": run.id, "app": run.app, "directory": str(run.directory), "check": run.check or check}
            task_vars["pitstop_run"] = fact
        lines: list[str] = []
        monkeypatch.setattr(_operation.display, "display", lambda text, **_: lines.append(text))
        action = _action(name, args, task_vars, check)
        try:
            return Performed(action.run(None, task_vars), lines)
        except AnsibleActionFail as error:
            return Performed({**error.result, "failed": True, "msg": error.message}, lines)

    return perform


@pytest.fixture
def operation_error(run_operation: RunOperation) -> Callable[..., str]:
    """The message of an operation that has to fail."""

    def perform(name: str, args: dict[str, Any]) -> str:
        performed = run_operation(name, args)
        assert performed.failed
        return performed.message

    return perform


@pytest.fixture
def bloated_url(database_url: str, postgres_url: str) -> str:
    """A table ``invoices`` of which nine rows in ten are gone, and the extension that can tell."""
    as_superuser = urlsplit(postgres_url)._replace(path=urlsplit(database_url).path).geturl()
    sql(as_superuser, "CREATE EXTENSION pgstattuple")
    sql(as_superuser, f"GRANT pg_monitor TO {urlsplit(database_url).username}")
    bloat(database_url)
    return database_url


def _action(name: str, args: dict[str, Any], task_vars: dict[str, Any], check: bool) -> Any:
    task = Task()
    task.action, task.args, task.check_mode = f"pitstop.runbook.{name}", dict(args), check
    loader = DataLoader()
    return plugins.action_loader.get(
        task.action,
        task=task,
        connection=plugins.connection_loader.get("ansible.builtin.local", PlayContext()),
        play_context=PlayContext(),
        loader=loader,
        templar=Templar(loader=loader, variables=task_vars),
        shared_loader_obj=plugins,
    )


def _netloc(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return f"{user}:{password}@{parts.hostname}:{parts.port}"
