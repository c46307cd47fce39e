# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of the server on disk: one JSON file, always written whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, cast

from sandbox.heroku.config import AppConfig
from sandbox.heroku.models import App, Database, Process, Release, State, revive


def write_json(file: Path, value: Any) -> None:
    """Replace ``file`` in one step, readable by its owner only (it holds config vars)."""
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(value, indent=1))
    fresh.replace(file)


class Store:
    """Holds the ``State``; callers change it in place and then call ``save``."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "heroku.json"
        self.state = _read(self._file) if self._file.exists() else State()

    def save(self) -> None:
        """Write the whole state."""
        write_json(self._file, dataclasses.asdict(self.state))

    def app(self, key: str) -> App | None:
        """The app with this name or UUID."""
        return next((a for a in self.state.apps if key in (a.name, a.id)), None)

    def app_of_database(self, key: str) -> App | None:
        """The app whose database add-on has this UUID or name."""
        return next((a for a in self.state.apps if a.database and key in (a.database.id, a.database.name)), None)

    def create_missing(self, wanted: list[AppConfig]) -> None:
        """Create the configured apps that do not exist yet, with the releases Heroku itself makes first."""
        for config in wanted:
            if self.app(config.name) is None:
                self.state.apps.append(_create(config))
        self.save()


def _read(file: Path) -> State:
    try:
        return cast(State, revive(State, json.loads(file.read_text())))
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"{file} was not written by this version of the sandbox ({error!r}). Begin anew: remove {file.parent}, "
            "or run python -m sandbox up --fresh."
        ) from None


def _create(config: AppConfig) -> App:
    database = Database(**config.database) if config.database else None
    app = App(
        name=config.name,
        web_url=config.web_url,
        config_vars=dict(config.config_vars),
        database=database,
        formation={kind: Process(quantity) for kind, quantity in config.formation.items()},
    )
    steps: list[tuple[str, dict[str, str]]] = [("Initial release", {}), ("Enable Logplex", {})]
    attached = {key: value for key, value in app.config_vars.items() if database and key == "DATABASE_URL"}
    if database:
        steps.append((f"Attach DATABASE (@ref:{database.name})", attached))
    if others := ", ".join(sorted(app.config_vars.keys() - attached.keys())):
        steps.append((f"Set {others} config vars", dict(app.config_vars)))
    app.releases = [Release(n, text, "succeeded", config_vars) for n, (text, config_vars) in enumerate(steps, 1)]
    app.current_release_id = app.releases[-1].id
    return app
