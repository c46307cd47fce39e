# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups against a live PostgreSQL and a live local Heroku: a backup is there and can be read, or the run stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils import _run
from ansible_collections.pitstop.runbook.plugins.module_utils._backup import Backup
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _heroku

from .conftest import Performed, RunOperation
from .local_heroku import LocalHeroku
from .postgres_server import execute, wheel_bin

SHAPE = {
    *("method", "id", "file", "size_bytes", "taken_at", "seconds", "verdict", "proof", "entries", "waiver", "changed"),
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost answers are looked after at once, as nothing here takes time to arrive."""
    monkeypatch.setattr(_heroku, "WRITE_PAUSES_S", (0.1, 0.1, 0.1))


@pytest.fixture
def filled(database_url: str) -> str:
    """The URL of a database with a table in it."""
    execute(
        database_url, "CREATE TABLE invoices AS SELECT i AS id, repeat('x', 100) AS pdf FROM generate_series(1, 999) i"
    )
    return database_url


def secrets_in(performed: Performed, url: str, run: Run) -> list[str]:
    """Where the database's password, or a link that carries its own permission, came to light."""
    password = str(urlsplit(url).password)
    texts = [json.dumps(performed.result, default=str), *performed.lines]
    texts += [path.read_text() for path in run.directory.glob("*.json")]
    return [text for text in texts if password in text or "signature=" in text or "from_url" in text]


@pytest.mark.usefixtures("filled")
class TestHeroku:
    @pytest.fixture
    def options(self, heroku: LocalHeroku, tmp_path: Path) -> dict[str, Any]:
        own = {"directory": str(tmp_path / "backups"), "ca_file": heroku.ca_file, "bin_dir": str(wheel_bin())}
        return {**heroku.options, **own, "evidence": "backup"}

    def test_takes_fetches_and_reads_one(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run, filled: str
    ) -> None:
        """Else somebody would repair a database with a backup that nobody could restore."""
        done = run_operation("heroku_backup", options, run=run)
        assert not done.failed, done.message
        assert set(done.result) == SHAPE
        assert (done.result["method"], done.result["id"], done.result["verdict"]) == ("heroku", "b001", "succeeded")
        assert done.result["proof"] == "list"
        assert done.result["entries"] > 0
        file = Path(done.result["file"])
        assert file.stat().st_size == done.result["size_bytes"]
        assert file.stat().st_mode & 0o077 == 0
        assert run.read("backup") is not None
        assert secrets_in(done, filled, run) == []

    def test_check_mode_begins_none(
        self, heroku: LocalHeroku, options: dict[str, Any], run_operation: RunOperation, run: Run, tmp_path: Path
    ) -> None:
        """Else looking at the plan would already use up a backup's place at Heroku."""
        planned = run_operation("heroku_backup", options, run=run, check=True)
        assert set(planned.result) == SHAPE
        assert planned.result["verdict"] == "planned"
        assert any("would: POST /client/v11/databases/" in line for line in planned.lines)
        assert heroku.transfers() == []
        assert not (tmp_path / "backups").exists()

    def test_a_failed_one_stops_the_run_with_its_log(
        self, heroku: LocalHeroku, options: dict[str, Any], run_operation: RunOperation, run: Run
    ) -> None:
        """Else the run would go on as if there were a backup."""
        heroku.faults("backup_fails")
        done = run_operation("heroku_backup", options, run=run)
        assert done.failed
        assert "Backup b001 failed" in done.message
        assert "sandbox fault: backup_fails" in done.message
        assert (run.read("backup") or {})["failed"] is True

    @pytest.mark.parametrize("fault", ["api_503", "api_429"])
    def test_an_unwilling_api_yields_one_backup(
        self, heroku: LocalHeroku, options: dict[str, Any], run_operation: RunOperation, run: Run, fault: str
    ) -> None:
        """Else a hiccup of the API would end a run, or fill the plan's few places with copies."""
        heroku.faults(fault)
        done = run_operation("heroku_backup", options, run=run)
        assert not done.failed, done.message
        assert [transfer["succeeded"] for transfer in heroku.transfers()] == [True]

    def test_a_lost_answer_yields_one_backup(
        self, heroku: LocalHeroku, options: dict[str, Any], run_operation: RunOperation, run: Run
    ) -> None:
        """Else each lost answer would begin one more backup, as it does with the CLI."""
        heroku.faults("reset_after_post")
        done = run_operation("heroku_backup", {**options, "download": False}, run=run)
        assert not done.failed, done.message
        assert (done.result["id"], done.result["proof"], done.result["file"]) == ("b001", "none", None)
        assert len(heroku.transfers()) == 1

    def test_a_link_that_has_expired_is_no_success(
        self, heroku: LocalHeroku, options: dict[str, Any], run_operation: RunOperation, run: Run
    ) -> None:
        """Else an error page would lie there as the backup, as it does with the CLI."""
        heroku.faults("expired_backup_url")
        done = run_operation("heroku_backup", options, run=run)
        assert done.failed
        assert "HTTP status 403" in done.message
        assert done.result["id"] == "b001"
        assert len(heroku.transfers()) == 1
        assert list(Path(options["directory"]).glob("*.dump")) == []

    def test_an_untrusted_host_gets_no_download(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run, tmp_path: Path
    ) -> None:
        """Else a file of whoever is in between would pass for the backup."""
        done = run_operation("heroku_backup", {**options, "ca_file": None}, run=run)
        assert done.failed
        assert "backup_ca_file" in done.message
        assert "signature=" not in done.message
        assert list((tmp_path / "backups").iterdir()) == []

    def test_another_database_is_named(self, options: dict[str, Any], run_operation: RunOperation) -> None:
        """Else the wrong database would be backed up without a word."""
        done = run_operation("heroku_backup", {**options, "database_config_var": "REPORTS_URL", "evidence": None})
        assert done.failed
        assert "REPORTS_URL" in done.message


SLOW_PG_DUMP = """#!/bin/sh
if [ "$1" = --version ]; then echo 'pg_dump (PostgreSQL) 99.0'; exit; fi
for option; do
    case $option in --file=*) mkdir "${{option#--file=}}"; echo half > "${{option#--file=}}/toc.dat";; esac
done
echo $$ > {folder}/pid.new; mv {folder}/pid.new {folder}/pid
exec sleep 600
"""


def interrupt_once(pid_file: Path) -> None:
    """Send this process SIGTERM, as AWX does, as soon as the dump is under way."""
    while not pid_file.exists():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)


class TestPgDump:
    @pytest.fixture
    def options(self, filled: str, tmp_path: Path) -> dict[str, Any]:
        own = {"directory": str(tmp_path / "backups"), "bin_dir": str(wheel_bin()), "evidence": "backup"}
        return {"database_url": filled, **own}

    def test_dumps_and_reads_it(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run, filled: str, tmp_path: Path
    ) -> None:
        """Else an app off Heroku would be repaired without a backup."""
        done = run_operation("pg_dump_backup", options, run=run)
        assert not done.failed, done.message
        assert set(done.result) == SHAPE
        assert (done.result["method"], done.result["verdict"], done.result["proof"]) == ("pg_dump", "succeeded", "list")
        target = Path(done.result["file"])
        assert (target / "toc.dat").exists()
        assert [path.name for path in (tmp_path / "backups").iterdir()] == [target.name]
        assert (tmp_path / "backups").stat().st_mode & 0o077 == 0
        assert secrets_in(done, filled, run) == []

    def test_check_mode_writes_nothing(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run, tmp_path: Path
    ) -> None:
        """Else a look at the plan would fill the disk."""
        planned = run_operation("pg_dump_backup", options, run=run, check=True)
        assert set(planned.result) == SHAPE
        assert planned.result["verdict"] == "planned"
        assert any("would: " in line and "pg_dump" in line for line in planned.lines)
        assert not (tmp_path / "backups").exists()

    def test_an_old_pg_dump_is_told_apart(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run, tmp_path: Path
    ) -> None:
        """Else the user would read pg_dump's "aborting because of server version mismatch" and not what to install."""
        old = tmp_path / "bin" / "pg_dump"
        old.parent.mkdir()
        old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.1'\n")
        old.chmod(0o755)
        done = run_operation("pg_dump_backup", {**options, "bin_dir": str(old.parent)}, run=run)
        assert done.failed
        assert "12.1" in done.message
        assert "postgresql-client-18" in done.message

    def test_a_failed_dump_leaves_nothing(
        self,
        options: dict[str, Any],
        run_operation: RunOperation,
        run: Run,
        postgres_url: str,
        filled: str,
        tmp_path: Path,
    ) -> None:
        """Else the ruins of a dump would lie where backups lie, and pass for one."""
        database = filled.rpartition("/")[2]
        superuser = postgres_url.rpartition("/")[0] + f"/{database}"
        execute(superuser, "CREATE TABLE of_somebody_else (id int)")
        done = run_operation("pg_dump_backup", options, run=run)
        assert done.failed
        assert "of_somebody_else" in done.message
        assert list((tmp_path / "backups").iterdir()) == []

    def test_a_run_may_take_two(self, options: dict[str, Any], run_operation: RunOperation, run: Run) -> None:
        """Else `--tags backup` would fail the second time, or overwrite the backup that was good."""
        first, second = (run_operation("pg_dump_backup", options, run=run).result["file"] for _ in range(2))
        assert (Path(first).name, Path(second).name) == (f"{run.id}.pgdump", f"{run.id}-2.pgdump")
        assert Path(first).exists()

    def test_an_interrupted_dump_leaves_nothing(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run, tmp_path: Path
    ) -> None:
        """Else Ctrl-C, or AWX, would leave pg_dump at work in the database, and the ruins of its dump."""
        slow = tmp_path / "bin" / "pg_dump"
        slow.parent.mkdir()
        slow.write_text(SLOW_PG_DUMP.format(folder=tmp_path))
        slow.chmod(0o755)
        killer = threading.Thread(target=interrupt_once, args=(tmp_path / "pid",))
        killer.start()
        with pytest.raises(KeyboardInterrupt):
            run_operation("pg_dump_backup", {**options, "bin_dir": str(slow.parent)}, run=run)
        killer.join()
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)
        assert list((tmp_path / "backups").iterdir()) == []

    def test_a_full_disk_is_seen_before(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else the dump would fill the disk of the machine it runs on."""
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
        done = run_operation("pg_dump_backup", options, run=run)
        assert done.failed
        assert "has room for 10 B" in done.message
        assert not Path(options["directory"]).exists()


class TestRequire:
    @pytest.fixture
    def options(self, run: Run) -> dict[str, Any]:
        return {"evidence_dir": str(run.directory.parents[1]), "max_age": 3600}

    @pytest.fixture
    def earlier(self, run: Run, tmp_path: Path) -> dict[str, Any]:
        """Evidence of a backup that an earlier run took an hour and a half ago."""
        file = tmp_path / "earlier.pgdump"
        file.mkdir()
        taken = (datetime.now(UTC) - timedelta(minutes=90)).isoformat()
        backup = Backup(method="pg_dump", id=file.name, file=str(file), taken_at=taken, proof="list")
        evidence = {**backup.as_evidence(), "failed": False}
        _run.open_run(run.directory.parents[1], run.app, {}).write("backup", evidence, taken)
        return evidence

    def test_none_stops_the_run(self, options: dict[str, Any], run_operation: RunOperation, run: Run) -> None:
        """Else `--tags db` would repair a database that has no backup."""
        done = run_operation("backup_require", options, run=run)
        assert done.failed
        assert "there is none" in done.message
        assert "--tags backup" in done.message

    @pytest.mark.usefixtures("earlier")
    def test_one_of_an_earlier_run_counts_while_young(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run
    ) -> None:
        """Else each part of the runbook would need a backup of its own, or an old one would do for ever."""
        young = run_operation("backup_require", {**options, "max_age": 7200}, run=run)
        assert not young.failed, young.message
        assert young.result["id"] == "earlier.pgdump"
        old = run_operation("backup_require", options, run=run)
        assert old.failed
        assert "earlier.pgdump, is 90 min old" in old.message

    def test_a_vanished_file_is_no_backup(
        self, options: dict[str, Any], earlier: dict[str, Any], run_operation: RunOperation, run: Run
    ) -> None:
        """Else the run would lean on a backup that somebody has deleted."""
        Path(earlier["file"]).rmdir()
        assert run_operation("backup_require", {**options, "max_age": 7200}, run=run).failed

    def test_a_waiver_goes_on_record(self, options: dict[str, Any], run_operation: RunOperation, run: Run) -> None:
        """Else nobody could see afterwards that the run had no backup, and why."""
        assert run_operation("backup_require", {**options, "waiver": "  "}, run=run).failed
        done = run_operation("backup_require", {**options, "waiver": "fork of yesterday"}, run=run)
        assert not done.failed
        evidence = run.read("backup") or {}
        assert (evidence["method"], evidence["waiver"]) == ("waived", "fork of yesterday")

    def test_a_waiver_does_not_hide_a_failure(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run
    ) -> None:
        """Else the reason why the backup failed would be lost to the report."""
        run.write("backup", {"failed": True, "error": "disk full"}, "2026-11-24T00:00:00+00:00")
        assert not run_operation("backup_require", {**options, "waiver": "fork of yesterday"}, run=run).failed
        assert (run.read("backup") or {})["error"] == "disk full"

    def test_what_a_check_run_planned_counts_for_it(
        self, options: dict[str, Any], run_operation: RunOperation, run: Run, filled: str, tmp_path: Path
    ) -> None:
        """Else `--check` of the whole runbook could never get past phase 0; and a plan would pass for a backup."""
        dump = {"database_url": filled, "directory": str(tmp_path / "b"), "bin_dir": str(wheel_bin())}
        check_run = _run.open_check_run(run.app, {})
        run_operation("pg_dump_backup", {**dump, "evidence": "backup"}, run=check_run, check=True)
        assert not run_operation("backup_require", options, run=check_run, check=True).failed
        run.write("backup", check_run.read("backup") or {}, "2026-11-24T00:00:00+00:00")
        assert run_operation("backup_require", options, run=run).failed

    def test_one_that_heroku_has_counts(
        self, heroku: LocalHeroku, options: dict[str, Any], run_operation: RunOperation, run: Run, tmp_path: Path
    ) -> None:
        """Else a backup by Heroku's own schedule would have to be taken again; and a failed one would count."""
        given = {**options, **heroku.options}
        capture = {**heroku.options, "directory": str(tmp_path / "b"), "download": False}
        heroku.faults("backup_fails")
        assert run_operation("heroku_backup", capture, run=run).failed
        assert run_operation("backup_require", given, run=run).failed
        assert not run_operation("heroku_backup", capture, run=run).failed
        done = run_operation("backup_require", given, run=run)
        assert not done.failed, done.message
        assert (done.result["id"], done.result["method"]) == ("b002", "heroku")
