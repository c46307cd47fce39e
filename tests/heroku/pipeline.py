# SPDX-License-Identifier: GPL-3.0-or-later
"""A local Heroku with two apps in a pipeline: what is tried on one is promoted to the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.heroku.local import APP, Local, TinyApp, wait_until

STAGING = f"{APP}-staging"


@contextmanager
def serving_pipeline(state_dir: Path, programs: Path) -> Iterator[Local]:
    """``shop-staging`` (which has no dyno) and ``shop``, until the end of the block."""
    local = Local(state_dir)
    local.configure("postgres://nobody@localhost/nothing", programs)
    file = state_dir / "config.json"
    config = json.loads(file.read_text())
    staging = {"name": STAGING, "web_url": local.url, "config_vars": {"GREETING": "test"}, "formation": {"web": 0}}
    config["apps"].append(staging)
    config["pipelines"] = [{"name": "shop", "couplings": {STAGING: "staging", APP: "production"}}]
    file.write_text(json.dumps(config))
    local.start()
    try:
        yield local
    finally:
        if local.process:
            local.stop()


def stage(local: Local, tiny: TinyApp, text: str) -> str:
    """Build a commit of the app on staging and wait until it is live there; returns the commit."""
    commit = tiny.commit(text)
    tarball = tiny.folder.parent / "staging.tar"
    tiny.git("archive", f"--output={tarball}", commit)
    source = local.post("/sources")["source_blob"]
    httpx.put(source["put_url"], content=tarball.read_bytes(), trust_env=False).raise_for_status()
    local.post(f"/apps/{STAGING}/builds", {"source_blob": {"url": source["get_url"], "version": commit}})

    def live() -> bool:
        newest = local.get(f"/apps/{STAGING}/releases")[-1]
        slug = newest["slug"]
        of_commit = slug and local.get(f"/apps/{STAGING}/slugs/{slug['id']}")["commit"] == commit
        return bool(of_commit and newest["current"])

    wait_until(live, f"{text} is live on staging")
    return commit
