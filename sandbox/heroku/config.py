# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server is told before it starts: ``DIR/config.json``."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class AppConfig:
    """An app to create when it is absent."""

    name: str
    web_url: str
    config_vars: dict[str, str]
    formation: dict[str, int]
    database: dict[str, str] | None


@dataclass(frozen=True)
class PipelineConfig:
    """A pipeline to create when it is absent: app name to stage."""

    name: str
    couplings: dict[str, str]


@dataclass(frozen=True)
class Config:
    """The token, the account and the tools of this server."""

    token: str
    email: str
    node_bin: str
    pg_bin: str
    npm_cache: Path
    slow_release_seconds: int
    apps: list[AppConfig]
    preboot_seconds: float = 10
    eco_idle_seconds: float = 3
    pipelines: tuple[PipelineConfig, ...] = ()

    @property
    def path(self) -> str:
        """PATH of builds and dynos: the stack's node and PostgreSQL clients first."""
        return os.pathsep.join([self.node_bin, self.pg_bin, os.environ.get("PATH", os.defpath)])


def load(state_dir: Path) -> Config:
    """Read ``config.json``.

    Raises:
        SystemExit: the file is missing, is not JSON, or lacks a key; the message says which.

    """
    file = state_dir / "config.json"
    try:
        return _parse(json.loads(file.read_text()), state_dir)
    except FileNotFoundError:
        raise SystemExit(f"{file} is missing: write it first (sandbox/heroku/README.md shows one).") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise SystemExit(f"{file} cannot be used: {error!r}. sandbox/heroku/README.md shows a good one.") from None


def _parse(raw: dict[str, Any], state_dir: Path) -> Config:
    return Config(
        token=raw["token"],
        email=raw["account"]["email"],
        node_bin=raw["node_bin"],
        pg_bin=raw["pg_bin"],
        npm_cache=Path(raw.get("npm_cache", state_dir / "npm-cache")),
        slow_release_seconds=int(raw.get("slow_release_seconds", 20)),
        apps=[_parse_app(app) for app in raw["apps"]],
        preboot_seconds=float(raw.get("preboot_seconds", 10)),
        pipelines=tuple(PipelineConfig(one["name"], dict(one["couplings"])) for one in raw.get("pipelines", [])),
        eco_idle_seconds=float(raw.get("eco_idle_seconds", 3)),
    )


def _parse_app(raw: dict[str, Any]) -> AppConfig:
    return AppConfig(
        name=raw["name"],
        web_url=raw["web_url"],
        config_vars=dict(raw.get("config_vars", {})),
        formation=dict(raw.get("formation", {"web": 1})),
        database=raw.get("database"),
    )
