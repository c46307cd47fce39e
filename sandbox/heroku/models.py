# SPDX-License-Identifier: GPL-3.0-or-later
"""What the local Heroku remembers, as plain dataclasses that go to JSON and back."""

from __future__ import annotations

import dataclasses
import typing
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

STACK = "heroku-24"
REGION = "eu"


def new_id() -> str:
    """A fresh UUID, as every resource of the Platform API carries one."""
    return str(uuid.uuid4())


def now() -> str:
    """This moment as the Platform API writes it: ``2026-11-24T02:53:01Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def data_time(moment: datetime) -> str:
    """A moment as the data API writes it: ``2026-11-24 02:53:01 +0000``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")


def data_now() -> str:
    """This moment as the data API writes it."""
    return data_time(datetime.now(UTC))


@dataclass
class Process:
    """One row of the formation: how many dynos of a type, and of which size."""

    quantity: int
    size: str = "Standard-1X"
    id: str = field(default_factory=new_id)
    updated_at: str = field(default_factory=now)


@dataclass
class Slug:
    """A built app. Its files lie in ``slugs/<id>/``; ``size`` is their total in bytes."""

    id: str
    commit: str
    process_types: dict[str, str]
    size: int
    created_at: str = field(default_factory=now)


@dataclass
class Release:
    """A slug together with the config vars it ran with. ``status`` is pending, succeeded or failed.

    ``user`` is the email of a colleague who made it; None: the account of this server.
    """

    version: int
    description: str
    status: str
    config_vars: dict[str, str]
    slug_id: str | None = None
    output_id: str | None = None
    user: str | None = None
    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass
class Build:
    """One run of the buildpack. ``status`` is pending, succeeded or failed."""

    commit: str
    source_url: str
    output_id: str
    checksum: str | None = None
    status: str = "pending"
    slug_id: str | None = None
    release_id: str | None = None
    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass
class Coupling:
    """The place of an app in a pipeline: its stage is development, staging or production."""

    app_id: str
    stage: str
    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)


@dataclass
class Pipeline:
    """Apps in stages."""

    name: str
    couplings: list[Coupling] = field(default_factory=list)
    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)


@dataclass
class PromotionTarget:
    """An app that a slug was promoted to, and the release that this made there."""

    app_id: str
    release_id: str
    id: str = field(default_factory=new_id)


@dataclass
class Promotion:
    """One release of one app, promoted to others."""

    pipeline_id: str
    source_app_id: str
    source_release_id: str
    targets: list[PromotionTarget] = field(default_factory=list)
    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)


@dataclass
class LogMessage:
    """One line that pg_dump or pg_restore wrote."""

    created_at: str
    level: str
    message: str


@dataclass
class Transfer:
    """A backup (database to file) or a restore (file to database); sizes are bytes."""

    num: int
    kind: str
    uuid: str = field(default_factory=new_id)
    source_uuid: str | None = None
    source_bytes: int | None = None
    processed_bytes: int = 0
    succeeded: bool | None = None
    created_at: str = field(default_factory=data_now)
    started_at: str | None = None
    canceled_at: str | None = None
    updated_at: str | None = None
    finished_at: str | None = None
    logs: list[LogMessage] = field(default_factory=list)


@dataclass
class Schedule:
    """A daily backup as asked for; the sandbox keeps it and shows it, and never runs it."""

    name: str
    hour: int
    timezone: str
    uuid: str = field(default_factory=new_id)
    created_at: str = field(default_factory=data_now)


@dataclass
class Database:
    """The heroku-postgresql add-on of an app and its attachment ``DATABASE``."""

    name: str
    plan: str
    id: str = field(default_factory=new_id)
    attachment_id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)


@dataclass
class App:
    """One app with everything that belongs to it."""

    name: str
    web_url: str
    config_vars: dict[str, str]
    database: Database | None = None
    formation: dict[str, Process] = field(default_factory=dict)
    maintenance: bool = False
    preboot: bool = False
    current_release_id: str | None = None
    releases: list[Release] = field(default_factory=list)
    slugs: dict[str, Slug] = field(default_factory=dict)
    builds: list[Build] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)
    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)

    @property
    def current(self) -> Release | None:
        """The release whose slug the dynos run."""
        return next((r for r in self.releases if r.id == self.current_release_id), None)

    def release(self, key: str) -> Release | None:
        """The release with this UUID or version number."""
        return next((r for r in self.releases if key in (r.id, str(r.version))), None)

    def slug_of(self, release: Release | None) -> Slug | None:
        """The slug a release runs; none before the first deploy."""
        return self.slugs[release.slug_id] if release and release.slug_id else None

    def take(self, slug: Slug) -> None:
        """Keep a slug, so that it can be released; its process types join the formation."""
        self.slugs[slug.id] = slug
        for kind in slug.process_types:
            self.formation.setdefault(kind, Process(1 if kind == "web" else 0))

    def transfer(self, key: str) -> Transfer | None:
        """The transfer with this UUID or number."""
        return next((t for t in self.transfers if key in (t.uuid, str(t.num))), None)


@dataclass
class State:
    """The whole memory of the server."""

    account_id: str = field(default_factory=new_id)
    signing_key: str = field(default_factory=lambda: uuid.uuid4().hex)
    apps: list[App] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    promotions: list[Promotion] = field(default_factory=list)


def revive(kind: typing.Any, value: typing.Any) -> typing.Any:
    """Turn what ``json`` read back into the dataclass (or list, dict, union of it) it was written from."""
    if value is None:
        return None
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: revive(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return [revive(arguments[0], item) for item in value]
    if origin is dict:
        return {key: revive(arguments[1], item) for key, item in value.items()}
    if arguments:
        return revive(next(a for a in arguments if a is not type(None)), value)
    return value
