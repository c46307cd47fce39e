# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C and a cancelled job: PostgreSQL must not go on with our statement, and the next run puts things right."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from tests.sandbox.fixtures import PROJECT

from .conftest import Production

SESSIONS_SQL = """
SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pitstop:%' AND state = 'active' AND query LIKE '{}%'
"""
VALID_SQL = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('idx_tenant_invoice_list')"
DEADLINE_S = 60


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_build_stops_on_the_server_and_is_repaired(
    production: Production, tmp_path: Path, number: signal.Signals
) -> None:
    """Whoever presses Ctrl-C wants it to stop; a build that goes on by itself surprises everybody."""
    sandbox = production.sandbox
    part = ["--tags", "indexes", "-e", "backup_waiver=a-test", "-e", "index_creation_max_transaction_seconds=600"]

    def active(statement: str) -> int:
        return int(sandbox.query(SESSIONS_SQL.format(statement), as_superuser=True)[0][0])

    url = urlsplit(sandbox.state["superuser_url"])._replace(path="/invoices").geturl()
    with closing(psycopg2.connect(url)) as writer, (tmp_path / "output").open("w") as output:
        writer.cursor().execute(
            "UPDATE tenant_invoices SET created_at = created_at WHERE id IN (SELECT min(id) FROM tenant_invoices)"
        )
        play = subprocess.Popen(
            ["ansible-playbook", "-i", "inventories/demo", "master.yml", *part],
            cwd=PROJECT,
            env=sandbox.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _until(lambda: active("CREATE INDEX") == 1)
        if number in (signal.SIGINT, signal.SIGKILL):
            os.killpg(play.pid, number)  # as a terminal does, and as the kernel does when memory is out
        else:
            play.send_signal(number)
        assert play.wait(DEADLINE_S) != 0
        _until(lambda: active("CREATE INDEX") == 0)
        # A worker that outlives its killed controller may have dropped what was half built.
        assert sandbox.query(VALID_SQL) in ([(False,)], [])
    again = production.run("--tags", "indexes", backup_waiver="a test")
    assert again.exit_code == 0, again.text
    assert sandbox.query(VALID_SQL) == [(True,)]


def test_ctrl_c_in_a_deploy_takes_maintenance_mode_off(production: Production, tmp_path: Path) -> None:
    """Whoever stops a deploy must not leave the customers before the maintenance page."""
    production.sandbox.fault("slow_release")
    part = ["--skip-tags", "baseline,db,verify,backup", "-e", '{"heroku_deploy_maintenance_mode": true}']
    with (tmp_path / "output").open("w") as output:
        play = subprocess.Popen(
            ["ansible-playbook", "-i", "inventories/demo", "master.yml", *part],
            cwd=PROJECT,
            env=production.sandbox.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        releases = "/apps/invoice-bot/releases"
        _until(lambda: "pending" in {release["status"] for release in production.heroku(releases)})
        assert production.heroku("/apps/invoice-bot")["maintenance"] is True
        os.killpg(play.pid, signal.SIGINT)
        assert play.wait(DEADLINE_S) != 0
        _until(lambda: production.heroku("/apps/invoice-bot")["maintenance"] is False)
    assert "maintenance mode is off again" in (tmp_path / "output").read_text()
    again = production.run("--skip-tags", "baseline,db,verify,backup", heroku_deploy_settle=1)
    assert again.exit_code == 0, again.text
    assert production.serving()["commit"] == production.git("rev-parse", "HEAD")
