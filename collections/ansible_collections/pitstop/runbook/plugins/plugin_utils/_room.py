# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders for backups: private, and with room for what is to come."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._units import bytes_text

MARGIN = 1.1


def require_room(folder: Path, needed_bytes: int) -> None:
    """Raise PitstopError unless ``folder`` (it need not exist yet) has room for ``needed_bytes`` and a tenth more."""
    existing = next(parent for parent in [folder, *folder.parents] if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed_bytes * MARGIN:
        raise PitstopError(
            f"{folder} has room for {bytes_text(free)}, and the backup may need {bytes_text(needed_bytes * MARGIN)}",
            next_step="set backup_directory to a folder on a larger disk, or delete old backups there",
        )


def make_private(folder: Path) -> None:
    """Make ``folder``, readable by nobody else: it will hold the app's data."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PitstopError(
            f"The folder {folder} cannot be made",
            why=str(error.strerror),
            next_step="set backup_directory to a folder that you may write to",
        ) from error
