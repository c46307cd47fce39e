# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_repack, where it is installed: its client has to be of the extension's own version."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from psycopg2.extensions import parse_dsn

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError, last_lines
from ansible_collections.pitstop.runbook.plugins.plugin_utils._pg_tools import candidates

WAIT_S = 1
"""How long it may try for a lock; with --no-kill-backend it then gives the table up.

Its tries grow to a second each and follow each other at once, so that others get no turn: with 10 they waited 10 s.
"""
POLL_S = 0.2
ENDING_S = 20
"""How long it may take to clean up after itself."""
ENVIRONMENT = {
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}
"""Part of a URL -> the variable of libpq."""
OWNERS_SINCE = (1, 5, 2)
"""Before, its functions want a superuser; the client, told not to check, then tries to clean up for ever."""
ARGUMENTS = ("host", "port", "user", "dbname")


def find_client(extension_version: str) -> Path | None:
    """A pg_repack of this version on the PATH, or where packages put it."""
    return next((client for client in candidates("pg_repack") if _version(client) == extension_version), None)


def owners_may(extension_version: str) -> bool:
    """Whether somebody who is no superuser can use this version on a table of their own."""
    return tuple(int(part) for part in extension_version.split(".")) >= OWNERS_SINCE


def arguments(table: str, *, superuser: bool) -> list[str]:
    """What it is called with, but for the connection. It must not end other people's sessions."""
    checks = [] if superuser else ["--no-superuser-check"]
    return [f"--table={table}", "--no-kill-backend", f"--wait-timeout={WAIT_S}", *checks]


def repack(client: Path, url: str, application_name: str, options: Sequence[str], stop: threading.Event) -> None:
    """Run it to its end; raises PitstopError with what it said. It cleans up after itself when ``stop`` is set.

    Whatever is secret travels in the environment.
    """
    fields = parse_dsn(url)
    connection = [f"--{'username' if name == 'user' else name}={fields[name]}" for name in ARGUMENTS if name in fields]
    secrets = {variable: fields[name] for name, variable in ENVIRONMENT.items() if name in fields}
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", ""), "LC_ALL": "C"}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            [str(client), *connection, "--no-password", *options],
            env={**environment, **secrets, "PGAPPNAME": application_name},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while process.poll() is None and not stop.wait(POLL_S):
                pass
        finally:
            if process.poll() is None:
                _end(process)
        if process.returncode:
            output.seek(0)
            raise PitstopError(
                f"pg_repack ended with exit code {process.returncode}",
                why=last_lines(output.read()),
                next_step="see whether it left anything: \\dt repack.* and triggers called repack_trigger",
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _version(client: Path) -> str:
    said = subprocess.run([client, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else ""
