# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before anything changes: reasons to refuse a database, each with the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import recovery, refuse, version

OLDEST_MAJOR = 13
POOL_SUFFIX = "CONNECTION_POOL_URL"


def refuse_config_var(name: str) -> None:
    """Raise PitstopError when the config var is the one that Heroku's connection pooling attaches."""
    if name.endswith(POOL_SUFFIX):
        raise PitstopError(
            f"The config var {name} leads through a connection pooler",
            why="session settings, advisory locks and cancelling do not work through it",
            next_step="set pitstop_database_config_var to DATABASE_URL",
        )


def refuse_database(facts: Mapping[str, Any]) -> None:
    """Raise PitstopError when a run on this database would be wrong.

    ``facts`` has ``server_version`` (text), ``server_version_num``, ``in_recovery``, ``read_only``, ``protocol_pid``
    and ``backend_pid``, as postgresql_probe reads them. The two process ids are the test for a pooler: a server greets
    a session with its own, a pooler with a number that it makes up, in whatever mode it pools (seen with PgBouncer 1.18
    in session, transaction and statement mode). A plain TCP proxy or tunnel passes the greeting on, and is welcome.
    """
    number = int(facts["server_version_num"])
    if facts["protocol_pid"] != facts["backend_pid"]:
        raise PitstopError(
            "The database URL goes through a connection pooler",
            why="session settings, advisory locks and cancelling do not work through it",
            next_step="use the direct URL: on Heroku DATABASE_URL, not DATABASE_CONNECTION_POOL_URL",
        )
    refuse(recovery(facts["in_recovery"]))
    if facts["read_only"]:
        raise PitstopError(
            "The sessions of this role are read-only",
            why="default_transaction_read_only is on",
            next_step="ALTER ROLE … SET default_transaction_read_only = off, or use the owner's URL",
        )
    if number < OLDEST_MAJOR * 10_000:
        raise PitstopError(
            f"PostgreSQL {facts['server_version']} is not supported",
            next_step=f"upgrade to {OLDEST_MAJOR} or newer",
        )
    refuse(version(facts["server_version"], number))


def refuse_tables(tables: Iterable[Mapping[str, Any]], role: str, *, has_maintain: bool) -> None:
    """Raise PitstopError when ``role`` may not maintain some of the tables.

    Each has ``name`` and ``owner``, both quoted as SQL needs it, and ``maintainable``. All of them are named at once,
    with the statements that would help: the least of them (MAINTAIN, where the server has it) does for VACUUM, ANALYZE
    and REINDEX; indexes and storage parameters are the owner's.
    """
    refused = [table for table in tables if not table["maintainable"]]
    if not refused:
        return
    owners = sorted({str(table["owner"]) for table in refused})
    statements = [f"GRANT {owner} TO {role};" for owner in owners]
    least = [f"GRANT MAINTAIN ON {table['name']} TO {role};" for table in refused]
    remedy = f"as a superuser or as the owner: {' '.join(statements)}"
    if has_maintain:
        remedy += f" Without new indexes and storage parameters this is enough: {' '.join(least)}"
    raise PitstopError(
        f"The role {role} may not maintain {', '.join(str(table['name']) for table in refused)}",
        why=f"owned by {', '.join(owners)}",
        next_step=remedy,
    )


def unknown_app(name: str, known: Sequence[str]) -> PitstopError:
    """The error for an app that this account does not see; it suggests the one that was probably meant."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return PitstopError(
        f"This Heroku account sees no app {name!r}",
        why=f"it sees {', '.join(sorted(known)[:10]) or 'none'}",
        next_step=f"set pitstop_heroku_app to {near[0]!r}"
        if near
        else "ask the app's owner for access: heroku access:add YOU@… -a APP",
    )
