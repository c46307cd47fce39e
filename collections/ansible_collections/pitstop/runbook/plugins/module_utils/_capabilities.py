# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server and a role can do: read once, kept with the run, asked instead of version numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

GENERIC_PLAN_SINCE = 160_000
"""EXPLAIN (GENERIC_PLAN): no catalogue lists EXPLAIN's options, and a refused one is an error in the server's log."""

PGSTATTUPLE = ".pgstattuple(regclass)"


@dataclass(frozen=True)
class Identity:
    """Which server, database and role capabilities were read for. A restart may change settings, so it counts."""

    server_version_num: int
    server_started_at: str
    database_oid: int
    role: str


@dataclass(frozen=True)
class Capabilities:
    """What can be done here, by this role. Sizes in bytes.

    ``member_of`` are the predefined roles whose rights it has, ``functions`` those of pgstattuple and whether it may
    call them, ``available`` extensions that are not installed (``version``, ``creatable``), ``settings`` those in force
    as the server shows them, ``commands`` what some majors lack: ``tid_range_scan``, ``generic_plan``,
    ``repack_concurrently``. ``plan_limit_bytes`` is what Heroku's plan allows; ``data_directory`` is set where it is on
    this very machine.
    """

    server_version: str
    server_version_num: int
    server_started_at: str
    database: str
    database_oid: int
    role: str
    is_superuser: bool
    member_of: tuple[str, ...]
    has_maintain: bool
    extensions: Mapping[str, str]
    available: Mapping[str, Mapping[str, Any]]
    functions: Mapping[str, bool]
    pooled: bool
    in_recovery: bool
    replicas: int
    replication_slots: int
    logical_slots: int
    wal_level: str
    max_repack_replication_slots: int | None
    plan_limit_bytes: int | None
    data_directory: str | None
    free_bytes: int | None
    free_bytes_source: str
    settings: Mapping[str, str]
    commands: frozenset[str]
    probed_at: str

    @property
    def identity(self) -> Identity:
        """For whom they hold."""
        return Identity(self.server_version_num, self.server_started_at, self.database_oid, self.role)

    @property
    def pgstattuple_schema(self) -> str | None:
        """The quoted schema of pgstattuple, where it is installed and this role may use it."""
        allowed = (name for name, executable in self.functions.items() if executable and name.endswith(PGSTATTUPLE))
        return next((name.removesuffix(PGSTATTUPLE) for name in allowed), None)

    @property
    def sees_everybody(self) -> bool:
        """Whether sessions and replicas of other roles are shown whole."""
        return self.is_superuser or "pg_read_all_stats" in self.member_of

    def unknown(self) -> list[str]:
        """What a gate would like to know and cannot: one sentence each, with what would help."""
        said = []
        if not self.sees_everybody:
            said.append(
                f"transactions of other roles, and how far replicas are, are hidden from {self.role}:"
                f" GRANT pg_monitor TO {self.role};"
            )
        if self.free_bytes is None:
            said.append("how much disk is free cannot be seen from here: look before tables are rewritten")
        return said

    def as_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**asdict(self), "member_of": list(self.member_of), "commands": sorted(self.commands)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Capabilities | None:
        """What as_dict gave; None when another version of Pitstop wrote it."""
        if set(data) != {field.name for field in fields(cls)}:
            return None
        return cls(**{**data, "member_of": tuple(data["member_of"]), "commands": frozenset(data["commands"])})


def commands(
    *, server_version_num: int, plan_of_tid_range: str, max_repack_replication_slots: int | None
) -> frozenset[str]:
    """Commands and scans that not every major has, from what the server was seen to do."""
    has = {
        "tid_range_scan": "Tid Range Scan" in plan_of_tid_range,
        "generic_plan": server_version_num >= GENERIC_PLAN_SINCE,
        "repack_concurrently": max_repack_replication_slots is not None,
    }
    return frozenset(name for name, there in has.items() if there)
