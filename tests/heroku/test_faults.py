# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault happens as on Heroku, hits what it names, and leaves a way to undo it.

Pitstop's rescues are rehearsed with these. A fault that did something milder would prove a rescue that does not work.
"""

from __future__ import annotations

import base64
import contextlib
import socket

import httpx
import pytest

from sandbox.heroku.faults import FAULTS, WRONG_COMMIT
from tests.heroku.local import APP, EMAIL, HEADERS, TOKEN, Local, TinyApp, wait_until

BASIC = f"Authorization: Basic {base64.b64encode(f':{TOKEN}'.encode()).decode()}"


@pytest.fixture(autouse=True, scope="module")
def good(server: Local, tiny: TinyApp) -> int:
    """The version of a release that is fine."""
    tiny.procfile("web: node server.js", "release: echo migrated")
    return tiny.deploy(server, "good")[1]


@pytest.fixture
def current(local: Local, tiny: TinyApp) -> tuple[str, int]:
    """Commit and version of the good release that runs as a test begins; a fix over whatever failed before."""
    return tiny.deploy(local, "good again")


def test_build_fails(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """The push is rejected, nothing is released, and the same commit can be pushed again."""
    local.faults("build_fails")
    commit = tiny.commit("does not build")
    pushed = tiny.push(local)
    assert pushed.returncode == 1
    assert "! [remote rejected] main -> main (pre-receive hook declined)" in pushed.stderr
    assert "Push rejected, failed to compile Node.js app." in pushed.stderr
    assert f"!\tPush rejected to {APP}." in pushed.stderr
    build = max(local.get(f"/apps/{APP}/builds"), key=lambda b: str(b["created_at"] + b["updated_at"]))
    assert (build["status"], build["source_blob"]["version"]) == ("failed", commit)
    assert local.releases()[-1]["version"] == current[1]
    assert "app[api]: Build failed -- check your build output: https://" in local.log()
    assert local.web().json()["commit"] == current[0]
    assert tiny.push(local).returncode == 0
    local.wait_for_dyno("up", current[1] + 1)


def test_release_fails(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """The push says yes, the release failed, and the old release goes on undisturbed, in the same process."""
    before = local.dynos()
    local.faults("release_fails")
    tiny.commit("does not migrate")
    pushed = tiny.push(local)
    assert pushed.returncode == 0, "git does not know of release commands"
    assert "Waiting for release.... failed." in pushed.stderr
    failed = local.releases()[-1]
    assert (failed["version"], failed["status"], failed["current"]) == (current[1] + 1, "failed", False)
    assert failed["eligible_for_rollback"] is False
    assert httpx.get(failed["output_stream_url"], trust_env=False).text == "sandbox fault: release_fails\n"
    assert local.dynos() == before
    assert local.web().json()["commit"] == current[0]
    assert f"app[api]: Release v{failed['version']} command failed by user {EMAIL}" in local.log()


def test_release_fails_again_with_the_same_slug_only(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """The fault sits in the slug: releasing that slug again fails again, while a fresh push is fine."""
    local.faults("release_fails")
    tiny.commit("does not migrate either")
    tiny.push(local)
    failed = local.releases()[-1]
    again = local.post(f"/apps/{APP}/releases", {"slug": failed["slug"]["id"]})
    assert local.settled(again["version"])["status"] == "failed"
    assert local.ask("POST", f"/apps/{APP}/releases", json={"release": failed["id"]}).status_code == 422
    _, version = tiny.deploy(local, "migrates")
    assert local.settled(version)["status"] == "succeeded"


def test_dyno_crashes(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """The release succeeded, the old dyno is gone, the new one crashed; a rollback brings the app back."""
    local.faults("dyno_crashes")
    tiny.commit("crashes")
    assert tiny.push(local).returncode == 0
    local.wait_for_dyno("crashed", current[1] + 1)
    assert local.releases()[-1]["status"] == "succeeded"
    local_log = local.log()
    assert "heroku[web.1]: Process exited with status 1" in local_log
    assert "heroku[web.1]: State changed from starting to crashed" in local_log
    old = next(r for r in local.releases() if r["version"] == current[1])
    back = local.post(f"/apps/{APP}/releases", {"release": old["id"]})
    local.wait_for_dyno("up", back["version"])
    assert local.web().json()["commit"] == current[0]


def test_a_crashed_app_answers_503(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """Users see the platform's error page, and the log says H10."""
    local.faults("dyno_crashes")
    tiny.commit("crashes for good")
    tiny.push(local)
    local.wait_for_dyno("crashed", current[1] + 1)
    crashed = "heroku[web.1]: State changed from starting to crashed"
    wait_until(lambda: local.log().rpartition(f"Release v{current[1] + 1} ")[2].count(crashed) == 2, "it crashed twice")
    assert local.web().status_code == 503
    assert 'at=error code=H10 desc="App crashed"' in local.log()


def test_health_wrong(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """200 OK, dyno up, release succeeded, and yet not the commit that was pushed."""
    local.faults("health_wrong")
    commit, version = tiny.deploy(local, "is another one")
    answer = local.web()
    assert answer.status_code == 200
    assert answer.json()["commit"] == WRONG_COMMIT != commit
    assert answer.json()["release"] == f"v{version}"


def test_slow_release(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """Pending for a while, with the old release current; then it succeeds and runs."""
    local.faults("slow_release")
    commit = tiny.commit("slow")
    tarball = tiny.folder.parent / "slow.tar"
    tiny.git("archive", f"--output={tarball}", commit)
    source = local.post("/sources")["source_blob"]
    assert httpx.put(source["put_url"], content=tarball.read_bytes(), trust_env=False).status_code == 200
    local.post(f"/apps/{APP}/builds", {"source_blob": {"url": source["get_url"], "version": commit}})
    version = current[1] + 1
    seen: list[str] = []
    while not seen or seen[-1] != "succeeded":
        newest = local.releases()[-1]
        if newest["version"] == version:
            seen.append(newest["status"])
            assert newest["current"] is (newest["status"] == "succeeded")
    assert seen[0] == "pending"
    local.wait_for_dyno("up", version)
    assert local.web().json()["commit"] == commit


def test_backup_fails(local: Local) -> None:
    """Finished and not succeeded, with the reason in its messages; the next one is fine."""
    local.faults("backup_fails")
    failed = local.backup()
    assert (failed["succeeded"], failed["processed_bytes"]) == (False, 0)
    assert failed["logs"][-1]["message"] == "sandbox fault: backup_fails"
    assert local.backup()["succeeded"] is True


@pytest.mark.parametrize(
    ("fault", "status", "error_id"), [("api_429", 429, "rate_limit"), ("api_503", 503, "service_unavailable")]
)
def test_every_third_request_is_refused(local: Local, fault: str, status: int, error_id: str) -> None:
    """A client that does not try again fails; one that does gets through, on both APIs."""
    local.faults(fault)
    paths = [f"/apps/{APP}", f"/client/v11/apps/{APP}/transfers"] * 3
    answers = [local.ask("GET", path) for path in paths]
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [status] * 2
    refused = [answer for answer in answers if answer.status_code == status]
    assert {answer.json()["id"] for answer in refused} == {error_id}
    assert all(answer.headers.get("Retry-After", "").isdigit() is (status == 429) for answer in refused)


def test_the_api_faults_leave_git_alone(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """A push that failed by a fault of the API would be blamed on the wrong thing."""
    local.faults("api_503")
    tiny.commit("pushed meanwhile")
    assert tiny.push(local).returncode == 0
    local.faults()
    local.wait_for_dyno("up", current[1] + 1)


def test_reset_after_post(current: tuple[str, int], local: Local) -> None:
    """The connection breaks although the rollback was made: whoever posts again makes two releases."""
    release = next(r for r in local.releases() if r["version"] == current[1])
    local.faults("reset_after_post")
    with pytest.raises(httpx.TransportError):
        httpx.post(
            f"{local.url}/apps/{APP}/releases", json={"release": release["id"]}, headers=HEADERS, trust_env=False
        )
    assert local.ask("GET", f"/apps/{APP}").status_code == 200, "only a POST is reset"
    local.faults()
    made = [r for r in local.releases() if r["version"] > current[1]]
    assert [r["description"] for r in made] == [f"Rollback to v{current[1]}"]
    local.wait_for_dyno("up", current[1] + 1)


def test_hang(local: Local) -> None:
    """One request in twenty is never answered: whoever waits for it without a limit waits for ever."""
    local.faults("hang")
    answers = []
    for _ in range(40):
        try:
            answers.append(
                httpx.get(f"{local.url}/apps/{APP}", headers=HEADERS, timeout=3, trust_env=False).status_code
            )
        except httpx.ReadTimeout:
            answers.append(0)
    assert sorted(answers) == [0, 0] + [200] * 38
    local.faults()
    assert {local.ask("GET", f"/apps/{APP}").status_code for _ in range(20)} == {200}


def test_a_hung_request_does_not_hold_up_the_end_of_the_server(local: Local) -> None:
    """Else a demo with this fault could not be stopped."""
    local.faults("hang")
    lines = ["GET /account HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in HEADERS.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(socket.create_connection(("127.0.0.1", local.port))) for _ in range(20)]
        for client in clients:
            client.sendall(request)
            client.settimeout(3)
        hung = [client for client in clients if not _receives(client)]
        assert len(hung) == 1
        local.stop()
    assert "graceful" not in (local.state_dir / "server.log").read_text()


def _receives(client: socket.socket) -> bytes:
    try:
        return client.recv(1)
    except TimeoutError:
        return b""


def test_drop_log_stream(current: tuple[str, int], local: Local) -> None:
    """Of two sessions one is refused, and one breaks in the middle of an answer that has begun well."""
    local.faults("drop_log_stream")
    urls = [local.post(f"/apps/{APP}/log-sessions", {"lines": 100})["logplex_url"] for _ in range(2)]
    seen: list[tuple[int, int]] = []
    for url in urls:
        text = ""
        with httpx.stream("GET", url, trust_env=False) as answer:
            try:
                for part in answer.iter_text():
                    text += part
            except httpx.RemoteProtocolError:
                seen.append((answer.status_code, text.count("\n")))
            else:
                seen.append((answer.status_code, 0))
    assert sorted(seen) == [(200, 3), (403, 0)]
    local.faults()
    assert local.log().count("\n") > 3


def test_expired_backup_url(local: Local) -> None:
    """The backup is there and the link is fresh, and yet the storage gives its error in place of the dump."""
    backup = local.backup()
    local.faults("expired_backup_url")
    path = f"/client/v11/apps/{APP}/transfers/{backup['num']}/actions/public-url"
    link = local.post(path)["url"].replace("https://", "http://")
    refused = httpx.get(link, trust_env=False)
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/xml")
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in refused.text
    local.faults()
    assert httpx.get(link, trust_env=False).content.startswith(b"PGDMP")


def test_concurrent_release(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """A colleague's release is on top of ours, with our slug; a rollback is left alone, and so is the next deploy."""
    local.faults("concurrent_release")
    release = next(r for r in local.releases() if r["version"] == current[1])
    back = local.post(f"/apps/{APP}/releases", {"release": release["id"]})
    local.wait_for_dyno("up", back["version"])
    commit = tiny.commit("ours")
    assert tiny.push(local).returncode == 0
    top = back["version"] + 2
    local.wait_for_dyno("up", top)
    ours, theirs = local.releases()[-2:]
    assert (ours["version"], ours["status"], ours["current"]) == (top - 1, "succeeded", False)
    assert (theirs["version"], theirs["status"], theirs["current"]) == (top, "succeeded", True)
    assert theirs["slug"] == ours["slug"]
    assert theirs["description"].endswith(" config vars")
    assert theirs["user"]["email"] != ours["user"]["email"] == EMAIL
    assert local.web().json()["commit"] == commit
    assert tiny.deploy(local, "ours again")[1] == top + 1


def test_rejected_non_fast_forward(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """Git refuses before anything is built; with the colleague's commit merged the next push goes through."""
    local.faults("rejected_non_fast_forward")
    tiny.commit("behind")
    pushed = tiny.push(local)
    assert pushed.returncode == 1
    assert "! [rejected]        main -> main (fetch first)" in pushed.stderr
    assert local.releases()[-1]["version"] == current[1]
    assert local.web().json()["commit"] == current[0]
    assert tiny.push(local).returncode == 1, "the colleague's commit stays"
    tiny.git("-c", f"http.extraHeader={BASIC}", "fetch", "--quiet", f"{local.url}/{APP}.git", "main")
    assert tiny.git("rev-parse", "FETCH_HEAD^") == current[0]
    assert tiny.git("diff", "FETCH_HEAD^", "FETCH_HEAD") == ""
    tiny.git("merge", "--quiet", "--no-edit", "FETCH_HEAD")
    assert tiny.push(local).returncode == 0
    local.wait_for_dyno("up", current[1] + 1)


def test_preboot(current: tuple[str, int], local: Local, tiny: TinyApp) -> None:
    """All dynos are up on the new release, and users still meet the old one; a while later they meet the new one."""
    local.faults("preboot")
    commit, version = tiny.deploy(local, "booted before")
    assert [dyno["release"]["version"] for dyno in local.dynos()] == [version]
    assert local.web().json()["commit"] == current[0]
    wait_until(lambda: local.web().json()["commit"] == commit, "the router has switched")
    stopped = "heroku[web.1]: Process exited with status 143"
    wait_until(lambda: stopped in local.log().rpartition("Build succeeded")[2], "the old dyno has ended")
    assert "State changed from up to starting" not in local.log().rpartition("Build started")[2]
    assert local.get(f"/apps/{APP}/features/preboot")["enabled"] is True
    local.faults()
    assert local.get(f"/apps/{APP}/features/preboot")["enabled"] is False


def test_the_feature_preboot_is_kept(local: Local) -> None:
    """A setting that a restart of the server forgot would be another app."""
    path, before = f"/apps/{APP}/features/preboot", local.releases()
    assert local.ask("PATCH", path, json={"enabled": True}).json()["enabled"] is True
    local.stop()
    local.start()
    assert local.get(path)["enabled"] is True
    assert local.ask("PATCH", path, json={"enabled": False}).json()["enabled"] is False
    assert local.ask("PATCH", path, json={"enabled": "yes"}).status_code == 422
    assert local.releases() == before


def test_eco_sleep(current: tuple[str, int], local: Local) -> None:
    """Nobody asks, so nobody answers: the process is gone until a request comes, which waits for the boot."""
    local.faults("eco_sleep")
    assert local.get(f"/apps/{APP}")["process_tier"] == "eco"
    wait_until(lambda: local.dynos()[0]["state"] == "idle", "the dyno sleeps")
    assert local.web().json()["commit"] == current[0]
    said = local.log()
    slept, woken = said.rindex("heroku[web.1]: Idling"), said.rindex("heroku[web.1]: Unidling")
    assert "State changed from up to down" in said[slept:woken]
    assert "Process exited with status 143" in said[slept:]
    assert "State changed from down to starting" in said[woken:]
    wait_until(lambda: local.dynos()[0]["state"] == "idle", "the dyno sleeps again")
    local.faults()
    wait_until(lambda: local.dynos()[0]["state"] == "up", "the dyno is awake without a request")
    assert local.get(f"/apps/{APP}")["process_tier"] == "production"


def test_every_fault_says_what_happens() -> None:
    """``sandbox fault list`` shows these lines; each has to fit on one."""
    assert all(text and "\n" not in text and len(text) < 100 for text in FAULTS.values())
