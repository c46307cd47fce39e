# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Heroku CLI works against the local Heroku: what it shows is what the server holds.

Whoever rehearses a runbook here has to find on Heroku what they saw; the CLI is the one client of Heroku's that
cannot be talked into agreeing with us.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from tests.heroku.cli import Cli
from tests.heroku.local import APP, EMAIL, Local, TinyApp, wait_until


@pytest.fixture(autouse=True, scope="module")
def first_release(server: Local, tiny: TinyApp) -> int:
    """The version of the first deploy; every test here has an app that runs."""
    tiny.procfile("web: node server.js", "release: echo migrated")
    return tiny.deploy(server, "first")[1]


def test_whoami(cli: Cli) -> None:
    """Else the token would not be known to be good."""
    done = cli("auth:whoami")
    assert (done.returncode, done.stdout.strip()) == (0, EMAIL), done.stderr


def test_whoami_with_a_wrong_token(cli: Cli, cli_settings: dict[str, str]) -> None:
    """A Heroku that lets everybody in would hide a token that was never sent."""
    done = Cli(cli.program, cli_settings | {"HEROKU_API_KEY": "wrong"})("auth:whoami")
    assert done.returncode == 2
    assert "Invalid credentials provided." in done.stderr


def test_apps_info(cli: Cli, local: Local) -> None:
    """The app, its add-on and its dynos, as Pitstop's preflight shows them."""
    info = cast(dict[str, Any], cli.json("apps:info", "--app", APP))
    assert info["app"] == local.get(f"/apps/{APP}")
    assert [addon["plan"]["name"] for addon in info["addons"]] == ["heroku-postgresql:standard-0"]
    assert [(dyno["name"], dyno["state"]) for dyno in info["dynos"]] == [("web.1", "up")]
    assert info["pipeline_coupling"] is None
    assert [who["user"]["email"] for who in info["collaborators"]] == [EMAIL]


def test_apps_info_of_no_app(cli: Cli) -> None:
    """A wrong app name has to be an error in the CLI's own words, with its exit status."""
    done = cli("apps:info", "--app", "nobody")
    assert done.returncode == 2
    assert "Couldn't find that app." in done.stderr
    assert "Error ID: not_found" in done.stderr


def test_config(cli: Cli, local: Local, database_url: str) -> None:
    """The database URL that everything else is done with."""
    assert cli.json("config", "--app", APP) == local.get(f"/apps/{APP}/config-vars")
    assert cli("config:get", "DATABASE_URL", "--app", APP).stdout.strip() == database_url


def test_config_set_makes_a_release_that_the_dyno_gets(cli: Cli, local: Local) -> None:
    """A config var that the running app did not get would be a false change."""
    before = local.releases()[-1]["version"]
    done = cli("config:set", "GREETING=good morning", "--app", APP)
    assert done.returncode == 0, done.stderr
    assert f"v{before + 1}" in done.stdout + done.stderr
    local.wait_for_dyno("up", before + 1)
    assert local.web().json()["greeting"] == "good morning"
    assert local.releases()[-1]["description"] == "Set GREETING config vars"


def test_releases(cli: Cli, local: Local) -> None:
    """The list a rollback is chosen from: newest first, as the server has it."""
    shown = cast(list[dict[str, Any]], cli.json("releases", "--app", APP))
    assert [release["version"] for release in shown] == [r["version"] for r in reversed(local.releases())][:15]
    done = cli("releases", "--app", APP, "--num", "2")
    newest = local.releases()[-1]
    assert f"Current: v{newest['version']}" in done.stdout
    assert newest["description"] in done.stdout
    assert "Initial release" not in done.stdout


def test_releases_info(cli: Cli, local: Local, first_release: int) -> None:
    """One release, and the newest when none is named."""
    assert cli.json("releases:info", f"v{first_release}", "--app", APP) == local.get(
        f"/apps/{APP}/releases/{first_release}"
    )
    newest = cast(dict[str, Any], cli.json("releases:info", "--app", APP))
    assert newest["version"] == local.releases()[-1]["version"]


def test_releases_output(cli: Cli, first_release: int) -> None:
    """What the release command printed, for who looks for the reason of a failure."""
    done = cli("releases:output", f"v{first_release}", "--app", APP)
    assert (done.returncode, done.stdout) == (0, "migrated\n")


def test_rollback_runs_the_old_slug_in_a_new_release(cli: Cli, local: Local, tiny: TinyApp, first_release: int) -> None:
    """The undo of a deploy: the old code answers again, under a new version, after its release command."""
    first = local.web().json()["commit"]
    local.ask("PATCH", f"/apps/{APP}/config-vars", json={"GREETING": "farewell"}).raise_for_status()
    second, version = tiny.deploy(local, "second")
    assert local.web().json()["commit"] == second
    done = cli("releases:rollback", f"v{first_release}", "--app", APP)
    assert done.returncode == 0, done.stderr
    assert f"done, v{version + 1}" in done.stderr
    assert "migrated" in done.stdout
    local.wait_for_dyno("up", version + 1)
    answer = local.web().json()
    assert (answer["commit"], answer["text"], answer["release"]) == (first, "first", f"v{version + 1}")
    assert answer["greeting"] == local.get(f"/apps/{APP}/config-vars")["GREETING"] == "hello"
    newest = local.releases()[-1]
    assert (newest["description"], newest["current"]) == (f"Rollback to v{first_release}", True)
    assert f"app[api]: Rollback to v{first_release} by user {EMAIL}" in local.log()


def test_ps(cli: Cli, local: Local) -> None:
    """The dynos, their state and their release, which tell whether a deploy is up."""
    assert cli.json("ps", "--app", APP) == local.dynos()
    done = cli("ps", "--app", APP)
    assert "=== web (Standard-1X): node server.js (1)" in done.stdout
    assert "web.1: up" in done.stdout


def test_ps_scale_and_restart(cli: Cli, local: Local) -> None:
    """More dynos are more processes; a restart is another process of the same release."""
    assert "web at 2:Standard-1X" in cli("ps:scale", "web=2", "--app", APP).stderr
    wait_until(lambda: [d["state"] for d in local.dynos()] == ["up", "up"], "two dynos are up")
    served = {local.web().json()["dyno"] for _ in range(4)}
    assert served == {"web.1", "web.2"}
    assert cli("ps:scale", "web=1", "--app", APP).returncode == 0
    before = local.dynos()
    assert [d["name"] for d in before] == ["web.1"]
    assert cli("ps:restart", "--app", APP).returncode == 0
    local.wait_for_dyno("up", before[0]["release"]["version"])
    assert local.dynos()[0]["id"] != before[0]["id"]


def test_maintenance(cli: Cli, local: Local) -> None:
    """Users get the maintenance answer, while the dynos go on and no release is made."""
    before = (local.releases(), local.dynos())
    assert cli("maintenance:on", "--app", APP).returncode == 0
    assert cli("maintenance", "--app", APP).stdout.strip() == "on"
    assert local.web().status_code == 503
    assert 'at=error code=H80 desc="Maintenance mode"' in local.log()
    assert (local.releases(), local.dynos()) == before
    assert cli("maintenance:off", "--app", APP).returncode == 0
    assert local.web().status_code == 200


def test_logs(cli: Cli, local: Local) -> None:
    """The lines a person watches a deploy by, in the words and under the sources of the real ones."""
    done = cli("logs", "--app", APP, "--num", "1500")
    assert done.returncode == 0, done.stderr
    assert [line.partition(" ")[2] for line in done.stdout.splitlines()] == local.log().splitlines()
    for line in (
        f"app[api]: Build started by user {EMAIL}",
        "app[api]: Build succeeded",
        "heroku[web.1]: Starting process with command `node server.js`",
        "heroku[web.1]: State changed from starting to up",
        "app[web.1]: listening",
    ):
        assert line in done.stdout
    assert re.search(r"app\[api\]: Deploy [0-9a-f]{8} by user ", done.stdout)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 ", done.stdout)


def test_logs_of_one_source(cli: Cli, local: Local) -> None:
    """Filters that the server ignored would bury what is looked for."""
    local.web()
    done = cli("logs", "--app", APP, "--source", "app", "--dyno-name", "web.1")
    sources = {line.split(" ")[1] for line in done.stdout.splitlines()}
    assert sources == {"app[web.1]:"}


def test_logs_tail(cli: Cli, local: Local, tmp_path: Path) -> None:
    """A line that is written later appears in a tail that was started before."""
    output = tmp_path / "tail.txt"
    with cli.running("logs", "--tail", "--num", "1", "--app", APP, output=output):
        wait_until(lambda: output.read_text().count("\n") >= 1, "the tail shows its first line")
        cli_line = 'heroku[router]: at=info method=GET path="/"'
        before = output.read_text().count(cli_line)
        local.web()
        wait_until(lambda: output.read_text().count(cli_line) > before, "the tail shows the new request")


def test_push_through_the_credential_helper(cli: Cli, local: Local, tiny: TinyApp) -> None:
    """The push that the team does by hand: over https, with the token from the CLI, building in front of their eyes."""
    commit = tiny.commit("pushed by hand")
    assert cli("git:remote", "--app", APP, cwd=tiny.folder).returncode == 0
    remote = tiny.git("remote", "get-url", "heroku")
    assert remote == f"https://localhost:{local.port}/{APP}.git"
    before = local.releases()[-1]["version"]
    done = cli.git("push", "heroku", "main", cwd=tiny.folder)
    assert done.returncode == 0, done.stderr
    assert "remote: -----> Node.js app detected" in done.stderr
    assert f"remote:        Released v{before + 1}" in done.stderr
    assert "remote: Verifying deploy... done." in done.stderr
    local.wait_for_dyno("up", before + 1)
    answer = local.web().json()
    assert (answer["commit"], answer["release"]) == (commit, f"v{before + 1}")


def test_push_with_a_wrong_token(local: Local, tiny: TinyApp) -> None:
    """Git, too, has to be refused, and nothing may be built."""
    tiny.commit("never arrives")
    before = local.releases()
    done = tiny.push(local, token="wrong")
    assert done.returncode == 128
    assert "could not read Username" in done.stderr or "Authentication failed" in done.stderr
    assert local.releases() == before


def test_features_preboot(cli: Cli, local: Local) -> None:
    """What the CLI turned on is on, makes no release, and cannot be turned on twice."""
    before = local.releases()
    assert cli("features:enable", "preboot", "--app", APP).returncode == 0
    assert local.get(f"/apps/{APP}/features/preboot")["enabled"] is True
    assert "preboot is already enabled." in cli("features:enable", "preboot", "--app", APP).stderr
    assert "[+] preboot" in cli("features", "--app", APP).stdout
    assert cli("features:disable", "preboot", "--app", APP).returncode == 0
    assert local.get(f"/apps/{APP}/features/preboot")["enabled"] is False
    assert local.releases() == before


def test_ps_of_an_eco_app(cli: Cli, local: Local) -> None:
    """The quota of an account with eco dynos, and a dyno that has fallen asleep."""
    local.faults("eco_sleep")
    wait_until(lambda: local.dynos()[0]["state"] == "idle", "the dyno sleeps")
    done = cli("ps", "--app", APP)
    assert done.returncode == 0, done.stderr
    assert "Eco dyno hours quota remaining this month: 990h 0m (99%)" in done.stdout
    assert "=== web (Eco): node server.js (1)" in done.stdout
    assert "web.1: idle" in done.stdout


def test_logs_of_a_dropped_stream(cli: Cli, local: Local) -> None:
    """Whoever reads the log with the CLI gets a refusal, or a part of the log that looks like all of it."""
    local.faults("drop_log_stream")
    ended = [cli("logs", "--app", APP, "--num", "1500") for _ in range(2)]
    refused, broken = sorted(ended, key=lambda done: len(done.stdout))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Logs eventsource failed with: 403" in refused.stderr
    assert len(broken.stdout.splitlines()) == 3, broken.stderr


def test_download_of_an_expired_link(cli: Cli, local: Local, tmp_path: Path) -> None:
    """Exit status 0, and the file is the storage's error: whoever does not look into it has no backup."""
    number = local.backup()["num"]
    local.faults("expired_backup_url")
    dump = tmp_path / "latest.dump"
    done = cli("pg:backups:download", f"b{number:03d}", "--app", APP, "--output", str(dump))
    assert done.returncode == 0, done.stderr
    assert "<Message>Request has expired</Message>" in dump.read_text()


def test_push_after_a_colleague(cli: Cli, local: Local, tiny: TinyApp) -> None:
    """Git's own refusal, through the credential helper, and nothing is built."""
    tiny.commit("behind")
    before = local.releases()
    assert cli("git:remote", "--app", APP, cwd=tiny.folder).returncode == 0
    local.faults("rejected_non_fast_forward")
    done = cli.git("push", "heroku", "main", cwd=tiny.folder)
    assert done.returncode == 1
    assert "! [rejected]        main -> main (fetch first)" in done.stderr
    assert local.releases() == before
