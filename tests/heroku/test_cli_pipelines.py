# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Heroku CLI promotes on the local Heroku: what was tried on staging runs in production."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.heroku.cli import Cli
from tests.heroku.local import APP, Local, TinyApp
from tests.heroku.pipeline import STAGING, serving_pipeline, stage


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    folder = tmp_path_factory.mktemp("heroku")
    with serving_pipeline(folder / "state", folder / "programs") as local:
        yield local


def test_a_pipeline_and_its_apps_are_shown(cli: Cli) -> None:
    """Who looks where a promotion goes has to see it."""
    done = cli("pipelines:info", "shop")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row for row in rows if row[-1:] in (["staging"], ["production"])] == [
        [STAGING, "staging"],
        [APP, "production"],
    ]


def test_a_promotion_releases_the_same_slug(cli: Cli, local: Local, tiny: TinyApp) -> None:
    """Production would get something else than what was tried."""
    tiny.procfile("web: node server.js", "release: echo migrating $GREETING; sleep 2")
    commit = stage(local, tiny, "promoted")
    done = cli("pipelines:promote", "--app", STAGING)
    assert done.returncode == 0, done.stderr
    assert "Promotion successful" in done.stdout
    assert "migrating hello" in done.stdout, "the release command runs on the target, with its config vars"
    newest = local.releases()[-1]
    staged = local.get(f"/apps/{STAGING}/releases")[-1]
    assert newest["slug"] == staged["slug"]
    assert newest["description"] == f"Promote {STAGING} v{staged['version']} ({commit[:8]})"
    local.wait_for_dyno("up", newest["version"])
    assert local.web().json()["commit"] == commit


def test_a_promotion_whose_release_command_fails_is_a_failure(cli: Cli, local: Local, tiny: TinyApp) -> None:
    """A slug can do well on staging and fail on production's data."""
    tiny.procfile("web: node server.js", f"release: test $HEROKU_APP_NAME = {STAGING}")
    stage(local, tiny, "fails on production")
    live = local.web().json()["commit"]
    done = cli("pipelines:promote", "--app", STAGING)
    assert "Promotion to some apps failed" in done.stderr
    assert local.releases()[-1]["status"] == "failed"
    assert local.web().json()["commit"] == live


def test_promotions_that_cannot_be(local: Local) -> None:
    """Nothing may be released by a request that names the wrong app."""
    before = local.releases()
    pipeline = local.get("/pipelines")[0]
    ids = {name: local.get(f"/apps/{name}")["id"] for name in (APP, STAGING)}
    body = {"pipeline": {"id": pipeline["id"]}, "source": {"app": {"id": ids[APP]}}}
    for targets in ([], [{"app": {"id": ids[APP]}}], [{"app": {"id": "nobody"}}]):
        assert local.ask("POST", "/pipeline-promotions", json={**body, "targets": targets}).status_code == 422
    assert local.releases() == before


def test_a_pipeline_survives_a_restart(local: Local) -> None:
    before = local.get("/pipelines")
    local.stop()
    local.start()
    assert local.get("/pipelines") == before
    assert json.loads((Path(local.state_dir) / "heroku.json").read_text())["promotions"]
