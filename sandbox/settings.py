# SPDX-License-Identifier: GPL-3.0-or-later
"""What is chosen once, at the first `up`, and kept: ports, passwords, size and distance."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError


@dataclass(frozen=True)
class Settings:
    """`scale` multiplies the customers and invoices; `round_trip_ms` is the distance to the database."""

    scale: float
    round_trip_ms: float
    postgres_port: int
    proxy_port: int
    heroku_port: int
    router_port: int
    superuser_password: str
    owner_password: str
    webhook_secret: str
    heroku_token: str


def load_or_choose(path: Path, round_trip_ms: float | None = None) -> Settings:
    """Return the settings kept in `path`; choose and keep them when there are none.

    PITSTOP_SANDBOX_SCALE counts only for a new sandbox; PITSTOP_SANDBOX_ROUND_TRIP_MS and `round_trip_ms` at each `up`.
    """
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    chosen = {"scale": _number("PITSTOP_SANDBOX_SCALE", 1.0), "round_trip_ms": 10.0, **_fresh_choices(), **kept}
    if round_trip_ms is not None:
        chosen["round_trip_ms"] = round_trip_ms
    elif "PITSTOP_SANDBOX_ROUND_TRIP_MS" in os.environ:
        chosen["round_trip_ms"] = _number("PITSTOP_SANDBOX_ROUND_TRIP_MS", 10.0)
    settings = Settings(**{field.name: chosen[field.name] for field in fields(Settings)})
    if asdict(settings) != kept:
        write_private(path, asdict(settings))
    return settings


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all, readable by nobody else."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(content, stream, indent=2)
        stream.write("\n")
    partial.replace(path)


def _fresh_choices() -> dict[str, Any]:
    ports = _free_ports(4)
    return {
        "postgres_port": ports[0],
        "proxy_port": ports[1],
        "heroku_port": ports[2],
        "router_port": ports[3],
        "superuser_password": secrets.token_urlsafe(24),
        "owner_password": secrets.token_urlsafe(24),
        "webhook_secret": secrets.token_urlsafe(24),
        "heroku_token": f"HRKU-{secrets.token_urlsafe(32)}",
    }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1000:
        raise SandboxError(f"{variable} is {text!r}; set it to a number above 0, such as {default:g}, or unset it.")
    return value
