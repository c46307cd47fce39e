# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the APIs that the CLI does not show, by plain HTTP: ranges, errors, builds, the router, TLS, git."""

from __future__ import annotations

import io
import secrets
import ssl
import tarfile
from typing import Any

import httpx
import pytest

from tests.heroku.local import APP, HEADERS, TOKEN, Local, TinyApp, wait_until


@pytest.fixture(autouse=True, scope="module")
def commit(server: Local, tiny: TinyApp) -> str:
    """The commit of the first deploy."""
    return tiny.deploy(server, "first")[0]


def upload(local: Local, tarball: bytes) -> str:
    """Upload a source and return the URL to build it from."""
    source = local.post("/sources")["source_blob"]
    assert httpx.put(source["put_url"], content=tarball, trust_env=False).status_code == 200
    return str(source["get_url"])


def build(local: Local, tarball: bytes, version: str) -> tuple[dict[str, Any], str]:
    """Build a source through the builds API; return the build when it has ended, and its output."""
    made = local.post(f"/apps/{APP}/builds", {"source_blob": {"url": upload(local, tarball), "version": version}})
    assert made["status"] == "pending"
    output = httpx.get(made["output_stream_url"], timeout=60, trust_env=False).text
    return dict(local.get(f"/apps/{APP}/builds/{made['id']}")), output


def test_releases_come_in_pages(local: Local) -> None:
    """A client that asks for the newest ten has to get these, and the way to the rest."""
    versions = [release["version"] for release in local.releases()]
    assert versions == sorted(versions)
    page = local.ask("GET", f"/apps/{APP}/releases", headers={"Range": "version ..; max=2, order=desc"})
    assert page.status_code == 206
    assert [release["version"] for release in page.json()] == versions[:-3:-1]
    rest = local.ask("GET", f"/apps/{APP}/releases", headers={"Range": page.headers["Next-Range"]})
    assert [release["version"] for release in rest.json()] == versions[-3:-5:-1]


def test_a_range_of_something_else_is_refused(local: Local) -> None:
    """Else a misspelt range would be taken for the whole."""
    answer = local.ask("GET", f"/apps/{APP}/releases", headers={"Range": "name ..; max=2"})
    assert (answer.status_code, answer.json()["id"]) == (416, "requested_range_not_satisfiable")


@pytest.mark.parametrize(
    ("headers", "status", "error_id"),
    [
        ({"Authorization": ""}, 401, "unauthorized"),
        ({"Authorization": "Bearer wrong"}, 401, "unauthorized"),
        ({"Authorization": "Basic !"}, 401, "unauthorized"),
        ({"Accept": "application/json"}, 406, "not_acceptable"),
    ],
)
@pytest.mark.parametrize("path", [f"/apps/{APP}", "/client/v11/databases/x", "/nowhere"])
def test_who_may_not_pass(local: Local, path: str, headers: dict[str, str], status: int, error_id: str) -> None:
    """Credentials and the version are asked for before anything else, everywhere."""
    answer = local.ask("GET", path, headers=headers)
    assert (answer.status_code, answer.json()["id"]) == (status, error_id)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/apps/x", f"/apps/{APP}/releases/99", f"/apps/{APP}/pipeline-couplings", "/addons/x"]
)
def test_what_does_not_exist(local: Local, path: str) -> None:
    """404 in the shape that clients can show."""
    answer = local.ask("GET", path)
    assert (answer.status_code, answer.json()["id"]) == (404, "not_found")


def test_the_data_api_says_not_found_in_html_labelled_json(local: Local) -> None:
    """The real one does; a client that parses it blindly has to fail here first."""
    answer = local.ask("GET", "/client/v11/databases/x")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.text == "<h1>Not Found</h1>"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"maintenance": "on"}),
        ("PATCH", "/config-vars", {"A": 1}),
        ("PATCH", "/formation", {"updates": [{"type": "web", "quantity": "many"}]}),
        ("PATCH", "/features/preboot", {"enabled": "yes"}),
        ("POST", "/releases", {}),
        ("POST", "/releases", {"release": "1"}),
        ("POST", "/builds", {"source_blob": {"url": "https://elsewhere.example/x.tar"}}),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    local: Local, method: str, path: str, body: dict[str, Any]
) -> None:
    """422, and neither a release nor a dyno came of it."""
    before = (local.releases(), local.dynos())
    answer = local.ask(method, f"/apps/{APP}{path}", json=body)
    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")
    assert (local.releases(), local.dynos()) == before


def test_a_body_that_is_not_json_is_refused(local: Local) -> None:
    """400 tells the client about its own mistake."""
    answer = local.ask("PATCH", f"/apps/{APP}/config-vars", content=b"{")
    assert (answer.status_code, answer.json()["id"]) == (400, "bad_request")


def test_apps_and_releases_by_uuid(local: Local) -> None:
    """Heroku takes a UUID wherever it takes a name; restores are polled that way."""
    app, release = local.get(f"/apps/{APP}"), local.releases()[-1]
    assert local.get(f"/apps/{app['id']}/releases/{release['id']}") == release


def test_the_request_id_comes_back_however_long(local: Local) -> None:
    """The CLI's grows to 7 kB."""
    chain = ",".join(["01234567-89ab-cdef-0123-456789abcdef"] * 200)
    assert local.ask("GET", "/account", headers={"Request-Id": chain}).headers["Request-Id"] == chain


def test_one_port_speaks_tls_too(local: Local) -> None:
    """Git and downloads insist on https; the certificate is good for who trusts the sandbox's authority, else not."""
    url = f"https://localhost:{local.port}/account"
    trusting = ssl.create_default_context(cafile=str(local.authority))
    assert httpx.get(url, headers=HEADERS, verify=trusting, trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url, headers=HEADERS, verify=ssl.create_default_context(), trust_env=False)
    assert local.ask("GET", "/account").status_code == 200, "a broken handshake must not hurt the next client"


def test_a_build_from_a_tarball(local: Local, tiny: TinyApp) -> None:
    """The way to deploy without git, and the only one to deploy the same commit again."""
    commit = tiny.commit("from a tarball")
    tarball = tiny.folder.parent / "source.tgz"
    tiny.git("archive", f"--output={tarball}", commit)
    made, output = build(local, tarball.read_bytes(), commit)
    assert made["status"] == "succeeded"
    assert "-----> Node.js app detected" in output
    release = local.get(f"/apps/{APP}/releases/{made['release']['id']}")
    assert release["slug"] == made["slug"]
    assert local.get(f"/apps/{APP}/slugs/{made['slug']['id']}")["commit"] == commit
    local.wait_for_dyno("up", release["version"])
    assert local.web().json()["commit"] == commit
    assert made["id"] in {listed["id"] for listed in local.get(f"/apps/{APP}/builds")}


def test_a_source_that_is_no_app_fails(local: Local) -> None:
    """A build of rubbish has failed, says why, and leaves the app alone."""
    before = local.releases()
    made, output = build(local, b"rubbish", "rubbish")
    assert (made["status"], made["release"]) == ("failed", None)
    assert "not a tar archive" in output
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w"):
        pass
    made, output = build(local, empty.getvalue(), "empty")
    assert made["status"] == "failed"
    assert "has no package.json" in output
    assert local.releases() == before


def test_dependencies_are_really_installed(local: Local, tiny: TinyApp) -> None:
    """An app that needs a package finds it: npm is run, not played."""
    package = tiny.folder / "greeter"
    package.mkdir()
    (package / "package.json").write_text('{"name": "greeter", "version": "1.0.0"}')
    (package / "index.js").write_text("module.exports = 'good evening'")
    tiny.package(dependencies={"greeter": "file:./greeter"})
    tiny.procfile("web: GREETING=$(node -p \"require('greeter')\") node server.js")
    tiny.deploy(local, "with a dependency")
    assert local.web().json()["greeting"] == "good evening"


def test_dependencies_that_cannot_be_installed_reject_the_push(local: Local, tiny: TinyApp) -> None:
    """A lock that does not fit package.json fails on Heroku; it has to fail here first."""
    before = local.releases()
    (tiny.folder / "package-lock.json").write_text('{"name": "tiny", "version": "1.0.0", "lockfileVersion": 3}')
    tiny.package(dependencies={"greeter": "file:./greeter", "another": "file:./greeter"})
    tiny.commit("a lock that does not fit")
    pushed = tiny.push(local)
    tiny.git("reset", "--quiet", "--hard", "HEAD~")
    assert pushed.returncode == 1
    assert "npm ci --omit=dev' exited with status 1." in pushed.stderr
    assert local.releases() == before


def test_a_branch_is_not_deployed(local: Local, tiny: TinyApp) -> None:
    """Heroku deploys main only; another branch is stored."""
    before = local.releases()
    commit = tiny.commit("on a branch")
    pushed = tiny.push(local, "main:refs/heads/topic")
    assert pushed.returncode == 0
    assert local.releases() == before
    listed = tiny.git("-c", f"http.extraHeader=Authorization: Bearer {TOKEN}", "ls-remote", f"{local.url}/{APP}.git")
    assert f"{commit}\trefs/heads/topic" in listed


def test_a_push_of_an_unknown_app(local: Local, tiny: TinyApp) -> None:
    """A misspelt app has to be an error of git's."""
    answer = httpx.get(f"{local.url}/nobody.git/info/refs?service=git-receive-pack", auth=("", TOKEN), trust_env=False)
    assert answer.status_code == 404


def test_the_router_waits_for_a_dyno_that_boots(local: Local, tiny: TinyApp) -> None:
    """During a restart users wait, as on Heroku; they do not get an error."""
    version = local.releases()[-1]["version"]
    assert local.ask("DELETE", f"/apps/{APP}/dynos").status_code == 202
    assert local.web().status_code == 200
    local.wait_for_dyno("up", version)


def test_a_dyno_learns_of_the_client(local: Local) -> None:
    """An app that asks for the client's address or for https gets the router's headers, as on Heroku."""
    seen = local.web("/headers").json()
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert seen["x-forwarded-port"] == str(local.router_port)
    assert seen["host"] == f"localhost:{local.router_port}"
    assert f"request_id={seen['x-request-id']}" in local.log()


def test_a_large_push(local: Local, tiny: TinyApp) -> None:
    """Git sends more than 1 MiB in chunks, after a probe: a server that needs a length breaks on the first real app."""
    (tiny.folder / "large.bin").write_bytes(secrets.token_bytes(3 << 20))
    commit, _ = tiny.deploy(local, "large")
    assert local.web().json()["commit"] == commit


def test_the_router_without_web_processes(local: Local) -> None:
    """503 with H14 in the log, and the app back after it is scaled up again."""
    version = local.releases()[-1]["version"]
    local.ask(
        "PATCH", f"/apps/{APP}/formation", json={"updates": [{"type": "web", "quantity": "0"}]}
    ).raise_for_status()
    assert local.web().status_code == 503
    assert "code=H14" in local.log()
    local.ask(
        "PATCH", f"/apps/{APP}/formation", json={"updates": [{"type": "web", "quantity": "+1"}]}
    ).raise_for_status()
    local.wait_for_dyno("up", version)


def test_a_stopped_dyno_stays_down_until_the_next_restart(local: Local) -> None:
    """``ps:stop`` is not a restart."""
    version = local.releases()[-1]["version"]
    local.post(f"/apps/{APP}/dynos/web.1/actions/stop")
    assert [dyno["state"] for dyno in local.dynos()] == ["down"]
    assert local.ask("DELETE", f"/apps/{APP}/dynos/web.1").status_code == 202
    local.wait_for_dyno("up", version)
    assert local.ask("DELETE", f"/apps/{APP}/dynos/web.9").status_code == 404


def test_a_release_dyno_is_seen_while_it_runs(local: Local, tiny: TinyApp) -> None:
    """Who counts dynos has to meet the one of the release command, as on Heroku."""
    local.faults("slow_release")
    commit = tiny.commit("with a release command")
    tarball = tiny.folder.parent / "release.tar"
    tiny.git("archive", f"--output={tarball}", commit)
    before = local.releases()[-1]["version"]
    source = {"url": upload(local, tarball.read_bytes()), "version": commit}
    local.post(f"/apps/{APP}/builds", {"source_blob": source})
    wait_until(lambda: {dyno["type"] for dyno in local.dynos()} == {"web", "release"}, "the release dyno runs")
    assert local.settled(before + 1)["status"] == "succeeded"
    assert {dyno["type"] for dyno in local.dynos()} == {"web"}
    local.wait_for_dyno("up", before + 1)


def test_a_resumed_tail_repeats_nothing(local: Local) -> None:
    """An event source that lost its connection comes back with the id of its last line."""
    session = local.post(f"/apps/{APP}/log-sessions", {"lines": 3})
    events = httpx.get(session["logplex_url"], headers={"Accept": "text/event-stream"}, trust_env=False).text
    ids = [line.removeprefix("id: ") for line in events.splitlines() if line.startswith("id: ")]
    assert len(ids) == 3
    again = {"Accept": "text/event-stream", "Last-Event-ID": ids[-1]}
    assert httpx.get(session["logplex_url"], headers=again, trust_env=False).text == ""
    assert httpx.get(f"{local.url}/logplex/unknown", trust_env=False).status_code == 403
