# SPDX-License-Identifier: GPL-3.0-or-later
"""The system account that PostgreSQL runs as: it refuses root, so root lends it to an ordinary one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError

ORDINARY_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A system account; `uid` and `gid` are None for the one that runs this command."""

    name: str
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def mine(cls) -> Account:
        return cls("the current account")

    @classmethod
    def for_postgres(cls) -> Account:
        """Return the caller's own account or, for root, one that exists anyway: none is created on the machine."""
        if os.geteuid() != 0:
            return cls.mine()
        for name in ORDINARY_ACCOUNTS:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, entry.pw_uid, entry.pw_gid)
        raise SandboxError(
            f"PostgreSQL does not run as root, and none of the accounts {', '.join(ORDINARY_ACCOUNTS)} exists here. "
            "Run the sandbox as an ordinary user, or create one: useradd --system --no-create-home postgres"
        )

    def popen_arguments(self) -> dict[str, Any]:
        """Return the arguments that make subprocess run a command as this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a new, empty folder to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Tell whether the account can walk down to `folder`, which exists."""
        test = shutil.which("test") or "/usr/bin/test"
        return subprocess.run([test, "-x", str(folder)], cwd="/", check=False, **self.popen_arguments()).returncode == 0
