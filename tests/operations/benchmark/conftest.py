# SPDX-License-Identifier: GPL-3.0-or-later
"""The two operations of a benchmark, with the options that all their tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from tests.operations.conftest import RunOperation
from tests.operations.postgres_server import execute

from .bot import Bot, listening
from .repository import Repository


class Benchmark:
    """The operation with the options that all tests share."""

    def __init__(self, run_operation: RunOperation, run: Run, url: str, repository: Repository) -> None:
        self.perform, self.run, self.repository = run_operation, run, repository
        self.shared = {"database_url": url, "repository": str(repository.path)}

    def measure(self, probe: dict[str, Any], point: str = "before", *, check: bool = False, **options: Any) -> Any:
        args = {**self.shared, "probes": [probe], "point": point, "evidence": f"benchmark-{point}", **options}
        return self.perform("benchmark_measure", args, run=self.run, check=check)

    def compare(self, *, check: bool = False, **options: Any) -> Any:
        return self.perform("benchmark_compare", {**options, "evidence": "comparison"}, run=self.run, check=check)

    def raw(self, point: str = "before") -> dict[str, Any]:
        return dict(json.loads((self.run.directory / f"raw-{point}-team.json").read_text()))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "invoice-bot")


@pytest.fixture
def folios(database_url: str) -> str:
    """URL of a database with a table of the app's."""
    execute(database_url, "CREATE TABLE folios (tenant int PRIMARY KEY, n int)", "INSERT INTO folios VALUES (1, 100)")
    return database_url


@pytest.fixture
def benchmark(run_operation: RunOperation, run: Run, folios: str, repository: Repository) -> Benchmark:
    return Benchmark(run_operation, run, folios, repository)


@pytest.fixture
def bot() -> Iterator[Bot]:
    """An app that answers ``{"ok": true}`` to everything; a test may set its ``answer``."""
    with listening(Bot()) as app:
        yield app
