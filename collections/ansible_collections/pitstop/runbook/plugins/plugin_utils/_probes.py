# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs while a benchmark measures: the team's script as a process, and SQL statements against the clock."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import psycopg2
import psycopg2.extensions

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import Metric
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError, last_lines
from ansible_collections.pitstop.runbook.plugins.module_utils._probe_plan import CommandProbe, SqlProbe, Statement
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._processes import end_group
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

POLL_S = 0.1
LOCK_TIMEOUT_MS = 2000
ROUND_TRIPS = 9
MAX_RESULT_BYTES = 50_000_000


def settings_of(database: Database) -> dict[str, Any]:
    """What has to be the same at each point for times to be comparable."""
    row = database.row(
        "SELECT current_setting('server_version') AS server_version, current_setting('jit') AS jit,"
        " current_setting('work_mem') AS work_mem"
    )
    trips = [_timed(lambda: database.row("SELECT 1")) for _ in range(ROUND_TRIPS)]
    return {**row, "round_trip_ms": round(statistics.median(trips), 3)}


def measure_command(probe: CommandProbe, directory: Path, database_url: str, console: Console) -> tuple[str, str]:
    """Run the script in ``directory``; return its results as text, and what they are called.

    A results file is taken away from ``directory``, so that a work tree stays as clean as it was. Raises PitstopError
    when the script fails, or is not done in time, or leaves not exactly one new results file.
    """
    environment = _environment(probe, database_url)
    known = _versions(probe, directory)
    output = _run(probe, directory, environment, console)
    if probe.from_stdout:
        return output, f"the output of `{probe.shown}`"
    file = _new_file(probe, directory, known)
    if file.stat().st_size > MAX_RESULT_BYTES:
        raise _failed(probe, f"{file.name} has {file.stat().st_size} bytes", "let the script keep fewer samples")
    text = file.read_text(encoding="utf-8", errors="replace")
    file.unlink()
    return text, file.name


def measure_sql(database: Database, probe: SqlProbe, console: Console) -> list[Metric]:
    """Time the statements, each once a round, so that a slow minute falls on all of them; who is first changes."""
    database.set_timeouts(lock_ms=LOCK_TIMEOUT_MS, statement_ms=1000 * probe.statement_timeout_s)
    for statement in probe.statements:
        _require_harmless(database, probe, statement)
        with database_errors(f"{statement.name} of probe {probe.name} fails", next_step="try its sql in psql"):
            for _ in range(probe.warmup):
                _sample(database, statement)
    samples: dict[str, list[float]] = {statement.name: [] for statement in probe.statements}
    failed = dict.fromkeys(samples, 0)
    for round_ in range(probe.iterations):
        console.progress(probe.name, f"{probe.name}: round {round_} of {probe.iterations}")
        first = round_ % len(probe.statements)
        for statement in probe.statements[first:] + probe.statements[:first]:
            try:
                samples[statement.name].append(_sample(database, statement))
            except psycopg2.Error as error:
                failed[statement.name] += 1
                _after_failure(database, probe, statement, error, failed[statement.name], console)
    console.done(probe.name)
    return [
        Metric.from_samples(name, probe=probe.name, provider="sql", samples=taken, failed=failed[name])
        for name, taken in samples.items()
    ]


def _sample(database: Database, statement: Statement) -> float:
    """Milliseconds of executing the statement and fetching all of its rows."""
    with (
        database.rolled_back(),
        database.connection.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor,
    ):
        return _timed(lambda: _execute(cursor, statement))


def _execute(cursor: psycopg2.extensions.cursor, statement: Statement) -> None:
    cursor.execute(statement.sql, statement.params)
    if cursor.description:
        cursor.fetchall()


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _require_harmless(database: Database, probe: SqlProbe, statement: Statement) -> None:
    """Admit what can be prepared: one query or change of rows. A COMMIT or DDL beside it could outlive the rollback.

    PL/pgSQL refuses to end the transaction that it runs in, so it goes first.
    """
    what = f"{statement.name} of probe {probe.name} cannot be timed"
    advice = "give one SELECT, INSERT, UPDATE, DELETE or MERGE, with a parameter for each placeholder"
    with (
        database_errors(what, next_step=advice),
        database.rolled_back(),
        database.connection.cursor() as cursor,
    ):
        try:
            sql = cursor.mogrify(statement.sql, statement.params).decode()
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise PitstopError(what, why=f"its params do not fit: {error!r}", next_step=advice) from error
        prepare = f"PREPARE pitstop_probe AS {sql}"
        cursor.execute("DO %s", (cursor.mogrify("BEGIN EXECUTE %s; END", (prepare,)).decode(),))
        cursor.execute("DEALLOCATE pitstop_probe")
        cursor.execute(prepare)
        if cursor.statusmessage != "PREPARE":
            raise PitstopError(what, why="it is more than one statement", next_step=advice)
        cursor.execute("DEALLOCATE pitstop_probe")


def _after_failure(
    database: Database, probe: SqlProbe, statement: Statement, error: psycopg2.Error, failures: int, console: Console
) -> None:
    why = " ".join(str(error).split())
    if database.connection.closed:
        raise PitstopError(
            f"The connection was lost while {statement.name} of probe {probe.name} was timed",
            why=why,
            next_step="see whether the server restarted, then run again",
        ) from error
    if failures == 1:
        console.say(f"{probe.name}: {statement.name} failed: {why}")


def _environment(probe: CommandProbe, database_url: str) -> dict[str, str]:
    wanted = {**os.environ, "DATABASE_URL": database_url, **probe.environment}
    return {key: value for key, value in wanted.items() if value is not None}


def _run(probe: CommandProbe, directory: Path, environment: Mapping[str, str], console: Console) -> str:
    """The standard output of the script, which ends well and in time, or else PitstopError."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
    ):
        process = _start(probe, directory, environment, output, errors)
        try:
            _wait(probe, process, console)
        finally:
            end_group(process)
        if process.returncode:
            why = f"exit code {process.returncode}: {_tail(errors) or _tail(output) or 'it said nothing'}"
            raise _failed(probe, why, f"run it by hand in a checkout of the same commit: {probe.shown}")
        output.seek(0)
        return output.read(MAX_RESULT_BYTES)


def _start(
    probe: CommandProbe, directory: Path, environment: Mapping[str, str], output: IO[str], errors: IO[str]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            probe.argv,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        advice = "install it, or put its folder on the probe's PATH"
        raise _failed(probe, f"{probe.argv[0]}: {error.strerror}", advice) from error


def _wait(probe: CommandProbe, process: subprocess.Popen[bytes], console: Console) -> None:
    with Wait(console, probe.name, probe.timeout_s, poll_s=POLL_S) as wait:
        while process.poll() is None:
            if wait.over:
                raise _failed(
                    probe,
                    f"it was not done after {probe.timeout_s} s and was stopped",
                    "raise its timeout, or lower its number of iterations",
                )
            wait.pause("it runs")


def _versions(probe: CommandProbe, directory: Path) -> dict[Path, tuple[int, int]]:
    if probe.from_stdout:
        return {}
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in directory.glob(probe.results)}


def _new_file(probe: CommandProbe, directory: Path, known: Mapping[Path, tuple[int, int]]) -> Path:
    """The one file that the script wrote: results of earlier days may lie there too, even in the repository."""
    new = [path for path, version in _versions(probe, directory).items() if known.get(path) != version]
    if len(new) == 1:
        return new[0]
    if not new:
        raise _failed(probe, f"it wrote no file {probe.results}", "set `results` to the file that it writes, or to '-'")
    names = ", ".join(sorted(path.name for path in new))
    raise _failed(
        probe, f"it wrote {len(new)} files: {names}", f"set `results`, now {probe.results}, so that one matches"
    )


def _tail(stream: IO[str]) -> str:
    stream.seek(0)
    return last_lines(stream.read(MAX_RESULT_BYTES))


def _failed(probe: CommandProbe, why: str, next_step: str) -> PitstopError:
    return PitstopError(f"The benchmark `{probe.shown}` of probe {probe.name} failed", why=why, next_step=next_step)
