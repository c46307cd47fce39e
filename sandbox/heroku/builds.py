# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds: a source tarball becomes a slug, and the slug a release."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
import shutil
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

from sandbox.heroku import processes
from sandbox.heroku.config import Config
from sandbox.heroku.faults import Faults
from sandbox.heroku.logs import LogBook
from sandbox.heroku.models import App, Build, Release, Slug, new_id, now
from sandbox.heroku.releases import Releases
from sandbox.heroku.store import Store
from sandbox.heroku.streams import Outputs

INDENT = " " * 7
BANNER = " !     "


class BuildFailed(Exception):
    """The buildpack ended with an error; the text says which, for the person who pushed."""


class Builds:
    """Runs builds, one at a time per app; [GUESS] others wait their turn."""

    def __init__(
        self,
        state_dir: Path,
        config: Config,
        store: Store,
        faults: Faults,
        logs: dict[str, LogBook],
        outputs: Outputs,
        releases: Releases,
    ) -> None:
        self._slugs = state_dir / "slugs"
        self._config = config
        self._store = store
        self._faults = faults
        self._logs = logs
        self._outputs = outputs
        self._releases = releases
        self._running: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    def start(self, app: App, tarball: Path, commit: str, source_url: str, checksum: str | None = None) -> Build:
        """Begin to build a source tarball of this commit; the tarball is read until the build ends."""
        build = Build(commit=commit, source_url=source_url, output_id=self._outputs.open(), checksum=checksum)
        app.builds.append(build)
        self._store.save()
        user = self._config.email
        self._logs[app.id].api(f"Build started by user {user}")
        self._running[build.id] = asyncio.create_task(self._run(app, build, tarball))
        return build

    def cancel(self, build: Build) -> bool:
        """Stop a build that runs; False when it does not."""
        task = self._running.get(build.id)
        return bool(task and task.cancel())

    async def stop_all(self) -> None:
        """Cancel the builds that run; they have failed."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values())

    def fail_interrupted(self) -> None:
        """After a start of the server: a build that was running then has failed."""
        for app in self._store.state.apps:
            for build in app.builds:
                if build.status == "pending":
                    build.status, build.updated_at = "failed", now()

    async def push_output(self, app: App, build: Build) -> AsyncIterator[bytes]:
        """What ``git push`` shows: the build, then the release command, as they happen."""
        yield b"Compressing source files... done.\nBuilding source:\n\n"
        async for chunk in self._outputs.follow(build.output_id):
            yield chunk
        if build.status == "failed":
            yield f"{BANNER}Push failed\nVerifying deploy...\n\n!\tPush rejected to {app.name}.\n\n".encode()
            return
        yield b"Verifying deploy... done.\n"
        release = app.release(build.release_id or "")
        if release and release.output_id:
            async for chunk in self._release_output(release, release.output_id):
                yield chunk

    async def _release_output(self, release: Release, output_id: str) -> AsyncIterator[bytes]:
        yield b"Running release command...\n\n"
        async for chunk in self._outputs.follow(output_id):
            yield chunk
        await self._releases.settled(release)
        yield f"Waiting for release.... {'done' if release.status == 'succeeded' else 'failed'}.\n".encode()

    async def _run(self, app: App, build: Build, tarball: Path) -> None:
        log = self._logs[app.id]
        try:
            async with self._turns.setdefault(app.id, asyncio.Lock()):
                await self._make_slug(app, build, tarball)
            build.status = "succeeded"
            log.api("Build succeeded")
        except BuildFailed as error:
            self._say(build, f"{BANNER}{error}", "", f"{BANNER}Push rejected, failed to compile Node.js app.", "")
        except asyncio.CancelledError:
            self._say(build, f"{BANNER}The build was canceled.", "")
        finally:
            if build.status == "pending":
                build.status = "failed"
                link = f"https://dashboard.heroku.com/apps/{app.id}/activity/builds/{build.id}"
                log.api(f"Build failed -- check your build output: {link}")
            build.updated_at = now()
            self._store.save()
            self._outputs.close(build.output_id)
            del self._running[build.id]

    async def _make_slug(self, app: App, build: Build, tarball: Path) -> None:
        slug_id = new_id()
        folder = self._slugs / slug_id
        self._say(build, "-----> Building on the Heroku-24 stack", "-----> Using buildpack: heroku/nodejs")
        try:
            await asyncio.to_thread(_extract, tarball, folder, build.checksum)
            await self._compile(app, build, folder)
            process_types = self._discover(build, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._say(build, "-----> Compressing...")
        size = await asyncio.to_thread(_total_size, folder)
        self._say(build, f"{INDENT}Done: {_megabytes(size)}", "-----> Launching...")
        slug = Slug(slug_id, build.commit, self._faults.taint(process_types, self._config.slow_release_seconds), size)
        self._launch(app, build, slug)

    def _launch(self, app: App, build: Build, slug: Slug) -> None:
        app.take(slug)
        release = self._releases.create(app, slug, app.config_vars, f"Deploy {build.commit[:8]}")
        build.slug_id, build.release_id = slug.id, release.id
        if release.output_id:
            warning = "Release command declared: this new release will not be available until the command succeeds."
            self._say(build, f"{BANNER}{warning}")
        self._say(build, f"{INDENT}Released v{release.version}", f"{INDENT}{app.web_url} deployed to Heroku", "")

    async def _compile(self, app: App, build: Build, folder: Path) -> None:
        if not (folder / "package.json").exists():
            raise BuildFailed("No default language could be detected for this app: it has no package.json.")
        self._say(build, "-----> Node.js app detected", "-----> Installing dependencies")
        env = self._environment(app, folder)
        locked = (folder / "package-lock.json").exists()
        await self._step(build, folder, env, "npm ci" if locked else "npm install", "--omit=dev")
        if self._faults.take("build_fails"):
            raise BuildFailed("sandbox fault: build_fails")
        if "build" in _package(folder).get("scripts", {}):
            self._say(build, "-----> Build")
            await self._step(build, folder, env, "npm run build")
        self._say(build, "-----> Build succeeded!")

    async def _step(self, build: Build, folder: Path, env: dict[str, str], *words: str) -> None:
        command = " ".join(words)
        self._say(build, f"{INDENT}$ {command}")
        status = await processes.run(command, folder, env, lambda line: self._say(build, f"{INDENT}{line}"))
        if status:
            raise BuildFailed(f"{shlex.quote(command)} exited with status {status}.")

    def _environment(self, app: App, folder: Path) -> dict[str, str]:
        npm = {"cache": str(self._config.npm_cache), "prefer_offline": "true", "audit": "false", "fund": "false"}
        settings = {f"npm_config_{key}": value for key, value in npm.items()} | {"npm_config_update_notifier": "false"}
        return app.config_vars | settings | {"PATH": self._config.path, "HOME": str(folder), "CI": "true"}

    def _discover(self, build: Build, folder: Path) -> dict[str, str]:
        procfile = folder / "Procfile"
        self._say(build, "-----> Discovering process types")
        if procfile.exists():
            lines = (line.partition(":") for line in procfile.read_text().splitlines() if ":" in line)
            types = {kind.strip(): command.strip() for kind, _, command in lines if not kind.startswith("#")}
        else:
            types = {"web": "npm start"} if "start" in _package(folder).get("scripts", {}) else {}
        self._say(build, f"{INDENT}Procfile declares types -> {', '.join(sorted(types)) or '(none)'}", "")
        return types

    def _say(self, build: Build, *lines: str) -> None:
        self._outputs.write(build.output_id, "".join(f"{line}\n" for line in lines))


def _extract(tarball: Path, folder: Path, checksum: str | None) -> None:
    """Unpack the source. [GUESS] a checksum that does not fit fails the build."""
    folder.mkdir(parents=True)
    try:
        if checksum and checksum != f"SHA256:{hashlib.sha256(tarball.read_bytes()).hexdigest()}":
            raise BuildFailed(f"The source does not have the checksum {checksum}.")
        with tarfile.open(tarball) as archive:
            archive.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise BuildFailed(f"The source is not a tar archive that can be unpacked: {error}.") from None
    finally:
        tarball.unlink(missing_ok=True)


def _package(folder: Path) -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads((folder / "package.json").read_text()))
    except json.JSONDecodeError as error:
        raise BuildFailed(f"package.json is not JSON: {error}.") from None


def _total_size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}M"
