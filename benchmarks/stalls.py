# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a customer waits while four bloated tables are repaired: Pitstop, and what people use today.

Each contender gets the same files (a copy of one template database) and the same clients: 50 reads and 50 writes a
second, open loop. Then all of them once more while somebody's query of 30 s reads the first table.

    python -m benchmarks.stalls --megabytes 200
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.clients import Load
from benchmarks.contenders import CONTENDERS, PG_REPACK, PROJECT, Contender
from benchmarks.ground import TABLES, Ground, Target

RESULTS = Path(__file__).parent / "results" / "stalls.md"
RATE = 50.0


@dataclass(frozen=True)
class Outcome:
    """What the customers saw, and what came of it."""

    name: str
    seconds: float
    read_s: float
    write_s: float
    repaired: int
    got_back: float
    wal_bytes: int
    note: str = ""

    def cells(self) -> list[str]:
        return [
            self.name,
            f"{self.seconds:.0f}",
            f"{self.read_s:.2f}",
            f"{self.write_s:.2f}",
            f"{self.repaired} of {len(TABLES)}",
            f"{self.got_back:.0%}",
            f"{self.wal_bytes / 1e6:.0f}",
            self.note,
        ]


HEADINGS = ["what", "seconds", "longest read, s", "longest write, s", "repaired", "size given back", "WAL, MB", "note"]


def _values(url: str, query: str) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


@contextmanager
def somebodys_query(url: str, seconds: float) -> Iterator[None]:
    """A query on the first table that takes that long; it began a second ago. 0: none."""

    def run() -> None:
        with closing(psycopg2.connect(url, application_name="somebody's report")) as connection:
            connection.cursor().execute(f"SELECT amount, pg_sleep(%s) FROM {TABLES[0]} WHERE id = 2", (seconds,))

    thread = threading.Thread(target=run)
    if seconds:
        thread.start()
        time.sleep(1)
    yield
    if seconds:
        thread.join()


def measure(ground: Ground, contender: Contender, query_seconds: float) -> Outcome:
    """Let one contender repair a fresh copy while the clients work."""
    sizes_sql = " UNION ALL ".join(f"SELECT pg_total_relation_size('{table}')" for table in TABLES)
    with ground.copy(contender.major) as target:
        before = _values(target.superuser_url, sizes_sql)
        [lsn] = _values(target.superuser_url, "SELECT pg_current_wal_lsn()")
        with (
            somebodys_query(target.owner_url, query_seconds),
            Load(target.owner_url, TABLES, ground.ids, RATE) as load,
        ):
            time.sleep(1)
            began = time.monotonic()
            try:
                note = contender.repair(target)
            except (subprocess.SubprocessError, psycopg2.Error) as error:
                note = str(error).splitlines()[0]
            seconds = time.monotonic() - began
            time.sleep(1)
        [wal] = _values(target.superuser_url, f"SELECT pg_current_wal_lsn() - '{lsn}'::pg_lsn")
        after = _values(target.superuser_url, sizes_sql)
        _assert_nothing_lost(target, ground, load)
    repaired = sum(new < old * 0.75 for old, new in zip(before, after, strict=True))
    got_back = 1 - sum(after) / sum(before)
    return Outcome(
        contender.name, seconds, load.longest_read_s, load.longest_write_s, repaired, got_back, int(wal), note
    )


def _assert_nothing_lost(target: Target, ground: Ground, load: Load) -> None:
    """A repair that loses a customer's write is none."""
    for name, writes in zip(TABLES, load.writes, strict=True):
        [found] = _values(target.superuser_url, f"SELECT count(*) || ' rows, ' || sum(amount) || ' writes' FROM {name}")
        expected = f"{len(ground.ids)} rows, {writes} writes"
        if found != expected:
            raise SystemExit(f"{name} has {found} instead of {expected}")


def table(outcomes: list[Outcome]) -> str:
    rows = [HEADINGS, ["---"] * len(HEADINGS), *(outcome.cells() for outcome in outcomes)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def surroundings(megabytes: int) -> str:
    """The machine, the day and the versions: without them a figure says nothing."""
    commit = _first_line(["git", "-C", str(PROJECT), "describe", "--always", "--dirty"])
    model = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), "")
    memory = next((int(line.split()[1]) // 1_000_000 for line in _lines("/proc/meminfo") if "MemTotal" in line), 0)
    told = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores ({model or platform.processor()}), {memory} GB, {platform.system()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "Pitstop": commit,
        "pg_repack": _first_line([str(PG_REPACK), "--version"]),
        "data": f"{len(TABLES)} tables of {megabytes} MB with two indexes each, half of the rows deleted, vacuumed",
        "clients": f"{RATE:.0f} reads and {RATE:.0f} writes a second, open loop",
    }
    return "\n".join(f"- {name}: {value}" for name, value in told.items())


def _first_line(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return "not there"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _chosen(wish: str, ground: Ground) -> Iterator[Contender]:
    for contender in CONTENDERS:
        if wish and wish not in contender.name:
            continue
        if (contender.needs and not contender.needs.exists()) or not ground.programs(contender.major):
            print(f"left out, since its programs are not here: {contender.name}")
        else:
            yield contender


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200, help="size of each of the four tables (200)")
    parser.add_argument(
        "--query-seconds", type=float, default=30, help="length of somebody's query; 0: only without it"
    )
    parser.add_argument("--only", default="", help="only contenders with this in their name; nothing is written")
    options = parser.parse_args()
    told = [f"# The longest stall while four tables are repaired\n\n{surroundings(options.megabytes)}"]
    print(told[0])
    with ExitStack() as stack:
        ground = Ground(options.megabytes, stack)
        contenders = list(_chosen(options.only, ground))
        for seconds in sorted({0.0, options.query_seconds}):
            heading = (
                f"While somebody's query of {seconds:.0f} s reads the first table" if seconds else "Nobody in the way"
            )
            outcomes = []
            for contender in contenders:
                outcomes.append(measure(ground, contender, seconds))
                print(" | ".join(outcomes[-1].cells()), flush=True)
            told.append(f"## {heading}\n\n{table(outcomes)}")
            print("\n" + told[-1] + "\n", flush=True)
    if not options.only:
        RESULTS.write_text("\n\n".join(told) + "\n")


if __name__ == "__main__":
    main()
