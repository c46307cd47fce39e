# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of the Platform API as JSON, in the shape of Heroku's schema."""

from __future__ import annotations

from typing import Any

from sandbox.heroku.core import Heroku
from sandbox.heroku.dynos import Dyno
from sandbox.heroku.models import REGION, STACK, App, Build, Database, Process, Release, Slug

Json = dict[str, Any]


class Views:
    """Shows resources to one client; links begin with the origin under which that client sees the server."""

    def __init__(self, heroku: Heroku, origin: str) -> None:
        self._heroku = heroku
        self._origin = origin

    @property
    def user(self) -> Json:
        """The one account, short."""
        return {"id": self._heroku.store.state.account_id, "email": self._heroku.config.email}

    def account(self) -> Json:
        """The one account."""
        created = min((app.created_at for app in self._heroku.apps), default=None)
        return self.user | {
            "name": None,
            "verified": True,
            "beta": False,
            "allow_tracking": False,
            "two_factor_authentication": False,
            "suspended_at": None,
            "created_at": created,
            "updated_at": created,
        }

    def app(self, app: App) -> Json:
        """An app."""
        release = app.current
        slug = app.slug_of(release)
        stack = {"id": STACK, "name": STACK}
        return {
            "id": app.id,
            "name": app.name,
            "acm": False,
            "archived_at": None,
            "build_stack": stack,
            "stack": stack,
            "buildpack_provided_description": "Node.js" if slug else None,
            "created_at": app.created_at,
            "updated_at": app.updated_at,
            "released_at": release.created_at if release else None,
            "generation": {"id": "cedar", "name": "cedar"},
            "git_url": f"{self._origin}/{app.name}.git",
            "web_url": app.web_url,
            "maintenance": app.maintenance,
            "owner": self.user,
            "process_tier": "eco" if self._heroku.dynos.eco else "production",
            "region": {"id": REGION, "name": REGION},
            "repo_size": None,
            "slug_size": slug.size if slug else None,
            "space": None,
            "team": None,
        }

    def release(self, app: App, release: Release) -> Json:
        """A release."""
        return {
            "id": release.id,
            "app": _short(app),
            "version": release.version,
            "description": release.description,
            "status": release.status,
            "current": release.id == app.current_release_id,
            "eligible_for_rollback": release.slug_id is not None and release.status == "succeeded",
            "addon_plan_names": [app.database.plan] if app.database else [],
            "artifacts": [{"type": "slug", "id": release.slug_id}] if release.slug_id else [],
            "slug": {"id": release.slug_id} if release.slug_id else None,
            "output_stream_url": self._stream(release.output_id),
            "user": self.user | ({"email": release.user} if release.user else {}),
            "created_at": release.created_at,
            "updated_at": release.updated_at,
        }

    def build(self, app: App, build: Build) -> Json:
        """A build."""
        return {
            "id": build.id,
            "app": _short(app),
            "buildpacks": [{"name": "heroku/nodejs", "url": "urn:buildpack:heroku/nodejs"}],
            "output_stream_url": self._stream(build.output_id),
            "release": {"id": build.release_id} if build.release_id else None,
            "slug": {"id": build.slug_id} if build.slug_id else None,
            "source_blob": {"url": build.source_url, "version": build.commit, "checksum": build.checksum},
            "stack": STACK,
            "status": build.status,
            "user": self.user,
            "created_at": build.created_at,
            "updated_at": build.updated_at,
        }

    def dyno(self, app: App, dyno: Dyno) -> Json:
        """A dyno."""
        return {
            "id": dyno.id,
            "app": _short(app),
            "attach_url": None,
            "command": dyno.command,
            "name": dyno.name,
            "release": {"id": dyno.release.id, "version": dyno.release.version},
            "size": "Eco" if self._heroku.dynos.eco else dyno.size,
            "state": dyno.state,
            "type": dyno.type,
            "created_at": dyno.created_at,
            "updated_at": dyno.updated_at,
        }

    def formation(self, app: App, kind: str, process: Process) -> Json:
        """A row of the formation."""
        slug = app.slug_of(app.current)
        return {
            "id": process.id,
            "app": _short(app),
            "command": slug.process_types.get(kind) if slug else None,
            "type": kind,
            "quantity": process.quantity,
            "size": "Eco" if self._heroku.dynos.eco else process.size,
            "created_at": app.created_at,
            "updated_at": process.updated_at,
        }

    def slug(self, slug: Slug) -> Json:
        """A slug."""
        return {
            "id": slug.id,
            "blob": None,
            "buildpack_provided_description": "Node.js",
            "checksum": None,
            "commit": slug.commit,
            "commit_description": None,
            "process_types": slug.process_types,
            "size": slug.size,
            "stack": {"id": STACK, "name": STACK},
            "created_at": slug.created_at,
            "updated_at": slug.created_at,
        }

    def addon(self, app: App, database: Database) -> Json:
        """The database as an add-on."""
        return {
            "id": database.id,
            "name": database.name,
            "app": _short(app),
            "addon_service": {"id": "heroku-postgresql", "name": "heroku-postgresql"},
            "plan": {"id": database.plan, "name": database.plan},
            "billing_entity": _short(app) | {"type": "app"},
            "config_vars": ["DATABASE_URL"],
            "provider_id": database.id,
            "state": "provisioned",
            "web_url": None,
            "created_at": database.created_at,
            "updated_at": database.created_at,
        }

    def attachment(self, app: App, database: Database) -> Json:
        """The attachment of the database, with its add-on and config vars included."""
        return {
            "id": database.attachment_id,
            "name": "DATABASE",
            "namespace": None,
            "app": _short(app),
            "addon": {
                "id": database.id,
                "name": database.name,
                "app": _short(app),
                "plan": {"id": database.plan, "name": database.plan},
            },
            "config_vars": ["DATABASE_URL"],
            "web_url": None,
            "created_at": database.created_at,
            "updated_at": database.created_at,
        }

    def preboot(self, app: App) -> Json:
        """The one feature that the sandbox knows of."""
        return {
            "id": app.id,
            "name": "preboot",
            "description": "Provide seamless web dyno deploys",
            "doc_url": "https://devcenter.heroku.com/articles/preboot",
            "enabled": self._heroku.dynos.preboot(app),
            "state": "general",
            "created_at": app.created_at,
            "updated_at": app.updated_at,
        }

    def _stream(self, output_id: str | None) -> str | None:
        return f"{self._origin}/streams/{output_id}" if output_id else None


def _short(app: App) -> Json:
    return {"id": app.id, "name": app.name}
