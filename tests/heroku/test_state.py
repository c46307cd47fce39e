# SPDX-License-Identifier: GPL-3.0-or-later
"""What was done survives the server: it is on disk, and an end in the middle is told as what it is, a failure."""

from __future__ import annotations

import signal
import stat
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from sandbox.heroku.models import App, Database, Process, Release, State, Transfer, revive
from sandbox.heroku.store import Store
from tests.heroku.local import APP, EMAIL, Local, TinyApp, locked, wait_until


def running(dyno_id: str) -> bool:
    """Whether any process runs in this dyno."""
    wanted = f"HEROKU_DYNO_ID={dyno_id}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def command_lines() -> list[str]:
    """The command lines of all processes on this machine."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return lines


@pytest.fixture
def commit(local: Local, tiny: TinyApp) -> str:
    """The commit that runs as a test begins."""
    return tiny.deploy(local, "lasting")[0]


def test_sigterm_ends_the_dynos_and_a_restart_brings_all_back(local: Local, commit: str) -> None:
    """``sandbox down`` leaves no process behind, and ``up`` continues where it was."""
    backup = local.backup()
    dyno = local.dynos()[0]["id"]
    before = (local.releases(), local.get(f"/apps/{APP}/builds"), local.get(f"/apps/{APP}/config-vars"))
    assert running(dyno)
    assert local.stop() == -signal.SIGTERM
    assert not running(dyno)
    local.start()
    assert (local.releases(), local.get(f"/apps/{APP}/builds"), local.get(f"/apps/{APP}/config-vars")) == before
    kept = local.get(f"/client/v11/apps/{APP}/transfers/{backup['uuid']}?verbose=true")
    assert kept["logs"] == backup["logs"]
    local.wait_for_dyno("up", local.releases()[-1]["version"])
    assert local.web().json()["commit"] == commit
    log = local.log()
    assert log.index(f"Deploy {commit[:8]} by user {EMAIL}") < log.index("heroku[web.1]: Stopping all processes")


def test_a_killed_server_leaves_no_dyno_for_long(local: Local, commit: str) -> None:
    """A process that went on from before would answer in place of the new one, or eat the machine."""
    dyno = local.dynos()[0]["id"]
    local.kill()
    assert running(dyno)
    local.start()
    assert not running(dyno)
    local.wait_for_dyno("up", local.releases()[-1]["version"])
    assert local.web().json()["commit"] == commit


def test_a_release_command_that_was_cut_off_has_failed(local: Local, tiny: TinyApp, commit: str) -> None:
    """A release that stayed pending for ever would hold up every wait for it."""
    local.faults("slow_release")
    tarball = tiny.folder.parent / "cut.tar"
    tiny.git("archive", f"--output={tarball}", "HEAD")
    source = local.post("/sources")["source_blob"]
    httpx.put(source["put_url"], content=tarball.read_bytes(), trust_env=False).raise_for_status()
    local.post(f"/apps/{APP}/builds", {"source_blob": {"url": source["get_url"], "version": commit}})
    wait_until(lambda: local.releases()[-1]["status"] == "pending", "the release command runs")
    version = local.releases()[-1]["version"]
    local.kill()
    local.start()
    cut = local.releases()[-1]
    assert (cut["version"], cut["status"], cut["current"]) == (version, "failed", False)
    local.wait_for_dyno("up", version - 1)


def test_log_tails_do_not_hold_up_the_end(local: Local, commit: str) -> None:
    """A forgotten ``heroku logs --tail`` would keep ``sandbox down`` waiting."""
    session = local.post(f"/apps/{APP}/log-sessions", {"lines": 1, "tail": True})
    events = {"Accept": "text/event-stream"}
    with httpx.stream("GET", session["logplex_url"], headers=events, timeout=60, trust_env=False) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("id: ")
        assert local.stop() == -signal.SIGTERM
        assert all(line.startswith(("data: ", "id: ")) for line in lines if line)
    local.start()


def test_secrets_are_readable_by_their_owner_only(local: Local, commit: str) -> None:
    """The state holds config vars, the backups hold everything."""
    backup = local.backup()
    files = [local.state_dir / "heroku.json", local.state_dir / "server.pem"]
    files += local.state_dir.glob(f"backups/*/{backup['uuid']}")
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_no_password_in_a_command_line(local: Local, database_url: str) -> None:
    """Everybody on the machine can read command lines: that of a running pg_dump must not hold the password."""
    password = str(urlsplit(database_url).password)
    with locked(database_url, "folio"):
        transfer = local.post(f"/client/v11/databases/{local.database_id()}/backups")
        dump = wait_until(lambda: next((c for c in command_lines() if "--format=custom" in c), None), "pg_dump runs")
        assert dump is not None
        assert not any(password in line for line in command_lines())
    assert local.transferred(transfer["uuid"])["succeeded"] is True


def test_the_state_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every kind of thing the server remembers survives the way to JSON and back."""
    store = Store(tmp_path)
    store.state.apps.append(
        App(
            name="a",
            web_url="http://localhost/",
            config_vars={"K": "V"},
            database=Database("d", "p"),
            formation={"web": Process(2)},
            releases=[Release(1, "Initial release", "succeeded", {})],
            transfers=[Transfer(1, "pg_dump", source_bytes=7)],
        )
    )
    store.save()
    assert Store(tmp_path).state == store.state
    assert revive(State, {"account_id": "i", "signing_key": "k", "apps": []}) == State("i", "k", [])


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    """An unreadable state ends in a sentence with the next step, not in a traceback."""
    (tmp_path / "heroku.json").write_text('{"unheard": "of"}')
    with pytest.raises(SystemExit, match="up --fresh"):
        Store(tmp_path)
