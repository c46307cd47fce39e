# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenario's tests share: psql in the container, as the server's superuser, over its own socket."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra

Query = Callable[[str], str]


@pytest.fixture(scope="session")
def query() -> Query:
    """``query(sql)`` is what psql prints: one row a line, columns parted by ``|``."""
    facts = json.loads(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "database.json").read_text(encoding="utf-8"))
    container = testinfra.get_host(f"{facts['engine']}://postgres@{facts['container']}")

    def run(sql: str) -> str:
        return container.check_output("psql --no-psqlrc --tuples-only --no-align --dbname=invoices --command=%s", sql)

    return run
