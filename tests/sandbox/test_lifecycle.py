# SPDX-License-Identifier: GPL-3.0-or-later
"""Up, down and clean, also when something came in between."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.lock import exclusive
from sandbox.paths import Paths
from tests.sandbox.fixtures import PROJECT, RunningSandbox

TABLES = (
    "tenants",
    "tenant_users",
    "user_sessions",
    "tenant_folios",
    "tenant_customers",
    "tenant_invoices",
    "tenant_subscriptions",
)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A second sandbox, whose first `up` was interrupted while it seeded; then it was started again."""
    second = RunningSandbox(tmp_path_factory.mktemp("second") / "sandbox")
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "sandbox", "up"],
            cwd=PROJECT,
            env=second.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as up:
            assert up.stdout is not None
            seen = ""
            while "template" not in seen:
                seen += up.stdout.read(1)
            up.send_signal(signal.SIGINT)
            _, errors = up.communicate()
        assert up.returncode == 130, errors
        assert not (second.directory / "state.json").exists()
        second.up()
        yield second
    finally:
        second.must("clean")


def fingerprints(sandbox: RunningSandbox) -> list[str]:
    """Return a fingerprint of the rows of each table."""
    return [
        sandbox.query(f"SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM {table} AS t")[0][0] for table in TABLES
    ]


def processes_of(directory: Path) -> list[str]:
    """Return the command lines, of all processes of this machine, that name the directory."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


def test_two_sandboxes_hold_the_same_rows(sandbox: RunningSandbox, interrupted: RunningSandbox) -> None:
    """Otherwise a result of today cannot be repeated tomorrow; the second one also was interrupted in between."""
    sandbox.fresh()
    assert fingerprints(sandbox) == fingerprints(interrupted)


def test_two_sandboxes_share_no_port_and_no_password(sandbox: RunningSandbox, interrupted: RunningSandbox) -> None:
    """Otherwise a test of one changes the other."""
    for key in ("database_url", "superuser_url", "web_url", "webhook_secret", "repository", "heroku"):
        assert sandbox.state[key] != interrupted.state[key]


def test_restart_keeps_ports_data_and_release(sandbox: RunningSandbox) -> None:
    """Otherwise a reboot costs the work of a day, or every bookmark."""
    sandbox.query("UPDATE tenants SET legal_name = 'KEPT' WHERE id = 1")
    state, health = sandbox.state, httpx.get(f"{sandbox.state['web_url']}health").json()
    sandbox.must("down")
    assert not (sandbox.directory / "state.json").exists()
    sandbox.up()
    assert sandbox.state == state
    assert sandbox.query("SELECT legal_name FROM tenants WHERE id = 1") == [("KEPT",)]
    assert httpx.get(f"{state['web_url']}health").json() == health


def test_fresh_goes_back_to_the_first_day(sandbox: RunningSandbox) -> None:
    """Otherwise a second demo starts from what the first left."""
    sandbox.fresh()
    before = fingerprints(sandbox)
    sandbox.query("DELETE FROM tenant_subscriptions")
    changed = Path(sandbox.state["repository"]) / "lib" / "folios.js"
    fix = changed.read_text()
    changed.write_text("")
    sandbox.fresh()
    assert fingerprints(sandbox) == before
    assert changed.read_text() == fix


def test_up_repairs_a_database_that_died(sandbox: RunningSandbox) -> None:
    """Otherwise one crash means a new sandbox; the bot's health must not be OK meanwhile."""
    os.kill(int((sandbox.directory / "run" / "postgres.pid").read_text()), signal.SIGINT)
    folders = (sandbox.directory / "postgres", Paths(sandbox.directory).postgres_elsewhere)
    while any(processes_of(folder) for folder in folders):
        time.sleep(0.05)
    assert httpx.get(f"{sandbox.state['web_url']}health", timeout=30).status_code == 503
    sandbox.up()
    assert httpx.get(f"{sandbox.state['web_url']}health", timeout=30).status_code == 200


def test_second_command_at_once_is_refused(sandbox: RunningSandbox) -> None:
    """Otherwise two of them build over each other."""
    with exclusive(Paths(sandbox.directory)):
        done = sandbox.command("up")
    assert done.returncode == 1
    assert f"pid {os.getpid()}" in done.stderr


def test_distance_is_the_one_asked_for(sandbox: RunningSandbox) -> None:
    """Otherwise the report prints a distance that was not there."""
    sandbox.must("up", "--round-trip-ms", "25")
    assert sandbox.state["round_trip_ms"] == 25
    assert "--round-trip-ms 25.0" in " ".join(processes_of(sandbox.directory))
    sandbox.must("up", "--round-trip-ms", "10")


def test_unknown_fault_changes_nothing_and_names_those_there_are(sandbox: RunningSandbox) -> None:
    """Otherwise a typing error makes a test of a fault pass without the fault."""
    done = sandbox.command("up", "--fault", "slow_cod")
    assert done.returncode == 1
    assert "slower_code" in done.stderr
    assert "faults" in sandbox.must("status")


def test_faults_are_listed_set_and_unset(sandbox: RunningSandbox) -> None:
    """Otherwise nobody knows which faults are on."""
    listed = sandbox.must("fault", "list")
    sandbox.fault("slower_code")
    sandbox.fault("release_fails")
    faulty = sandbox.must("status")
    sandbox.fault("none")
    assert all(name in listed for name in ("slower_code", "release_fails"))
    assert "slower_code, release_fails" in faulty
    assert "slower_code" not in sandbox.must("status")


def test_protected_origin_takes_no_push_to_main(sandbox: RunningSandbox) -> None:
    """Otherwise a protected branch is met first in production; other branches, for pull requests, stay open."""
    command = ["git", "-C", sandbox.state["repository"], "push", "origin"]
    sandbox.fault("protected_origin")
    assert "protected_origin" in sandbox.must("status")
    refused = subprocess.run([*command, "HEAD^:main", "--force"], capture_output=True, text=True, check=False)
    branch = subprocess.run([*command, "HEAD:refs/heads/revert"], capture_output=True, text=True, check=False)
    sandbox.fault("none")
    assert refused.returncode == 1
    assert "remote: error: GH006: Protected branch update failed for refs/heads/main." in refused.stderr
    assert "! [remote rejected] HEAD^ -> main (protected branch hook declined)" in refused.stderr
    assert branch.returncode == 0, branch.stderr
    deleted = subprocess.run([*command, ":revert"], capture_output=True, text=True, check=False)
    assert deleted.returncode == 0, deleted.stderr
    assert "protected_origin" not in sandbox.must("status")


def test_secrets_are_private_and_not_printed(sandbox: RunningSandbox) -> None:
    """Otherwise they end up in a terminal's history or in a log of a pipeline."""
    state = sandbox.state
    secrets = [state["database"]["password"], state["heroku"]["token"], state["webhook_secret"]]
    shown = sandbox.must("up") + sandbox.must("status")
    logs = "".join(file.read_text(errors="replace") for file in (sandbox.directory / "log").iterdir())
    arguments = " ".join(processes_of(sandbox.directory))
    assert not [secret for secret in secrets if secret in shown + logs + arguments]
    for name in ("state.json", "settings.json"):
        assert stat.S_IMODE((sandbox.directory / name).stat().st_mode) == 0o600


def test_everything_listens_on_loopback_only(sandbox: RunningSandbox) -> None:
    """Otherwise a database with a known defect is open to the network."""
    ports = {sandbox.state["database"]["port"], sandbox.state["database"]["direct_port"]}
    ports |= {httpx.URL(sandbox.state["web_url"]).port, httpx.URL(sandbox.state["heroku"]["api_url"]).port}
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(port, 16) in ports:
                listening.add((address, int(port, 16)))
    assert listening == {("0100007F", port) for port in ports}


def test_clean_leaves_no_process_and_no_file(interrupted: RunningSandbox) -> None:
    """Otherwise every try leaves servers and hundreds of megabytes on somebody's machine."""
    directory = interrupted.directory
    assert processes_of(directory)
    interrupted.must("clean")
    assert processes_of(directory) == []
    assert processes_of(Paths(directory).postgres_elsewhere) == []
    assert not directory.exists()
    assert not Paths(directory).postgres_elsewhere.exists()
