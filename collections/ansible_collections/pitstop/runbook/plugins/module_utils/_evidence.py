# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of a run: which files there are, to which phase each belongs, and how they are written.

Layout (see docs/evidence.md): ``<evidence_dir>/<app>/<run id>/<name>.json``. Every file carries schema_version, run_id,
app, phase, started_at and finished_at (ISO 8601, UTC) and is written whole: temporary file, fsync, rename.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

SCHEMA_VERSION = 1

PHASE_OF = {
    "preflight": 0,
    "backup": 0,
    "bloat-before": 1,
    "plans-before": 1,
    "benchmark-before": 1,
    "maintenance": 2,
    "indexes": 2,
    "bloat-after": 2,
    "plans-after": 2,
    "benchmark-after-db": 2,
    "comparison-after-db": 2,
    "deploy": 3,
    "benchmark-after": 4,
    "comparison": 4,
    "rollback": 4,
    "report": 5,
}
"""Evidence name -> phase of the runbook."""


def now() -> str:
    """The present moment, ISO 8601 in UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` so that a reader sees the old file or the new one, never a part, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def to_json(data: Mapping[str, Any]) -> str:
    """JSON as evidence files hold it: readable, stable, ending in a newline."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n"


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in ``path``, or None when there is no such file.

    Raises PitstopError when the file is there but is not a JSON object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PitstopError(
            f"The evidence file {path} cannot be read", why=str(error), next_step=f"move it away: mv {path} {path}.bad"
        ) from error
    if not isinstance(data, dict):
        raise PitstopError(
            f"The evidence file {path} is no JSON object", next_step=f"move it away: mv {path} {path}.bad"
        )
    return data


@dataclass(frozen=True)
class Run:
    """An open run: its identity and its folder. ``check`` runs keep their evidence in a temporary folder."""

    id: str
    app: str
    directory: Path
    check: bool = False

    @classmethod
    def from_fact(cls, fact: Mapping[str, Any]) -> Run:
        """The run that the variable ``pitstop_run`` describes."""
        return cls(str(fact["id"]), str(fact["app"]), Path(str(fact["directory"])), bool(fact.get("check", False)))

    @property
    def application_name(self) -> str:
        """How this run's sessions are called on the server (PostgreSQL cuts names at 63 bytes)."""
        return f"pitstop:{self.id}"[:63]

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def read(self, name: str) -> dict[str, Any] | None:
        """The evidence called ``name``, or None when this run has none."""
        return read_json(self.path(name))

    def write(self, name: str, data: Mapping[str, Any], started_at: str) -> None:
        """Write evidence ``name``, or with ``name.section`` that section of it; other sections are kept.

        Raises PitstopError for a name that PHASE_OF does not know.
        """
        file, _, section = name.partition(".")
        if file not in PHASE_OF:
            raise PitstopError(f"There is no evidence called {file!r}", next_step=f"use one of {', '.join(PHASE_OF)}")
        before = self.read(file) if section else None
        header = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.id,
            "app": self.app,
            "phase": PHASE_OF[file],
            "started_at": before["started_at"] if before else started_at,
            "finished_at": now(),
        }
        body: dict[str, Any] = dict(data)
        if section:
            body = {**(before or {}), section: {**data, "started_at": started_at, "finished_at": header["finished_at"]}}
        write_whole(self.path(file), to_json({**body, **header}))
