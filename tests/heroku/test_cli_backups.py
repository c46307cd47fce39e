# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Heroku CLI takes, lists, downloads and restores backups of the local Heroku: real dumps of a real database.

A backup that is only listed is not a backup; each test therefore looks into the file or the database as well.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from sandbox.heroku.backups import Backups
from sandbox.heroku.config import Config
from sandbox.heroku.faults import Faults
from sandbox.heroku.models import App, Transfer
from sandbox.heroku.store import Store
from tests.heroku.cli import Cli
from tests.heroku.local import APP, Local, locked, wait_until
from tests.operations.postgres_server import execute, wheel_bin


@pytest.fixture(autouse=True, scope="module")
def first_backup(server: Local) -> int:
    """The number of a first backup."""
    return int(server.backup()["num"])


def contents(dump: Path) -> str:
    """The table of contents of a dump, by pg_restore."""
    command = [str(wheel_bin() / "pg_restore"), "--list", str(dump)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_capture(cli: Cli, local: Local) -> None:
    """A capture ends when the dump is there, whole, and says its number."""
    done = cli("pg:backups:capture", "--app", APP)
    assert done.returncode == 0, done.stderr
    found = re.search(r"Backing up DATABASE to b(\d{3})\.\.\. done", done.stderr)
    assert found is not None, done.stderr
    transfer = local.get(f"/client/v11/apps/{APP}/transfers/{int(found[1])}")
    assert transfer["succeeded"] is True
    file = next(local.state_dir.glob(f"backups/*/{transfer['uuid']}"))
    assert file.stat().st_size == transfer["processed_bytes"] > 0
    assert "TABLE DATA public folio" in contents(file)


def test_list(cli: Cli, first_backup: int) -> None:
    """The list that the runbook looks at after the capture."""
    done = cli("pg:backups", "--app", APP)
    assert re.search(rf"b{first_backup:03d} .* Completed .*B +DATABASE", done.stdout), done.stdout


def test_info(cli: Cli, first_backup: int) -> None:
    """What a backup is, with what pg_dump said."""
    done = cli("pg:backups:info", f"b{first_backup:03d}", "--app", APP)
    assert f"=== Backup b{first_backup:03d}" in done.stdout
    assert re.search(r"Status: +Completed", done.stdout)
    assert re.search(r"Original DB Size: +\d", done.stdout)
    assert "pg_dump: dumping contents of table" in done.stdout


def test_url(cli: Cli, local: Local, first_backup: int) -> None:
    """The link leads to the dump without a token, and only as long as it is signed."""
    link = cli("pg:backups:url", f"b{first_backup:03d}", "--app", APP).stdout.strip()
    assert link.startswith(f"https://localhost:{local.port}/")
    plain = link.replace("https://", "http://")
    assert httpx.get(plain, trust_env=False).content.startswith(b"PGDMP")
    refused = httpx.get(plain[:-1] + ("0" if plain[-1] != "0" else "1"), trust_env=False)
    assert (refused.status_code, b"AccessDenied" in refused.content) == (403, True)
    prolonged = httpx.get(re.sub(r"expires=\d+", "expires=9999999999", plain), trust_env=False)
    assert prolonged.status_code == 403


@pytest.mark.parametrize(("seconds", "admitted"), [(60, True), (-1, False)])
def test_a_link_expires(tmp_path: Path, seconds: int, admitted: bool) -> None:
    """A link that somebody kept is of no use after its hour."""
    backups = Backups(tmp_path, Config("", "", "", "", tmp_path, 0, []), Store(tmp_path), Faults(tmp_path))
    link, _ = backups.sign(App("shop", "http://localhost/", {}), Transfer(1, "pg_dump"), seconds)
    parts = urlsplit(link)
    query = dict(parse_qsl(parts.query))
    assert backups.admits(parts.path, query["expires"], query["signature"]) is admitted


def test_download(cli: Cli, tmp_path: Path, first_backup: int) -> None:
    """The download, over https with the sandbox's own authority, can be restored."""
    dump = tmp_path / "latest.dump"
    done = cli("pg:backups:download", f"b{first_backup:03d}", "--app", APP, "--output", str(dump))
    assert done.returncode == 0, done.stderr
    assert "TABLE DATA public folio" in contents(dump)


def test_restore(cli: Cli, database_url: str, first_backup: int) -> None:
    """A restore brings back what was lost: here, a whole table."""
    execute(database_url, "DROP TABLE folio")
    done = cli("pg:backups:restore", f"b{first_backup:03d}", "--app", APP, "--confirm", APP)
    assert done.returncode == 0, done.stderr
    rows = "DO $$ BEGIN ASSERT (SELECT count(*) = 1000 FROM folio); END $$"
    execute(database_url, rows)
    assert re.search(r"r\d{3} .* Completed ", cli("pg:backups", "--app", APP).stdout)


def test_delete(cli: Cli, local: Local) -> None:
    """A deleted backup is gone from the list and from the disk."""
    transfer = local.backup()
    file = next(local.state_dir.glob(f"backups/*/{transfer['uuid']}"))
    done = cli("pg:backups:delete", f"b{transfer['num']:03d}", "--app", APP, "--confirm", APP)
    assert done.returncode == 0, done.stderr
    assert not file.exists()
    assert local.ask("GET", f"/client/v11/apps/{APP}/transfers/{transfer['num']}").status_code == 404


def test_cancel(cli: Cli, local: Local, database_url: str) -> None:
    """A backup that hangs is shown as running, can be stopped, and is no backup then."""
    with locked(database_url, "folio"):
        uuid = local.post(f"/client/v11/databases/{local.database_id()}/backups")["uuid"]
        path = f"/client/v11/apps/{APP}/transfers/{uuid}"
        running = wait_until(lambda: local.get(f"{path}?verbose=true")["logs"] and local.get(path), "pg_dump runs")
        assert (bool(running["started_at"]), running["finished_at"], running["succeeded"]) == (True, None, None)
        assert re.search(rf"b{running['num']:03d} .* Running ", cli("pg:backups", "--app", APP).stdout)
        assert cli("pg:backups:cancel", f"b{running['num']:03d}", "--app", APP).returncode == 0
    ended = local.transferred(uuid)
    assert (bool(ended["canceled_at"]), ended["succeeded"]) == (True, False)


def test_a_failed_capture_is_shown_as_failed(cli: Cli, local: Local) -> None:
    """The fault backup_fails, as the CLI's user meets it: exit status 2, the reason, and ``Failed`` in the list."""
    local.faults("backup_fails")
    done = cli("pg:backups:capture", "--app", APP)
    assert done.returncode == 2
    assert "An error occurred and the backup did not finish." in done.stderr
    assert "sandbox fault: backup_fails" in done.stderr
    assert re.search(r"b\d{3} .* Failed ", cli("pg:backups", "--app", APP).stdout)


def test_schedules(cli: Cli) -> None:
    """A schedule is kept, shown and taken back."""
    assert cli("pg:backups:schedule", "DATABASE_URL", "--at", "02:00 Europe/Berlin", "--app", APP).returncode == 0
    shown = cli("pg:backups:schedules", "--app", APP).stdout
    assert "DATABASE_URL: daily at 2:00 Europe/Berlin" in shown
    assert cli("pg:backups:unschedule", "DATABASE_URL", "--app", APP).returncode == 0
    assert "DATABASE_URL" not in cli("pg:backups:schedules", "--app", APP).stdout


def test_pg_info(cli: Cli) -> None:
    """The database as it is: its version and size are asked of PostgreSQL."""
    done = cli("pg:info", "--app", APP)
    assert re.search(r"Status: +Available", done.stdout)
    assert re.search(r"PG Version: +\d+\.\d+", done.stdout)
    assert re.search(r"Tables: +1\n", done.stdout)
