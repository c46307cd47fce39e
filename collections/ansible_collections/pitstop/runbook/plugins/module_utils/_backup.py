# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: what counts as one, how old it is, which is the newest.

Proof is one of ``restore`` (it was restored and compared), ``list`` (pg_restore read its table of contents), ``none``
(only the verdict of whoever took it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Backup:
    """The evidence that every way of taking a backup leaves.

    ``method`` is heroku, pg_dump or waived; ``id`` names it to whoever keeps it; ``file`` is its path on the controller
    (a folder for pg_dump); ``verdict`` is succeeded, planned (check mode) or waived; ``entries`` counts its contents.
    """

    method: str
    id: str | None
    taken_at: str
    file: str | None = None
    size_bytes: int | None = None
    seconds: float = 0.0
    verdict: str = "succeeded"
    proof: str = "none"
    entries: int | None = None
    waiver: str | None = None

    def as_evidence(self) -> dict[str, Any]:
        return asdict(self)

    def age_seconds(self, at: datetime) -> float:
        return (at - datetime.fromisoformat(self.taken_at)).total_seconds()


def from_evidence(evidence: Mapping[str, Any] | None, *, planned_counts: bool = False) -> Backup | None:
    """The backup that evidence tells of; None when it tells of none that was taken (failed, waived, only planned)."""
    if not evidence or evidence.get("failed"):
        return None
    verdicts = ("succeeded", "planned") if planned_counts else ("succeeded",)
    if evidence.get("method") not in ("heroku", "pg_dump") or evidence.get("verdict") not in verdicts:
        return None
    return Backup(**{name: evidence[name] for name in Backup.__dataclass_fields__ if name in evidence})


def newest(backups: Iterable[Backup]) -> Backup | None:
    """The one taken last; of two taken at the same moment the one with the better proof."""
    ranked = sorted(backups, key=lambda backup: (datetime.fromisoformat(backup.taken_at), backup.proof != "none"))
    return ranked[-1] if ranked else None


def age_text(seconds: float) -> str:
    """An age as people say it: 40 min, 5 h, 3 days."""
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.0f} days"


@dataclass(frozen=True)
class Transfer:
    """A backup as Heroku's data API tells of it, without its URLs: those hold passwords and signatures."""

    uuid: str
    num: int
    is_backup: bool
    is_scheduled: bool
    from_name: str
    created_at: datetime
    finished_at: datetime | None
    canceled_at: datetime | None
    succeeded: bool | None
    processed_bytes: int
    source_bytes: int | None

    @classmethod
    def from_api(cls, row: Mapping[str, Any]) -> Transfer:
        return cls(
            uuid=str(row["uuid"]),
            num=int(row["num"]),
            is_backup=row.get("from_type") == "pg_dump" and row.get("to_type") == "gof3r",
            is_scheduled=bool(row.get("schedule")) or row.get("to_name") == "SCHEDULED BACKUP",
            from_name=str(row.get("from_name", "")),
            created_at=_moment(row["created_at"]),
            finished_at=_moment(row["finished_at"]) if row.get("finished_at") else None,
            canceled_at=_moment(row["canceled_at"]) if row.get("canceled_at") else None,
            succeeded=row.get("succeeded"),
            processed_bytes=int(row.get("processed_bytes") or 0),
            source_bytes=row.get("source_bytes"),
        )

    @property
    def name(self) -> str:
        """As the Heroku CLI calls it: b001, or a001 when a schedule took it."""
        return f"{'a' if self.is_scheduled else 'b'}{self.num:03}"

    @property
    def finished(self) -> bool:
        return self.finished_at is not None or self.canceled_at is not None

    @property
    def failure(self) -> str | None:
        """Why a finished transfer is no backup; None when it is one. Its word alone does not do: it must hold bytes."""
        if self.canceled_at:
            return "it was canceled"
        if not self.succeeded:
            return "Heroku says that it failed"
        if self.processed_bytes <= 0:
            return "Heroku says that it succeeded, but it holds no bytes"
        return None

    @property
    def good(self) -> bool:
        return self.is_backup and self.finished and self.failure is None

    def as_backup(self) -> Backup:
        """The evidence of a good transfer."""
        ended = self.finished_at or self.created_at
        return Backup(
            method="heroku",
            id=self.name,
            taken_at=self.created_at.isoformat(),
            size_bytes=self.processed_bytes,
            seconds=(ended - self.created_at).total_seconds(),
        )


def captured_since(transfers: Iterable[Transfer], known: set[str]) -> Transfer | None:
    """The newest backup that was begun after the transfers ``known`` (uuids) were listed, and that did not fail.

    Comparing identities instead of times needs no agreement between two clocks.
    """
    fresh = [t for t in transfers if t.uuid not in known and t.is_backup and not (t.finished and t.failure)]
    return max(fresh, key=lambda transfer: transfer.num, default=None)


def _moment(text: str) -> datetime:
    """``2020-12-13 16:22:40 +0000``, as the data API writes times."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
