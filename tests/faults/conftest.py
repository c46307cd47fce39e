# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults are made on the servers of the operations' tests, and met by the operations themselves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.operations.conftest import (
    database_url,
    every_major_owner_url,
    every_major_url,
    postgres_url,
    run,
    run_operation,
    server_of_major,
    with_repack_url,
)

from . import acts

__all__ = [
    "database_url",
    "every_major_owner_url",
    "every_major_url",
    "postgres_url",
    "run",
    "run_operation",
    "server_of_major",
    "with_repack_url",
]


@dataclass(frozen=True)
class Place:
    """A database with a table worth repairing: its owner's URL, and the superuser's on the same server."""

    url: str
    superuser_url: str


@pytest.fixture
def everywhere(every_major_url: str, every_major_owner_url: str) -> Place:
    """The place on each supported major in turn."""
    acts.bloat(every_major_owner_url)
    return Place(every_major_owner_url, every_major_url)


@pytest.fixture
def place(postgres_url: str, database_url: str) -> Place:
    """The place on the newest major."""
    acts.bloat(database_url)
    return Place(database_url, postgres_url)
