# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynos: the processes of an app's current release, kept running as Heroku's dyno manager keeps them."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.heroku import orphans, processes
from sandbox.heroku.config import Config
from sandbox.heroku.faults import Faults
from sandbox.heroku.logs import LogBook
from sandbox.heroku.models import App, Release, Slug, new_id, now

BOOT_SECONDS = 60
STOP_SECONDS = 30
FIRST_COOL_OFF = 1
COOL_OFF = 20 * 60
LONGEST_COOL_OFF = 24 * 60 * 60
LOOK_FOR_IDLE_SECONDS = 0.2
LOGGED_AS = {"idle": "down"}
"""States that the log calls otherwise than the API. [GUESS] that the API says idle: the log's words are recorded."""


@dataclass
class Dyno:
    """One dyno. ``state`` is starting, up, crashed, idle or down; ``port`` is where its web server has to listen."""

    name: str
    command: str
    size: str
    release: Release
    env: dict[str, str]
    cwd: Path
    log: LogBook
    predecessor: Dyno | None = None
    id: str = field(default_factory=new_id)
    port: int = field(default_factory=processes.free_port)
    state: str = "starting"
    updated_at: str = field(default_factory=now)
    created_at: str = field(default_factory=now)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    process: Process | None = None
    task: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    asleep: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    used_at: float = field(default_factory=time.monotonic)

    @property
    def type(self) -> str:
        """The process type: ``web`` for ``web.1``."""
        return self.name.partition(".")[0]

    def say(self, text: str) -> None:
        """Write a line of the dyno manager to the app's log."""
        self.log.write("heroku", self.name, text)

    def output(self, text: str) -> None:
        """Write a line that the process printed to the app's log."""
        self.log.write("app", self.name, text)

    def enter(self, state: str) -> None:
        """Change the state, and say so."""
        if state != self.state:
            before, after = (LOGGED_AS.get(each, each) for each in (self.state, state))
            self.say(f"State changed from {before} to {after}")
        self.state, self.updated_at, self.used_at = state, now(), time.monotonic()
        self.changed.set()
        self.changed = asyncio.Event()


class Dynos:
    """All dynos of all apps, one dictionary of names per app.

    With preboot there are old web dynos beside them: unseen, but they serve until the switch.
    """

    def __init__(self, state_dir: Path, config: Config, faults: Faults, log_of: Callable[[App], LogBook]) -> None:
        self._state_dir = state_dir
        self._config = config
        self._faults = faults
        self._log_of = log_of
        self._dynos: dict[str, dict[str, Dyno]] = {}
        self._old: dict[str, list[Dyno]] = {}
        self._switches: dict[str, asyncio.Task[None]] = {}
        self._idling: asyncio.Task[None] | None = None
        self._requests: Counter[str] = Counter()
        self._stops: set[asyncio.Task[None]] = set()
        self._pids = orphans.PidFiles(state_dir / "run")

    def of(self, app: App) -> list[Dyno]:
        """The dynos of an app, by name; while a release command runs its dyno is among them."""
        return [dyno for _, dyno in sorted(self._dynos.setdefault(app.id, {}).items())]

    def serving(self, app: App) -> list[Dyno]:
        """The web dynos that requests go to: with preboot the old ones, as long as there are any."""
        return self._old.get(app.id) or [dyno for dyno in self.of(app) if dyno.type == "web"]

    def preboot(self, app: App) -> bool:
        """Whether new web dynos of this app start beside the old ones."""
        return app.preboot or self._faults.active("preboot")

    @property
    def eco(self) -> bool:
        """Whether the apps' dynos are eco dynos, which fall asleep."""
        return self._faults.active("eco_sleep")

    def wake(self, app: App) -> None:
        """Start the dynos of an app that have fallen asleep."""
        for dyno in self.of(app):
            if dyno.state == "idle":
                dyno.say("Unidling")
                dyno.enter("starting")
                dyno.woken.set()

    @contextmanager
    def requested(self, app: App) -> Iterator[None]:
        """While a request is answered the app's dynos do not fall asleep; the time counts from its end."""
        self._requests[app.id] += 1
        try:
            yield
        finally:
            self._requests[app.id] -= 1
            for dyno in self.of(app):
                dyno.used_at = time.monotonic()

    def start_all(self, apps: list[App]) -> None:
        """After a start of the server: end what an earlier server left, then run every current release."""
        self._pids.end_orphans()
        for app in apps:
            self.restart(app)
        self._idling = asyncio.create_task(self._watch_idle(apps))

    async def stop_all(self) -> None:
        """End every dyno and wait until it has ended."""
        for task in (self._idling, *self._switches.values()):
            if task:
                task.cancel()
        everyone = [dyno for dynos in self._dynos.values() for dyno in dynos.values()]
        everyone += [dyno for dynos in self._old.values() for dyno in dynos]
        await asyncio.gather(*self._stops, *(self._stop(dyno) for dyno in everyone))

    def restart(self, app: App, selector: str | None = None) -> bool:
        """Replace dynos (all, of a type, or one by name) by fresh ones of the current release; False: none such."""
        found = False
        for name in self._wanted(app):
            if selector in (None, name, name.partition(".")[0]):
                self._replace(app, name)
                found = True
        if self._old.get(app.id):
            self._begin_switch(app)
        return found

    def scale(self, app: App) -> None:
        """Start the dynos that the formation asks for and that are missing; stop those it does not ask for."""
        present, wanted = self._dynos.setdefault(app.id, {}), self._wanted(app)
        for name in wanted:
            if name not in present:
                self._replace(app, name)
        for name in [n for n in present if n not in wanted and present[n].type != "release"]:
            self._spare(present.pop(name))

    async def stop(self, app: App, selector: str) -> bool:
        """Stop dynos by name or type until the next restart; False: none such."""
        chosen = [dyno for dyno in self.of(app) if selector in (dyno.name, dyno.type)]
        await asyncio.gather(*(self._stop(dyno) for dyno in chosen))
        for dyno in chosen:
            dyno.enter("down")
        return bool(chosen)

    async def run_release_command(self, app: App, release: Release, slug: Slug, sink: Callable[[str], None]) -> int:
        """Run the ``release`` command of a slug in a dyno of its own; return its exit status."""
        name = f"release.{1000 + secrets.randbelow(9000)}"
        dyno = self._make(app, release, slug, name)
        self._dynos.setdefault(app.id, {})[name] = dyno
        dyno.say(f"Starting process with command `{dyno.command}`")
        dyno.enter("up")

        def both(text: str) -> None:
            sink(text)
            dyno.output(text)

        try:
            status = await self._run_process(dyno, both)
            dyno.enter("complete")
            return status
        finally:
            del self._dynos[app.id][name]

    def _wanted(self, app: App) -> list[str]:
        slug = app.slug_of(app.current)
        types = slug.process_types if slug else {}
        rows = ((kind, row.quantity) for kind, row in app.formation.items() if kind in types and kind != "release")
        return [f"{kind}.{number}" for kind, quantity in rows for number in range(1, quantity + 1)]

    def _replace(self, app: App, name: str) -> None:
        release = app.current
        slug = app.slug_of(release)
        if release is None or slug is None:
            return
        dyno = self._make(app, release, slug, name)
        old = self._dynos.setdefault(app.id, {}).get(name)
        if old and dyno.type == "web" and self.preboot(app):
            self._preboot(app, old)
        else:
            dyno.predecessor = old
        self._dynos[app.id][name] = dyno
        dyno.task = asyncio.create_task(self._keep_running(dyno))

    def _preboot(self, app: App, old: Dyno) -> None:
        """Let an old web dyno serve until the switch; [GUESS] one that has not served yet is stopped at once."""
        if old.state == "up" and app.id not in self._switches:
            self._old.setdefault(app.id, []).append(old)
        else:
            self._spare(old)

    def _begin_switch(self, app: App) -> None:
        if earlier := self._switches.get(app.id):
            earlier.cancel()
        self._switches[app.id] = asyncio.create_task(self._switch(app))

    async def _switch(self, app: App) -> None:
        """Stop the old web dynos some time after the new ones have booted, so that these get the requests.

        By the clock, as documented; Heroku counts 2 minutes from the boot timeout, this server ``preboot_seconds`` from
        the end of the boots. [GUESS] also when the new ones have crashed; a newer release begins the count anew.
        """
        while booting := [dyno for dyno in self.of(app) if dyno.type == "web" and dyno.state == "starting"]:
            await booting[0].changed.wait()
        await asyncio.sleep(self._config.preboot_seconds)
        del self._switches[app.id]
        for old in self._old.pop(app.id):
            self._spare(old)

    async def _watch_idle(self, apps: list[App]) -> None:
        """Let eco dynos, [GUESS] of all types, sleep some time after the last request; else wake them."""
        while True:
            await asyncio.sleep(LOOK_FOR_IDLE_SECONDS)
            for app in apps:
                if not self.eco:
                    self.wake(app)
                elif not self._requests[app.id]:
                    self._idle(app)

    def _idle(self, app: App) -> None:
        oldest = time.monotonic() - self._config.eco_idle_seconds
        for dyno in self.of(app):
            if dyno.state == "up" and dyno.used_at < oldest and dyno.process and dyno.type != "release":
                dyno.say("Idling")
                dyno.woken.clear()
                dyno.asleep = True
                dyno.enter("idle")
                self._spare_task(_terminate(dyno, dyno.process))

    def _make(self, app: App, release: Release, slug: Slug, name: str) -> Dyno:
        kind = name.partition(".")[0]
        size = app.formation[kind].size if kind in app.formation else "Standard-1X"
        cwd = self._state_dir / "slugs" / slug.id
        dyno = Dyno(name, slug.process_types[kind], size, release, {}, cwd, self._log_of(app))
        dyno.env = self._environment(app, release, slug, dyno)
        return dyno

    def _environment(self, app: App, release: Release, slug: Slug, dyno: Dyno) -> dict[str, str]:
        metadata = {
            "HEROKU_APP_ID": app.id,
            "HEROKU_APP_NAME": app.name,
            "HEROKU_DYNO_ID": dyno.id,
            "HEROKU_RELEASE_CREATED_AT": release.created_at,
            "HEROKU_RELEASE_VERSION": f"v{release.version}",
            "HEROKU_SLUG_COMMIT": slug.commit,
            "HEROKU_SLUG_DESCRIPTION": release.description,
        }
        basics = {"PATH": self._config.path, "HOME": str(dyno.cwd), "LANG": "C.UTF-8", "NODE_ENV": "production"}
        return basics | release.config_vars | metadata | {"DYNO": dyno.name, "PORT": str(dyno.port)}

    async def _keep_running(self, dyno: Dyno) -> None:
        """The life of a dyno: take the place of its predecessor, run, and after a crash run again, ever later."""
        if dyno.predecessor:
            await self._take_over(dyno, dyno.predecessor)
        cool_off = FIRST_COOL_OFF
        while not dyno.stop.is_set():
            dyno.say(f"Starting process with command `{dyno.command}`")
            await self._run_process(dyno, dyno.output)
            if dyno.asleep:
                await dyno.woken.wait()
                dyno.asleep = False
                continue
            await _cool_off(dyno, cool_off)
            cool_off = min(max(2 * cool_off, COOL_OFF), LONGEST_COOL_OFF)

    async def _take_over(self, dyno: Dyno, old: Dyno) -> None:
        dyno.say("Restarting")
        if old.state != "starting":
            dyno.say(f"State changed from {old.state} to starting")
        await self._stop(old)
        dyno.predecessor = None

    async def _run_process(self, dyno: Dyno, sink: Callable[[str], None]) -> int:
        process = dyno.process = await processes.spawn(dyno.command, dyno.cwd, dyno.env)
        self._pids.add(dyno.id, process.pid)
        if dyno.stop.is_set():
            processes.kill_group(process.pid, signal.SIGTERM)
        boot = asyncio.create_task(_watch_boot(dyno, process))
        try:
            await processes.pump(process, sink)
            status = processes.exit_status(await process.wait())
            dyno.say(f"Process exited with status {status}")
            return status
        finally:
            boot.cancel()
            processes.kill_group(process.pid, signal.SIGKILL)
            self._pids.remove(dyno.id)
            dyno.process = None

    def _spare(self, dyno: Dyno) -> None:
        self._spare_task(self._stop(dyno))

    def _spare_task(self, ending: Coroutine[None, None, None]) -> None:
        stop = asyncio.create_task(ending)
        self._stops.add(stop)
        stop.add_done_callback(self._stops.discard)

    async def _stop(self, dyno: Dyno) -> None:
        first = not dyno.stop.is_set()
        dyno.stop.set()
        dyno.woken.set()
        if first and dyno.process:
            await _terminate(dyno, dyno.process)
        if dyno.task:
            await asyncio.wait([dyno.task])


async def _cool_off(dyno: Dyno, seconds: int) -> None:
    """Leave a dyno crashed for a while, unless it was told to stop."""
    if dyno.stop.is_set():
        return
    dyno.enter("crashed")
    try:
        await asyncio.wait_for(dyno.stop.wait(), seconds)
    except TimeoutError:
        dyno.enter("starting")


async def _watch_boot(dyno: Dyno, process: Process) -> None:
    """Call a web dyno up once its port answers, and end it (R10) when that takes too long; others are up at once."""
    if dyno.type == "web":
        for _ in range(BOOT_SECONDS * 10):
            if await processes.accepts(dyno.port):
                break
            await asyncio.sleep(0.1)
        else:
            dyno.say(f"Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {BOOT_SECONDS} seconds")
            dyno.say("Stopping process with SIGKILL")
            processes.kill_group(process.pid, signal.SIGKILL)
            return
    if not dyno.stop.is_set():
        dyno.enter("up")


async def _terminate(dyno: Dyno, process: Process) -> None:
    dyno.say("Stopping all processes with SIGTERM")
    processes.kill_group(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        dyno.say("Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM")
        dyno.say("Stopping remaining processes with SIGKILL")
        processes.kill_group(process.pid, signal.SIGKILL)
