# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before anything changes: reasons to refuse a database, each with the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

OLDEST_MAJOR = 13


def refuse_database(facts: Mapping[str, Any]) -> None:
    """Raise PitstopError when a run on this database would be wrong.

    ``facts`` has ``server_version`` (text), ``server_version_num``, ``in_recovery``, ``protocol_pid`` and
    ``backend_pid``, as postgresql_probe reads them.
    """
    number = int(facts["server_version_num"])
    if facts["protocol_pid"] != facts["backend_pid"]:
        raise PitstopError(
            "The database URL goes through a connection pooler",
            why="session settings, advisory locks and cancelling do not work through it",
            next_step="use the direct URL: on Heroku DATABASE_URL, not DATABASE_CONNECTION_POOL_URL",
        )
    if facts["in_recovery"]:
        raise PitstopError(
            "The server is in recovery: it is a replica, or has not started up yet",
            next_step="use the primary's URL",
        )
    if number < OLDEST_MAJOR * 10_000:
        raise PitstopError(
            f"PostgreSQL {facts['server_version']} is not supported",
            next_step=f"upgrade to {OLDEST_MAJOR} or newer",
        )
    if 140_000 <= number < 140_004:
        raise PitstopError(
            f"PostgreSQL {facts['server_version']} builds indexes CONCURRENTLY that miss rows",
            why="a bug of 14.0 to 14.3",
            next_step="upgrade to 14.4 or newer, then rebuild its indexes",
        )


def refuse_table(table: str, role: str, row: Mapping[str, Any]) -> None:
    """Raise PitstopError when ``role`` may not maintain a table (``row``: ``owner``, ``may_maintain``)."""
    if not row["may_maintain"]:
        raise PitstopError(
            f"The role {role} may not maintain {table}",
            why=f"it belongs to {row['owner']}",
            next_step=f"GRANT {row['owner']} TO {role}",
        )
