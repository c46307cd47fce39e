# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of a dyno's life, with short ones in place of Heroku's 60, 30 and 1200 seconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sandbox.heroku import dynos
from sandbox.heroku.config import Config
from sandbox.heroku.dynos import Dyno, Dynos
from sandbox.heroku.faults import Faults
from sandbox.heroku.logs import LogBook
from sandbox.heroku.models import App, Process, Release, Slug

LISTEN = "exec python3 -m http.server --bind 127.0.0.1 $PORT"


class Stage:
    """An app with one web dyno that runs a command."""

    def __init__(self, folder: Path, command: str) -> None:
        slug = Slug("slug", "commit", {"web": command}, 0)
        release = Release(1, "Deploy", "succeeded", {}, slug_id=slug.id)
        self.app = App("shop", "http://localhost/", {}, formation={"web": Process(1)}, releases=[release])
        self.app.slugs[slug.id] = slug
        self.app.current_release_id = release.id
        (folder / "slugs" / slug.id).mkdir(parents=True)
        self.log = LogBook(folder / "logs" / "shop.log")
        config = Config("", "", "", "", folder, 0, [], preboot_seconds=0.5, eco_idle_seconds=0.5)
        self.dynos = Dynos(folder, config, Faults(folder), lambda _: self.log)

    @property
    def dyno(self) -> Dyno:
        """The web dyno."""
        return self.dynos.of(self.app)[0]

    async def reaches(self, state: str) -> None:
        """Wait until the dyno is in a state."""
        async with asyncio.timeout(30):
            while self.dyno.state != state:
                await self.dyno.changed.wait()

    def lines(self) -> str:
        """The log, without times."""
        return "\n".join(str(line).partition(" ")[2] for line in self.log.lines)


def living(group: int) -> list[int]:
    """The processes of a group that still run; one that init has yet to reap is dead."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid, _, rest = stat.read_text().partition(" (")
            state, _, process_group = rest.rpartition(") ")[2].split()[:3]
            if int(process_group) == group and state not in "ZX":
                found.append(int(pid))
    return found


def play(stage: Stage, scene: Callable[[], Awaitable[None]]) -> None:
    """Start the dyno, play a scene, stop everything."""

    async def whole() -> None:
        stage.dynos.start_all([stage.app])
        try:
            await scene()
        finally:
            await stage.dynos.stop_all()

    asyncio.run(whole())


def test_a_dyno_that_does_not_listen_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R10: an app that never binds its port is crashed; it must not be starting for ever."""
    monkeypatch.setattr(dynos, "BOOT_SECONDS", 1)
    stage = Stage(tmp_path, "exec sleep 300")
    play(stage, lambda: stage.reaches("crashed"))
    assert "heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind to $PORT" in stage.lines()
    assert "heroku[web.1]: Process exited with status 137" in stage.lines()


def test_a_dyno_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R12: a process that will not end must neither keep its port nor hold up a deploy."""
    monkeypatch.setattr(dynos, "STOP_SECONDS", 1)
    stage = Stage(tmp_path, "trap '' TERM; python3 -m http.server --bind 127.0.0.1 $PORT")
    pids: list[int] = []

    async def scene() -> None:
        await stage.reaches("up")
        assert stage.dyno.process is not None
        pids.append(stage.dyno.process.pid)
        stage.dynos.restart(stage.app)
        await stage.reaches("up")

    play(stage, scene)
    assert "heroku[web.1]: Error R12 (Exit timeout)" in stage.lines()
    assert living(pids[0]) == []


def test_a_crashed_dyno_is_started_again_at_once_and_then_later(tmp_path: Path) -> None:
    """One restart after a second; after that the dyno rests for 20 minutes and stays crashed."""
    stage = Stage(tmp_path, "exit 3")

    async def scene() -> None:
        crashed = "State changed from starting to crashed"
        async with asyncio.timeout(30):
            while stage.lines().count(crashed) < 2:
                await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        assert stage.lines().count(crashed) == 2

    play(stage, scene)
    assert stage.lines().count("heroku[web.1]: Process exited with status 3") == 2


def test_a_restart_during_a_restart_leaves_one_process(tmp_path: Path) -> None:
    """Two releases in quick succession: the dyno between them must not live on unseen."""
    stage = Stage(tmp_path, LISTEN)

    async def scene() -> None:
        await stage.reaches("up")
        stage.dynos.restart(stage.app)
        middle = stage.dyno
        stage.dynos.restart(stage.app)
        await stage.reaches("up")
        assert middle.process is None
        assert len(list((tmp_path / "run").iterdir())) == 1

    play(stage, scene)
    assert list((tmp_path / "run").iterdir()) == []


async def until(truth: Callable[[], bool]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(30):
        while not truth():
            await asyncio.sleep(0.05)


def test_preboot_keeps_the_old_dyno_serving_until_the_switch(tmp_path: Path) -> None:
    """Two releases in quick succession: the first dyno serves until the third does, the one between never does."""
    stage = Stage(tmp_path, LISTEN)
    stage.app.preboot = True

    async def scene() -> None:
        await stage.reaches("up")
        old = stage.dyno
        stage.dynos.restart(stage.app)
        middle = stage.dyno
        await stage.reaches("up")
        stage.dynos.restart(stage.app)
        await stage.reaches("up")
        assert stage.dynos.serving(stage.app) == [old]
        await until(lambda: stage.dynos.serving(stage.app) == [stage.dyno])
        await until(lambda: old.process is None and middle.process is None)

    play(stage, scene)
    assert "State changed from up to starting" not in stage.lines()
    assert "Restarting" not in stage.lines()
    assert list((tmp_path / "run").iterdir()) == []


def test_preboot_switches_to_dynos_that_crash(tmp_path: Path) -> None:
    """The switch goes by the clock: a bad release takes over all the same, only later."""
    stage = Stage(tmp_path, LISTEN)
    stage.app.preboot = True

    async def scene() -> None:
        await stage.reaches("up")
        old = stage.dyno
        stage.app.slugs["slug"].process_types["web"] = "exit 3"
        stage.dynos.restart(stage.app)
        await stage.reaches("crashed")
        assert stage.dynos.serving(stage.app) == [old]
        await until(lambda: stage.dynos.serving(stage.app) == [stage.dyno])

    play(stage, scene)


def test_an_eco_dyno_never_sleeps_during_a_request(tmp_path: Path) -> None:
    """A slow answer would be cut off; and without eco dynos nobody sleeps at all."""
    stage = Stage(tmp_path, LISTEN)
    faults = tmp_path / "faults.json"

    async def scene() -> None:
        await stage.reaches("up")
        with stage.dynos.requested(stage.app):
            faults.write_text('{"faults": ["eco_sleep"]}')
            await asyncio.sleep(1.5)
            assert stage.dyno.state == "up"
        await stage.reaches("idle")
        await until(lambda: stage.dyno.process is None)
        faults.write_text('{"faults": []}')
        await stage.reaches("up")

    play(stage, scene)


def test_a_sleeping_dyno_can_be_replaced(tmp_path: Path) -> None:
    """A deploy to an app that sleeps must not wait for a process that is not there."""
    (tmp_path / "faults.json").write_text('{"faults": ["eco_sleep"]}')
    stage = Stage(tmp_path, LISTEN)

    async def scene() -> None:
        await stage.reaches("idle")
        stage.dynos.restart(stage.app)
        await stage.reaches("up")

    play(stage, scene)
