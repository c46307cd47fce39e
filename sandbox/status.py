# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs where, for a person."""

from __future__ import annotations

from sandbox import faults
from sandbox.lifecycle import Sandbox


def table(sandbox: Sandbox) -> str:
    """Return lines of two columns; no secret is in them."""
    rows = [(service.name, _process(service.pid())) for service in sandbox.services]
    if all(service.pid() for service in sandbox.services):
        rows += _production(sandbox)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def _process(pid: int | None) -> str:
    return f"pid {pid}" if pid else "down"


def _production(sandbox: Sandbox) -> list[tuple[str, str]]:
    settings, heroku = sandbox.settings, sandbox.heroku
    health = heroku.health()
    release = f"{health['status']}, release {health.get('release')}, commit {str(health.get('commit'))[:8]}"
    return [
        ("database", f"127.0.0.1:{settings.proxy_port}, {settings.round_trip_ms:g} ms away"),
        ("", f"127.0.0.1:{settings.postgres_port}, directly"),
        ("Heroku's API", heroku.api_url),
        ("bot", f"{heroku.web_url} ({health.get('error', release)})"),
        *[("release", _release(release)) for release in heroku.releases()],
        ("repository", str(sandbox.paths.repository)),
        ("faults", ", ".join(faults.active(sandbox.paths)) or "none"),
        ("details", str(sandbox.paths.state)),
    ]


def _release(release: dict[str, object]) -> str:
    current = ", current" if release.get("current") else ""
    return f"v{release['version']} {release['status']}{current}: {release['description']}"
