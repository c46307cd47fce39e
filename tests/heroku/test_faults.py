# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault happens as on Heroku, hits what it names, and leaves a way to undo it.

Pitstop's rescues are rehearsed with these. A fault that did something milder would prove a rescue that does not work.
"""

from __future__ import annotations

import httpx
import pytest

from sandbox.heroku.faults import FAULTS, WRONG_COMMIT
from tests.heroku.local import APP, EMAIL, HEADERS, Local, TinyApp, wait_until


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


def test_every_fault_says_what_happens() -> None:
    """``sandbox fault list`` shows these lines; each has to fit on one."""
    assert all(text and "\n" not in text and len(text) < 100 for text in FAULTS.values())
