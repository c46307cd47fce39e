# SPDX-License-Identifier: GPL-3.0-or-later
"""How right estimates of bloat are: Pitstop's, and the queries that people use today, beside what a rewrite gives back.

Each table gets fresh statistics, everybody says what is waste, then VACUUM FULL tells the truth. Other people's queries
are taken out of their own packages at run time (npm's `heroku`, Debian's `check-postgres`); none is kept here.

    python -m benchmarks.bloat_accuracy --majors 13 18
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from ansible_collections.pitstop.runbook.plugins.plugin_utils._bloat_readings import estimate_table, measure_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import probe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from sandbox.node import PROGRAMS
from tests import servers
from tests.operations.postgres_server import execute, running_server

RESULTS = Path(__file__).parent / "results" / "bloat_accuracy.md"
CACHE = Path(__file__).parents[1] / ".cache" / "bloat_accuracy"
HEROKU = "heroku@11.10.0"

STATISTICS_AT_ONCE = 150_000
"""Before 15 the counts of rows came from a process of their own, half a second later."""

NULLABLE = [f"c{number}" for number in range(20)]
SHAPES: Mapping[str, tuple[str, ...]] = {
    "narrow, fixed": (
        "CREATE TABLE t (a smallint, id bigint PRIMARY KEY, b int)",
        "INSERT INTO t SELECT i % 99, i, i FROM generate_series(1, 200000) i",
    ),
    "wide text": (
        "CREATE TABLE t (id bigint PRIMARY KEY, name text, note text, at timestamptz)",
        "INSERT INTO t SELECT i, md5(i::text), repeat('x', i * 7919 % 300), now() FROM generate_series(1, 100000) i",
        "CREATE INDEX t_name ON t (name)",
    ),
    "many NULLs": (
        f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'{name} int' for name in NULLABLE)})",
        "INSERT INTO t SELECT i, {} FROM generate_series(1, 100000) i".format(
            ", ".join(f"nullif(i * {number + 3} % 5, {number % 2}) * nullif(i % 5, 0)" for number in range(20))
        ),
        "CREATE INDEX t_c0 ON t (c0)",
    ),
    "fillfactor 70": (
        "CREATE TABLE t (id int PRIMARY KEY, state text) WITH (fillfactor = 70)",
        "INSERT INTO t SELECT i, 'state ' || i % 1000 FROM generate_series(1, 150000) i",
    ),
    "TOASTed": (
        "CREATE TABLE t (id int PRIMARY KEY, body text)",
        "ALTER TABLE t ALTER body SET STORAGE EXTERNAL",
        "INSERT INTO t SELECT i, repeat('x', 2500 + i % 3000) FROM generate_series(1, 8000) i",
    ),
    "duplicates in indexes": (
        "CREATE TABLE t (tenant int, state text, at date)",
        "INSERT INTO t SELECT i % 500, 'state' || i % 5, date '2026-01-01' + i % 90 FROM generate_series(1, 200000) i",
        "CREATE INDEX t_tenant ON t (tenant)",
        "CREATE INDEX t_state ON t (state)",
        "CREATE INDEX t_tenant_at ON t (tenant, at)",
    ),
    "uuid and numeric": (
        "CREATE TABLE t (id uuid PRIMARY KEY, amount numeric(12, 2))",
        "INSERT INTO t SELECT md5(i::text)::uuid, i % 100000 / 7.0 FROM generate_series(1, 150000) i",
        "CREATE INDEX t_amount ON t (amount)",
    ),
    "columns dropped": (
        "CREATE TABLE t (id int PRIMARY KEY, old text, note text)",
        "INSERT INTO t SELECT i, repeat('x', 100), 'note' || i FROM generate_series(1, 100000) i",
        "ALTER TABLE t DROP COLUMN old",
    ),
}
HALF_SQL = "DELETE FROM t WHERE hashtext(ctid::text) % 2 = 0"

FILES_SQL = """
SELECT c.relname::text AS name, pg_relation_size(c.oid) AS size,
       CASE c.relkind WHEN 'r' THEN 'heap' WHEN 't' THEN 'TOAST' ELSE c.relname END AS shown
  FROM pg_class c WHERE c.oid = 't'::regclass
    OR c.oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 't'::regclass)
    OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 't'::regclass)
"""


@dataclass(frozen=True)
class File:
    """One file: its size before, what VACUUM FULL gave back, and what each method said would come back (bytes)."""

    shape: str
    name: str
    size: int
    given_back: int
    claims: Mapping[str, int | None]

    def error(self, method: str) -> float | None:
        """How far off a claim was, in percent of the file; negative: it promised too little."""
        claim = self.claims[method]
        return None if claim is None else 100 * (claim - self.given_back) / self.size


Claims = Mapping[str, int | None]
"""Waste by the name of the file: ``heap``, ``TOAST``, or the index's."""
Method = Callable[[Database], Claims]


def pitstop_estimate(database: Database) -> Claims:
    return _claims(estimate_table(database, "t"))


def pitstop_measured(database: Database) -> Claims:
    return _claims(measure_table(database, "t", probe(database, None)))


def heroku(sql: str) -> Method:
    """`heroku pg:bloat`; its sizes are for reading, so they are asked for in bytes."""
    query = sql.replace("pg_size_pretty(raw_waste) as waste", "raw_waste::bigint AS waste")

    def claims(database: Database) -> Claims:
        rows = [row for row in database.rows(query) if row["object_name"].split("::")[0] == "t"]
        return {row["object_name"].partition("::")[2] or "heap": int(row["waste"]) for row in rows}

    return claims


def check_postgres(sql: str) -> Method:
    """`check_postgres --action=bloat`."""

    def claims(database: Database) -> Claims:
        found: dict[str, int | None] = {}
        for row in database.rows(sql):
            if row["tablename"] == "t":
                found["heap"] = int(row["wastedbytes"])
                found[row["iname"]] = int(row["wastedibytes"])
        return found

    return claims


def heroku_sql() -> str:
    """The query of `pg:bloat`, out of npm's package."""
    file = CACHE / "package" / "dist" / "commands" / "pg" / "bloat.js"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        npm: list[Any] = [PROGRAMS["node"], PROGRAMS["npm"], "pack", HEROKU, "--silent"]
        subprocess.run(npm, cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        archive = next(CACHE.glob("heroku-*.tgz"))
        subprocess.run(["tar", "-xzf", archive, "package/dist/commands/pg/bloat.js"], cwd=CACHE, check=True)
    return _between(file.read_text(), "const query = `", "`;")


def check_postgres_sql() -> str:
    """The query of action `bloat`, out of Debian's package."""
    file = CACHE / "usr" / "bin" / "check_postgres"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "check-postgres"], cwd=CACHE, check=True, capture_output=True)
        subprocess.run(["dpkg-deb", "-x", next(CACHE.glob("check-postgres_*.deb")), CACHE], check=True)
    return _between(file.read_text().partition("sub check_bloat")[2], "$SQL = q{", "\n};")


def compare(url: str, methods: Mapping[str, Method]) -> Iterator[File]:
    """Each shape fresh and half deleted: what everybody says, and what VACUUM FULL then gives back."""
    for shape, create in SHAPES.items():
        for wear in ("fresh", "half deleted"):
            execute(url, "DROP TABLE IF EXISTS t", *create)
            execute(url, *(("VACUUM FULL t",) if wear == "fresh" else (HALF_SQL,)), "VACUUM ANALYZE t")
            with Database(url, "benchmark") as database:
                if database.server_version < STATISTICS_AT_ONCE:
                    time.sleep(1)
                before = {row["shown"]: row["size"] for row in database.rows(FILES_SQL)}
                claims = {name: method(database) for name, method in methods.items()}
                database.execute("VACUUM FULL t")
                after = {row["shown"]: row["size"] for row in database.rows(FILES_SQL)}
            for name, size in sorted(before.items()):
                if size:
                    said = {method: of.get(name) for method, of in claims.items()}
                    yield File(f"{shape}, {wear}", name, size, size - after[name], said)


def report(by_major: Mapping[str, list[File]], methods: Mapping[str, Method], versions: str) -> str:
    """The whole page, in Markdown."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = [
        "# How right estimates of bloat are",
        "",
        f"{now}; {platform.platform()}, {os.cpu_count()} CPUs; {versions}.",
    ]
    text += ["", "Truth is what VACUUM FULL gave back. An error is a claim less the truth, in percent of the file:"]
    text += ["negative promised too little, positive promised too much. –: the method says nothing of such a file."]
    for major, files in by_major.items():
        text += ["", f"## PostgreSQL {major}", "", *_summary(files, list(methods)), "", *_details(files, list(methods))]
    return "\n".join(text) + "\n"


def _summary(files: list[File], methods: list[str]) -> Iterator[str]:
    yield "| method | files judged | mean error | worst error | promised over 10 % too much |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for method in methods:
        errors = [error for file in files if (error := file.error(method)) is not None]
        false = sum(1 for error in errors if error > 10)
        worst = max(errors, key=abs)
        yield f"| {method} | {len(errors)} of {len(files)} | {mean(map(abs, errors)):.1f} | {worst:+.0f} | {false} |"


def _details(files: list[File], methods: list[str]) -> Iterator[str]:
    yield f"| table | file | kB | waste, truly | {' | '.join(f'{method}, error' for method in methods)} |"
    yield f"| --- | --- | ---: | ---: |{' ---: |' * len(methods)}"
    for file in files:
        errors = (file.error(method) for method in methods)
        cells = ["–" if error is None else f"{error:+.1f}" for error in errors]
        truth = f"{100 * file.given_back / file.size:.1f} %"
        yield f"| {file.shape} | {file.name} | {file.size // 1024} | {truth} | {' | '.join(cells)} |"


def _claims(measure: Any) -> Claims:
    names = {"heap": "heap", "toast": "TOAST"}
    return {
        names.get(file.kind, file.name.partition(".")[2]): None if file.method == "unknown" else file.wasted_bytes
        for file in measure.files
    }


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--majors", type=int, nargs="+", default=[13, 15, 18], help="of PostgreSQL")
    methods: dict[str, Method] = {
        "Pitstop, measured": pitstop_measured,
        "Pitstop, estimate": pitstop_estimate,
        "heroku pg:bloat": heroku(heroku_sql()),
        "check_postgres": check_postgres(check_postgres_sql()),
    }
    debian = next(CACHE.glob("check-postgres_*.deb")).stem.split("_")[1]
    by_major: dict[str, list[File]] = {}
    for major in parser.parse_args().majors:
        with running_server(servers.programs(major)) as url:
            execute(url, "CREATE EXTENSION pgstattuple")
            with Database(url, "benchmark") as database:
                version = str(database.row("SHOW server_version")["server_version"])
            by_major[version] = list(compare(url, methods))
    text = report(by_major, methods, f"npm {HEROKU}, Debian check-postgres {debian}")
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)


if __name__ == "__main__":
    main()
