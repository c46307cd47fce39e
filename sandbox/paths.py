# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of one sandbox lies."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

SOURCE = Path(__file__).resolve().parent
PROJECT = SOURCE.parent
OPEN_TO_ALL = Path("/var/tmp")  # noqa: S108 - the sandbox's folder in it is private, and refused if a stranger made it


@dataclass(frozen=True)
class Paths:
    """The files of the sandbox in `root`, an absolute path."""

    root: Path

    @classmethod
    def from_environment(cls) -> Paths:
        """Return the paths below PITSTOP_SANDBOX_DIR, or below `.sandbox/` of the project when it is not set."""
        chosen = os.environ.get("PITSTOP_SANDBOX_DIR")
        if chosen is None:
            return cls(PROJECT / ".sandbox")
        if not Path(chosen).is_absolute():
            raise SandboxError(
                f"PITSTOP_SANDBOX_DIR is {chosen!r}, which is not an absolute path, and its processes outlive this "
                "directory. Set it to an absolute path."
            )
        return cls(Path(os.path.normpath(chosen)))

    @property
    def state(self) -> Path:
        """What runs where, for inventories and tests; exists only while the sandbox is whole."""
        return self.root / "state.json"

    @property
    def settings(self) -> Path:
        """Ports and passwords chosen at the first `up`."""
        return self.root / "settings.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def node_bin(self) -> Path:
        return self.root / "node"

    @property
    def heroku(self) -> Path:
        return self.root / "heroku"

    @property
    def repository(self) -> Path:
        return self.root / "invoice-bot"

    @property
    def origin(self) -> Path:
        return self.root / "origin.git"

    @property
    def postgres(self) -> Path:
        """The folder of the cluster, where the account that runs PostgreSQL can reach this sandbox."""
        return self.root / "postgres"

    @property
    def postgres_elsewhere(self) -> Path:
        """The same for a sandbox below a private folder, such as root's home."""
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return OPEN_TO_ALL / f"pitstop-sandbox-{name}"

    def make(self) -> None:
        """Make the folders; the root is open to be walked through, its secrets are files of mode 0600."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.run, self.log, self.cache):
            folder.mkdir(exist_ok=True)
