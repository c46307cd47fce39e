# SPDX-License-Identifier: GPL-3.0-or-later
"""The builds API, maintenance mode, and which release counts: on a local Heroku with real git and dynos."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _wait
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient
from tests.heroku.local import APP, Local, TinyApp, serving, wait_until

from .conftest import RunOperation
from .shop import TIMEOUTS, Shop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    folder = tmp_path_factory.mktemp("heroku")
    with serving(folder / "state", "postgres://nobody@localhost/nothing", folder / "programs") as local:
        yield local


@pytest.fixture(scope="module")
def tiny(server: Local, tmp_path_factory: pytest.TempPathFactory) -> TinyApp:
    app = TinyApp.create(tmp_path_factory.mktemp("tiny") / "app")
    app.deploy(server, "first")
    return app


@pytest.fixture
def shop(server: Local, tiny: TinyApp, run: Run, run_operation: RunOperation) -> Shop:
    """An app that is live, shared by the tests here; each begins a run of its own."""
    server.faults()
    return Shop(server, tiny, run, run_operation, tiny.git("rev-parse", "HEAD"))


def build(shop: Shop, commit: str, **args: Any) -> Any:
    repository = {"repository": str(shop.tiny.folder), "commit": commit}
    return shop.perform("heroku_build", **{**repository, "timeout": 60, **args}, evidence="deploy.build")


def builds_of(shop: Shop, commit: str) -> list[dict[str, Any]]:
    return [b for b in shop.local.get(f"/apps/{APP}/builds") if b["source_blob"]["version"] == commit]


def test_a_commit_that_was_never_pushed_is_built_and_serves(shop: Shop) -> None:
    """An app without a push remote could not be deployed."""
    commit = shop.tiny.commit("built")
    done = build(shop, commit)
    assert not done.failed, done.message
    assert (done.result["status"], done.result["changed"]) == ("succeeded", True)
    assert any("build: -----> Node.js app detected" in line for line in done.lines)
    assert "Node.js app detected" in done.result["output"]
    released = shop.perform("heroku_release", commit=commit, after_version=done.result["version"] - 1, **TIMEOUTS)
    assert not released.failed, released.message
    assert (released.result["version"], released.result["superseded_by"]) == (done.result["version"], None)
    assert shop.local.web().json()["commit"] == commit


def test_the_same_commit_can_be_built_again(shop: Shop) -> None:
    """After a rollback a push says everything is up to date, and the old code would stay."""
    before = shop.local.releases()[-1]["version"]
    done = build(shop, shop.old_commit)
    assert done.result["version"] == before + 1
    shop.local.wait_for_dyno("up", before + 1)


def test_a_lost_answer_does_not_build_twice(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds are two releases: the second would go live after the first was judged."""
    sent = HerokuClient._answer

    def lose(client: HerokuClient, method: str, url: str, *rest: Any) -> Any:
        answer = sent(client, method, url, *rest)
        if (method, url) == ("POST", f"{shop.local.url}/apps/{APP}/builds"):
            raise urllib3.exceptions.ProtocolError("reset")
        return answer

    monkeypatch.setattr(HerokuClient, "_answer", lose)
    commit = shop.tiny.commit("lost answer")
    assert not (done := build(shop, commit)).failed, done.message
    assert [b["id"] for b in builds_of(shop, commit)] == [done.result["build"]]


def test_a_build_that_fails_says_its_last_lines(shop: Shop) -> None:
    """Nobody looks for a reason in 500 lines at night."""
    before, commit = shop.local.releases(), shop.tiny.commit("fails")
    shop.local.faults("build_fails")
    done = build(shop, commit)
    assert done.failed
    assert "sandbox fault: build_fails" in done.message
    assert (done.result["status"], done.result["version"], done.result["left"]) == ("failed", None, [])
    assert shop.local.releases() == before


def test_a_source_that_was_damaged_on_its_way_is_not_released(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an upload can be an archive that unpacks."""
    sent = HerokuClient.post

    def other(client: HerokuClient, path: str, body: Any = None) -> Any:
        blob = (body or {}).get("source_blob")
        return sent(client, path, {"source_blob": {**blob, "checksum": f"SHA256:{'0' * 64}"}} if blob else body)

    monkeypatch.setattr(HerokuClient, "post", other)
    before = shop.local.releases()
    refused = build(shop, shop.tiny.commit("damaged"))
    assert "does not have the checksum" in refused.message
    assert shop.local.releases() == before


@pytest.fixture
def slow_build(shop: Shop) -> Iterator[str]:
    """A commit whose build does not end by itself."""
    package = shop.tiny.folder / "package.json"
    text = package.read_text()
    package.write_text(text.replace('"private"', '"scripts": {"build": "sleep 600"}, "private"'))
    yield shop.tiny.commit("slow")
    package.write_text(text)
    shop.tiny.commit("fast again")


def test_a_build_past_its_deadline_is_cancelled(shop: Shop, slow_build: str) -> None:
    """Left alone it would go live when everybody believes that the deploy has failed."""
    before = shop.local.releases()
    done = build(shop, slow_build, timeout=2)
    assert done.failed
    assert "is not done after 2 s" in done.message
    assert any("was cancelled" in line for line in done.lines)
    wait_until(lambda: [b["status"] for b in builds_of(shop, slow_build)] == ["failed"], "it is cancelled")
    assert shop.local.releases() == before


def test_an_interrupted_build_is_cancelled(shop: Shop, slow_build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C means stop: the new code must not come up minutes later."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_wait.Wait, "pause", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(shop, slow_build)
    wait_until(lambda: [b["status"] for b in builds_of(shop, slow_build)] == ["failed"], "it is cancelled")


def test_a_build_that_goes_on_is_waited_for(shop: Shop, slow_build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start after a kill would build and release the same commit once more."""
    with monkeypatch.context() as patched:
        patched.setattr(_wait.Wait, "pause", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            build(shop, slow_build)
    done = build(shop, slow_build, timeout=2)
    assert any("goes on already" in line for line in done.lines)
    assert len(builds_of(shop, slow_build)) == 1


def test_check_mode_says_the_build_and_sends_nothing(shop: Shop) -> None:
    before = shop.local.get(f"/apps/{APP}/builds")
    real = build(shop, shop.old_commit).result
    args = {"repository": str(shop.tiny.folder), "commit": shop.old_commit, "app": APP, "api_key": "none"}
    planned = shop.operate("heroku_build", args, run=shop.run, check=True)
    assert any("would: POST /sources" in line for line in planned.lines)
    assert set(planned.result) == set(real)
    assert len(shop.local.get(f"/apps/{APP}/builds")) == len(before) + 1


def maintenance(shop: Shop, *, enabled: bool, **args: Any) -> Any:
    return shop.perform("heroku_maintenance", enabled=enabled, evidence="deploy.maintenance", **args)


def is_on(shop: Shop) -> bool:
    return bool(shop.local.get(f"/apps/{APP}")["maintenance"])


def test_maintenance_mode_is_turned_on_and_off_again(shop: Shop) -> None:
    """A mode that stays on is an outage."""
    assert maintenance(shop, enabled=True).result["enabled"] is True
    assert is_on(shop)
    off = maintenance(shop, enabled=False).result
    assert (off["changed"], off["enabled"], off["was"]) == (True, False, True)
    assert not is_on(shop)
    assert maintenance(shop, enabled=False).result["changed"] is False


def test_somebody_elses_maintenance_mode_is_left_on(shop: Shop) -> None:
    """A colleague repairs something: the app must not come back in the middle of it."""
    shop.local.ask("PATCH", f"/apps/{APP}", json={"maintenance": True}).raise_for_status()
    try:
        assert maintenance(shop, enabled=True).result["enabled"] is False
        left = maintenance(shop, enabled=False)
        assert left.result["changed"] is False
        assert any("not by this run" in line for line in left.lines)
        assert is_on(shop)
    finally:
        shop.local.ask("PATCH", f"/apps/{APP}", json={"maintenance": False}).raise_for_status()


def test_a_run_that_was_killed_before_the_answer_is_known_to_have_turned_it_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL between the request and its evidence: nobody would take the mode off any more."""
    with monkeypatch.context() as patched:
        patched.setattr(HerokuClient, "_parsed", _killed_after_patch)
        with pytest.raises(SystemExit):
            maintenance(shop, enabled=True)
    assert is_on(shop)
    assert maintenance(shop, enabled=False).result["changed"] is True
    assert not is_on(shop)


def _killed_after_patch(_client: Any, shown: str, answer: Any) -> Any:
    if shown.startswith("PATCH"):
        raise SystemExit
    return json.loads(answer.body)


def test_an_api_that_fails_does_not_make_the_mode_somebody_elses(shop: Shop) -> None:
    """The first try to take it off failed; the second one has to know that it may."""
    maintenance(shop, enabled=True)
    assert maintenance(shop, enabled=False, api_key="wrong").failed
    assert maintenance(shop, enabled=False).result["changed"] is True
    assert not is_on(shop)


def test_a_change_of_config_vars_on_top_is_told_and_its_dynos_are_waited_for(shop: Shop) -> None:
    """The dynos of our release are gone by then: to wait for them would fail a deploy that serves."""
    before = shop.local.releases()[-1]["version"]
    done = build(shop, shop.tiny.commit("superseded"))
    shop.local.ask("PATCH", f"/apps/{APP}/config-vars", json={"GREETING": done.result["build"]}).raise_for_status()
    released = shop.perform("heroku_release", commit=done.result["commit"], after_version=before, **TIMEOUTS)
    assert not released.failed, released.message
    ours = done.result["version"]
    assert (released.result["version"], released.result["superseded_by"]) == (ours, ours + 1)
    assert f"v{ours + 1}" in released.result["dynos"]


def test_a_release_of_another_commit_on_top_is_a_failure(shop: Shop) -> None:
    """Somebody rolled back while we waited: 'deployed' would be a lie."""
    before = next(r for r in shop.local.releases() if r["current"])
    commit = shop.tiny.commit("rolled away")
    build(shop, commit)
    shop.local.post(f"/apps/{APP}/releases", {"release": before["id"]})
    released = shop.perform("heroku_release", commit=commit, after_version=before["version"], **TIMEOUTS)
    assert released.failed
    assert f"Rollback to v{before['version']}" in released.message
