# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that the tests run against are the ones they say they are."""

from __future__ import annotations

import psycopg2
import pytest

from tests import servers


def read(url: str, query: str) -> str:
    """The one value that a query gives."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        [value] = cursor.fetchone() or [None]
    connection.close()
    return str(value)


def test_each_major_in_turn(request: pytest.FixtureRequest, every_major_owner_url: str) -> None:
    """Without it a matrix of six majors could be one major six times."""
    major = request.node.callspec.params["every_major_url"]
    assert read(every_major_owner_url, "SHOW server_version").split(".")[0] == str(major)
    assert read(every_major_owner_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "False"
    assert int(read(every_major_owner_url, "SELECT table_len FROM pgstattuple('pg_class')")) > 0


def test_continuous_integration_runs_all_majors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's narrowed choice must not follow the project to where it is proved."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PITSTOP_POSTGRES_MAJORS", "15,18")
    assert servers.chosen_majors() == (15, 18)
    monkeypatch.setenv("CI", "true")
    assert servers.chosen_majors() == servers.ON_NPM
