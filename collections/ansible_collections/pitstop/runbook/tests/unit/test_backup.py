# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a backup, which is the newest, and what Heroku's sentences about a plan say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._backup import (
    Backup,
    Transfer,
    age_text,
    captured_since,
    from_evidence,
    newest,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._heroku_plan import plan_facts, sizes

DONE: dict[str, Any] = {
    "uuid": "u1",
    "num": 7,
    "from_name": "DATABASE",
    "from_type": "pg_dump",
    "from_url": "postgres://u:SECRET@h/d",
    "to_name": "BACKUP",
    "to_type": "gof3r",
    "to_url": "https://bucket.example/SECRET",
    "created_at": "2026-11-24 05:00:00 +0000",
    "finished_at": "2026-11-24 05:01:30 +0000",
    "canceled_at": None,
    "succeeded": True,
    "processed_bytes": 4096,
    "source_bytes": 9000,
}
"""A finished backup, as the data API gives it."""


def transfer(**changes: Any) -> Transfer:
    return Transfer.from_api({**DONE, **changes})


def test_a_good_transfer_is_a_backup_without_its_secrets() -> None:
    """Else a password or a signed link would get into the evidence, or a good backup would not count."""
    backup = transfer().as_backup()
    assert transfer().good
    assert backup == Backup("heroku", "b007", "2026-11-24T05:00:00+00:00", size_bytes=4096, seconds=90.0)
    assert (backup.verdict, backup.proof) == ("succeeded", "none")
    assert "SECRET" not in repr(transfer())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"succeeded": False}, "failed"),
        ({"succeeded": None}, "failed"),
        ({"processed_bytes": 0}, "no bytes"),
        ({"canceled_at": "2026-11-24 05:00:30 +0000", "succeeded": False}, "canceled"),
    ],
)
def test_what_only_looks_finished_is_no_backup(changes: dict[str, Any], why: str) -> None:
    """Else the run would repair a database that cannot be brought back."""
    assert transfer(**changes).finished
    assert why in str(transfer(**changes).failure)
    assert not transfer(**changes).good


def test_one_that_runs_is_not_finished() -> None:
    """Else the run would go on while the backup is still being written."""
    running = transfer(finished_at=None, succeeded=None)
    assert not running.finished
    assert not running.good


def test_a_restore_is_no_backup() -> None:
    """A restore is listed among the transfers too, and succeeded."""
    assert not transfer(from_type="htcat", to_type="pg_restore").good


def test_names_are_the_clis() -> None:
    """Else the next step that an error names would name a backup that the CLI does not know."""
    assert (transfer().name, transfer(to_name="SCHEDULED BACKUP").name, transfer(num=1721).name) == (
        "b007",
        "a007",
        "b1721",
    )


def test_after_a_lost_answer_only_what_is_new_and_alive_is_taken_for_ours() -> None:
    """Else an old backup, or one that failed, would pass for the one that was to be taken now."""
    old, failed = transfer(uuid="old", num=6), transfer(uuid="failed", num=8, succeeded=False)
    running = transfer(uuid="running", num=7, finished_at=None, succeeded=None)
    assert captured_since([old, failed], {"old"}) is None
    assert captured_since([old, running, failed], {"old"}) == running


@pytest.mark.parametrize(
    "evidence",
    [
        None,
        {},
        {"failed": True, "method": "pg_dump", "verdict": "succeeded", "taken_at": "2026-11-24T05:00:00+00:00"},
        {"method": "waived", "verdict": "waived", "taken_at": "2026-11-24T05:00:00+00:00", "waiver": "fork"},
        {"method": "pg_dump", "verdict": "planned", "taken_at": "2026-11-24T05:00:00+00:00"},
    ],
)
def test_evidence_of_no_backup_counts_for_none(evidence: dict[str, Any] | None) -> None:
    """Else a failure, a waiver or a plan would open the gate."""
    assert from_evidence(evidence) is None


moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


@given(st.lists(moments, min_size=1))
def test_the_newest_is_newest_in_time_however_it_is_written(times: list[datetime]) -> None:
    """Evidence and Heroku write times differently; a comparison as text would choose an old one."""
    backups = [Backup("pg_dump", str(number), time.isoformat()) for number, time in enumerate(times)]
    found = newest(backups)
    assert found is not None
    assert found.age_seconds(max(times)) == 0


def test_of_the_same_moment_the_one_that_was_read_is_chosen() -> None:
    """Else the report would say of a proven backup that it was not proven."""
    taken = "2026-11-24T05:00:00+00:00"
    proven = Backup("heroku", "b007", taken, proof="list")
    assert newest([proven, Backup("heroku", "b007", taken)]) == proven
    assert newest([]) is None


def test_ages_are_said_in_their_unit() -> None:
    """Else a reader would have to divide 266,400 by something."""
    ages = [age_text(timedelta(**span).total_seconds()) for span in ({"minutes": 40}, {"hours": 5}, {"days": 3})]
    assert ages == ["40 min", "5 h", "3 days"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("25.6 MB / 10 GB (0.25%) (In compliance)", [26843546, 10737418240]),
        ("39.9 MB", [41838182]),
        ("8377 kB / 1 TB", [8578048, 1099511627776]),
        ("1,024 bytes", [1024]),
        ("unknown", []),
    ],
)
def test_sizes_in_sentences(text: str, expected: list[int]) -> None:
    """On Heroku this is the only place that tells how much room the plan leaves."""
    assert sizes(text) == expected


def test_a_plan_that_does_not_say_leaves_its_limits_open() -> None:
    """Else a plan without a printed limit would stop the run, or look as if it were full."""
    said = {"Plan": "Standard 0", "Data Size": "25.6 MB / 64 GB", "Connections": "3/120", "PG Version": "17.2"}
    facts = plan_facts({"info": [{"name": name, "values": [value]} for name, value in said.items()]})
    assert (facts["limit_bytes"], facts["connections_limit"]) == (64 << 30, 120)
    assert plan_facts({"plan": "essential-1", "info": []})["limit_bytes"] is None
    assert plan_facts({"plan": "essential-1", "info": []})["name"] == "essential-1"
