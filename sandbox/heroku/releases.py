# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases: a slug and config vars become what runs, after the release command has succeeded."""

from __future__ import annotations

import asyncio

from sandbox.heroku.dynos import Dynos
from sandbox.heroku.faults import Faults
from sandbox.heroku.logs import LogBook
from sandbox.heroku.models import App, Release, Slug, now
from sandbox.heroku.store import Store
from sandbox.heroku.streams import Outputs

RELEASE_COMMAND_SECONDS = 60 * 60
COLLEAGUE = "colleague@shop.example"
COLLEAGUE_SETS = {"COLLEAGUE_WAS_HERE": "yes"}


class Releases:
    """Makes releases; those with a release command become current only when it succeeds."""

    def __init__(
        self,
        store: Store,
        logs: dict[str, LogBook],
        outputs: Outputs,
        dynos: Dynos,
        faults: Faults,
        user: str,
    ) -> None:
        self._store = store
        self._logs = logs
        self._outputs = outputs
        self._dynos = dynos
        self._faults = faults
        self._user = user
        self._phases: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    def create(
        self, app: App, slug: Slug | None, config_vars: dict[str, str], description: str, user: str | None = None
    ) -> Release:
        """Add a release, of a colleague's if a user is named. It is pending while its command runs, else current."""
        output_id = self._outputs.open() if slug and "release" in slug.process_types else None
        release = Release(
            version=max(r.version for r in app.releases) + 1,
            description=description,
            status="pending" if output_id else "succeeded",
            config_vars=dict(config_vars),
            slug_id=slug.id if slug else None,
            output_id=output_id,
            user=user,
        )
        app.releases.append(release)
        app.config_vars = dict(config_vars)
        log = self._logs[app.id]
        log.api(f"{description} by user {user or self._user}")
        if slug and output_id:
            log.api(f"Running release v{release.version} commands by user {user or self._user}")
            self._phases[release.id] = asyncio.create_task(self._release_phase(app, release, slug, output_id))
        else:
            self._make_current(app, release)
        self._store.save()
        return release

    async def settled(self, release: Release) -> None:
        """Return when the release is no longer pending."""
        if phase := self._phases.get(release.id):
            await asyncio.wait([phase])

    def fail_interrupted(self) -> None:
        """[GUESS] After a start of the server: a release command that was running then has failed."""
        for app in self._store.state.apps:
            for release in app.releases:
                if release.status == "pending":
                    self._fail(app, release)

    async def _release_phase(self, app: App, release: Release, slug: Slug, output_id: str) -> None:
        try:
            async with self._turns.setdefault(app.id, asyncio.Lock()), asyncio.timeout(RELEASE_COMMAND_SECONDS):
                status = await self._dynos.run_release_command(
                    app, release, slug, lambda text: self._outputs.write(output_id, f"{text}\n")
                )
        except TimeoutError:
            status = 1
        self._settle(app, release, status)
        self._store.save()
        self._outputs.close(output_id)

    def _settle(self, app: App, release: Release, exit_status: int) -> None:
        if exit_status:
            self._fail(app, release)
            return
        release.status, release.updated_at = "succeeded", now()
        self._make_current(app, release)

    def _make_current(self, app: App, release: Release) -> None:
        """Run a release, unless a newer one got there first while its command ran."""
        self._logs[app.id].api(f"Release v{release.version} created by user {release.user or self._user}")
        if app.current is None or app.current.version < release.version:
            app.current_release_id = release.id
            self._dynos.restart(app)
            self._dynos.scale(app)
        if _is_new(app, release) and self._faults.take("concurrent_release"):
            fresh, names = app.config_vars | COLLEAGUE_SETS, ", ".join(COLLEAGUE_SETS)
            self.create(app, app.slug_of(release), fresh, f"Set {names} config vars", COLLEAGUE)

    def _fail(self, app: App, release: Release) -> None:
        release.status, release.updated_at = "failed", now()
        self._logs[app.id].api(f"Release v{release.version} command failed by user {release.user or self._user}")


def _is_new(app: App, release: Release) -> bool:
    """Whether this release is the first of its slug."""
    return release.slug_id is not None and [r.slug_id for r in app.releases].count(release.slug_id) == 1
