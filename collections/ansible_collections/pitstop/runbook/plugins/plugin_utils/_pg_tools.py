# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own programs: finding ones that are new enough, and running them without a secret in sight."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import make_dsn, parse_dsn

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError, last_lines

PACKAGED_BINS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
LIST_TIMEOUT_S = 600
POLL_S = 0.2


class ToolMissing(PitstopError):
    """There is no such program, or none that is new enough."""


@dataclass(frozen=True)
class Tool:
    """A program and its version, as 18.1."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def sibling(self, name: str) -> Path:
        return self.path.with_name(name)


def find_tool(name: str, bin_dir: str | None, server_major: int) -> Tool:
    """A ``name`` not older than the server: in ``bin_dir`` when given, else on the PATH, else where packages put it."""
    found = [_tool(path) for path in candidates(name, bin_dir)]
    for tool in found:
        if tool.major >= server_major:
            return tool
    place = bin_dir or "the PATH and the usual folders"
    remedy = f"install postgresql-client-{server_major}, or set backup_bin_dir to the folder of a newer {name}"
    if not found:
        raise ToolMissing(f"There is no {name} in {place}", next_step=remedy)
    newest = max(found, key=lambda tool: tool.major)
    raise ToolMissing(
        f"{name} {newest.version} ({newest.path}) is older than the server, which is {server_major}",
        why=f"{name} refuses servers newer than itself",
        next_step=remedy,
    )


def contents(pg_restore: Path, archive: Path) -> int:
    """How many entries the table of contents of a dump has; raises PitstopError when pg_restore cannot read it."""
    done = subprocess.run(
        [pg_restore, "--list", archive],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIST_TIMEOUT_S,
        check=False,
    )
    entries = [line for line in done.stdout.splitlines() if line and not line.startswith(";")]
    if done.returncode or not entries:
        raise PitstopError(
            f"{archive} is no backup that can be restored",
            why=last_lines(done.stderr) or "its table of contents is empty",
            next_step="take another one; keep this one only to find out what went wrong",
        )
    return len(entries)


def dump(
    pg_dump: Tool, url: str, target: Path, *, jobs: int, name: str, timeout_s: float, progress: Callable[[int], None]
) -> None:
    """Dump the database at ``url`` into the new folder ``target``; ``progress`` hears the bytes written so far.

    The password travels in the environment. Whatever ends this early ends pg_dump too, and with it its session.
    """
    fields = parse_dsn(url)
    environment = _environment(PGPASSWORD=fields.pop("password", ""), PGCONNECT_TIMEOUT="10")
    command = [
        *(str(pg_dump.path), "--format=directory", f"--jobs={jobs}", f"--file={target}", "--no-password"),
        *("--lock-wait-timeout=60s", f"--dbname={make_dsn(**{**fields, 'application_name': name})}"),
    ]
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            _wait(process, target, timeout_s, progress)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode:
            errors.seek(0)
            raise PitstopError(
                f"pg_dump ended with exit code {process.returncode}",
                why=last_lines(errors.read()),
                next_step="mend what it names, then run again: nothing was changed and nothing is left of this try",
            )


def folder_bytes(folder: Path) -> int:
    """The size of all files directly in ``folder``; 0 when it is not there."""
    return sum(path.stat().st_size for path in folder.glob("*"))


def _wait(process: subprocess.Popen[bytes], target: Path, timeout_s: float, progress: Callable[[int], None]) -> None:
    deadline = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise PitstopError(
                f"pg_dump was stopped after {timeout_s:.0f} s, with {folder_bytes(target)} bytes written",
                why="backup_timeout was reached",
                next_step="set backup_timeout higher, or backup_jobs",
            )
        time.sleep(POLL_S)
        progress(folder_bytes(target))


def candidates(name: str, bin_dir: str | None = None) -> Iterator[Path]:
    """Programs of that name: in ``bin_dir`` when given, else on the PATH, then where packages put them."""
    if bin_dir:
        places = [Path(bin_dir) / name]
    else:
        on_path = shutil.which(name)
        packaged = [path for pattern in PACKAGED_BINS for path in Path("/").glob(f"{pattern[1:]}/{name}")]
        places = [*([Path(on_path)] if on_path else []), *sorted(packaged)]
    yield from (place for place in places if os.access(place, os.X_OK))


def _tool(path: Path) -> Tool:
    said = subprocess.run([path, "--version"], env=_environment(), capture_output=True, text=True, check=False).stdout
    version = re.search(r"\d+(\.\d+)?", said)
    return Tool(path, version[0] if version else "0")


def _environment(**more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "SSL_CERT_FILE", "LD_LIBRARY_PATH") if key in os.environ}
    return {**kept, "LC_ALL": "C", **more}
