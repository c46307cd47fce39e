# SPDX-License-Identifier: GPL-3.0-or-later
"""Shipping staging's slug: on a local Heroku with two apps in a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _output_stream
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait
from tests.heroku.local import APP, TOKEN, Local, TinyApp
from tests.heroku.pipeline import STAGING, serving_pipeline, stage

from .conftest import Performed, RunOperation


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    folder = tmp_path_factory.mktemp("heroku")
    with serving_pipeline(folder / "state", folder / "programs") as server:
        yield server


@pytest.fixture(scope="module")
def tiny(local: Local, tmp_path_factory: pytest.TempPathFactory) -> TinyApp:
    app = TinyApp.create(tmp_path_factory.mktemp("tiny") / "app")
    app.procfile("web: node server.js", f"release: test $HEROKU_APP_NAME = {STAGING} || echo migrated")
    app.deploy(local, "first")
    return app


@pytest.fixture
def promote(local: Local, run: Run, run_operation: RunOperation) -> Any:
    """Promote a commit, from staging unless said otherwise."""

    def perform(commit: str, *, check: bool = False, **args: Any) -> Performed:
        access = {"app": APP, "api_url": local.url, "data_url": local.url, "api_key": TOKEN}
        options = {"from_app": STAGING, "commit": commit, "timeout": 60, "evidence": "deploy.promote"}
        return run_operation("heroku_promote", {**access, **options, **args}, run=run, check=check)

    return perform


def test_what_was_tried_on_staging_is_released(local: Local, tiny: TinyApp, promote: Any, run: Run) -> None:
    """A new build could differ from what was tried."""
    commit = stage(local, tiny, "promoted")
    before = local.releases()[-1]["version"]
    planned = promote(commit, check=True)
    assert any("would: POST /pipeline-promotions" in line for line in planned.lines)
    assert local.releases()[-1]["version"] == before
    done = promote(commit)
    assert not done.failed, done.message
    assert (done.result["version"], done.result["status"], done.result["changed"]) == (before + 1, "succeeded", True)
    assert set(done.result) == set(planned.result)
    assert "migrated" in (run.directory / "release.log").read_text()
    assert local.releases()[-1]["slug"] == local.get(f"/apps/{STAGING}/releases")[-1]["slug"]
    again = promote(commit)
    assert (again.result["changed"], again.result["version"]) == (False, before + 1)


def test_a_lost_answer_does_not_promote_twice(
    local: Local, tiny: TinyApp, promote: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each promotion is a release, with its release command run on production's data."""
    commit = stage(local, tiny, "lost answer")
    before = local.releases()[-1]["version"]
    sent = HerokuClient._answer

    def lose(client: HerokuClient, method: str, url: str, *rest: Any) -> Any:
        answer = sent(client, method, url, *rest)
        if method == "POST":
            raise urllib3.exceptions.ProtocolError("reset")
        return answer

    monkeypatch.setattr(HerokuClient, "_answer", lose)
    done = promote(commit)
    assert not done.failed, done.message
    assert done.result["version"] == before + 1
    assert local.releases()[-1]["version"] == before + 1


def test_another_commit_on_staging_is_not_promoted(local: Local, tiny: TinyApp, promote: Any) -> None:
    """A colleague has put something else there meanwhile: it was not what was reviewed."""
    reviewed = stage(local, tiny, "reviewed")
    theirs = stage(local, tiny, "theirs")
    before = local.releases()
    refused = promote(reviewed)
    assert refused.failed
    assert theirs[:12] in refused.message
    assert local.releases() == before


def test_a_promotion_against_the_stream_is_refused(local: Local, promote: Any) -> None:
    """Production's slug on staging is nobody's wish, and a typo's effect."""
    before = local.get(f"/apps/{STAGING}/releases")
    refused = promote("0" * 40, app=STAGING, from_app=APP)
    assert "No promotion leads from shop (production) to shop-staging (staging)" in refused.message
    assert "in no pipeline" in promote("0" * 40, from_app="nobody").message
    assert local.get(f"/apps/{STAGING}/releases") == before


def test_a_promotion_that_goes_on_is_waited_for(
    local: Local, tiny: TinyApp, promote: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second start after a kill would run the release command on production's data once more."""
    tiny.procfile("web: node server.js", f"release: test $HEROKU_APP_NAME = {STAGING} || sleep 3")
    commit = stage(local, tiny, "killed")
    before = local.releases()[-1]["version"]
    with monkeypatch.context() as patched:
        patched.setattr(_output_stream, "REST_S", 0)
        patched.setattr(Wait, "pause", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            promote(commit)
    done = promote(commit)
    assert not done.failed, done.message
    assert any("goes on already" in line for line in done.lines)
    assert done.result["version"] == local.releases()[-1]["version"] == before + 1


def test_a_release_command_that_fails_is_a_failure(local: Local, tiny: TinyApp, promote: Any) -> None:
    """On staging it did well; production's data is another matter."""
    live = next(release for release in local.releases() if release["current"])
    tiny.procfile("web: node server.js", f"release: echo no such column; test $HEROKU_APP_NAME = {STAGING}")
    failed = promote(stage(local, tiny, "fails on production"))
    assert failed.failed
    assert "no such column" in failed.message
    assert failed.result["status"] == "failed"
    assert next(release for release in local.releases() if release["current"]) == live
