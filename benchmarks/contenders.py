# SPDX-License-Identifier: GPL-3.0-or-later
"""Who repairs four tables: nobody, what people use today, and Pitstop with each of its remedies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ground import DEBIAN, TABLES, Target
from tests.operations.postgres_server import execute, wheel_bin

PROJECT = Path(__file__).parents[1]
PG_REPACK = DEBIAN / "pg_repack"
SECONDS = 300


@dataclass(frozen=True)
class Contender:
    """One who repairs the tables, and says in a few words what became of them (or nothing)."""

    name: str
    repair: Callable[[Target], str]
    major: int = 15
    needs: Path | None = None


def nothing(_: Target) -> str:
    """Only the clients: what this machine does to them by itself."""
    time.sleep(15)
    return ""


def naive_script(target: Target) -> str:
    """The plan's own script: one after the other, as written down."""
    statements = [f"--command=VACUUM FULL {table}" for table in TABLES] + ["--command=ANALYZE"]
    _run([wheel_bin() / "psql", "--no-psqlrc", "--quiet", *statements], target.environment(target.owner_url))
    return ""


def vacuumdb_full(target: Target) -> str:
    tables = [f"--table={table}" for table in TABLES]
    _run([wheel_bin() / "vacuumdb", "--full", "--analyze", "--quiet", *tables], target.environment(target.owner_url))
    return ""


def pg_repack(target: Target) -> str:
    execute(target.superuser_url, "CREATE EXTENSION pg_repack")
    tables = [f"--table=public.{table}" for table in TABLES]
    _run([PG_REPACK, *tables], target.environment(target.superuser_url))
    return ""


def pitstop(remedy: str | None = None, *, as_superuser: bool = False, **options: Any) -> Callable[[Target], str]:
    """Pitstop's own role through ansible-playbook; with ``remedy`` forced upon each table."""

    def repair(target: Target) -> str:
        if remedy == "pg_repack":
            execute(target.superuser_url, "CREATE EXTENSION pg_repack")
        with tempfile.TemporaryDirectory(prefix="pitstop-benchmark-") as folder:
            variables = Path(folder, "variables.json")
            given = {f"db_maintenance_{name}": value for name, value in options.items()}
            forced = dict.fromkeys(TABLES, remedy) if remedy else {}
            url = target.superuser_url if as_superuser else target.owner_url
            pairs = {
                "ansible_connection": "local",
                "pitstop_app": "invoice-bot",
                "pitstop_database_url": url,
                "pitstop_evidence_dir": folder,
                "pitstop_contacts": {},
                "db_maintenance_tables": list(TABLES),
                "db_maintenance_remedies": forced,
                **given,
            }
            variables.write_text(json.dumps(pairs))
            playbook = PROJECT / "benchmarks/repair.yml"
            command = ["ansible-playbook", "-i", "invoice-bot,", "-e", f"@{variables}", playbook]
            environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            _run(command, environment)
            return _account(Path(folder))

    return repair


def _account(evidence: Path) -> str:
    """What became of how many tables, from the run's evidence: ``3 compact done, 1 vacuum_full postponed``."""
    [file] = evidence.glob("*/*/maintenance.json")
    tables = json.loads(file.read_text())["tables"]["tables"]
    ends = Counter(f"{table['remedy']} {table['outcome']}" for table in tables)
    return ", ".join(f"{number} {end}" for end, number in ends.items())


def _run(command: list[Any], environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        env=dict(environment),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, str(command[0]))


LONG = 3600.0
CONTENDERS = (
    Contender("nothing (the machine's own noise)", nothing),
    Contender("the plan's script: psql VACUUM FULL", naive_script),
    Contender("vacuumdb --full", vacuumdb_full),
    Contender("pg_repack", pg_repack, needs=PG_REPACK),
    Contender("Pitstop, as it decides", pitstop()),
    Contender("Pitstop, COMPACT", pitstop("compact")),
    Contender("Pitstop, VACUUM FULL", pitstop("vacuum_full")),
    Contender(
        "Pitstop, VACUUM FULL, told that customers may wait",
        pitstop("vacuum_full", max_lock_seconds=LONG, max_blocking_ms=0),
    ),
    Contender("Pitstop, pg_repack", pitstop("pg_repack", as_superuser=True), needs=PG_REPACK),
    Contender("Pitstop, REPACK (CONCURRENTLY), on 19", pitstop("repack"), major=19),
)
