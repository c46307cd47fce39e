# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores: real pg_dump and pg_restore runs with the record that the data API shows of them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from sandbox.heroku.config import Config
from sandbox.heroku.faults import Faults
from sandbox.heroku.models import App, LogMessage, Transfer, data_now
from sandbox.heroku.store import Store

DUMP = "pg_dump"
RESTORE = "pg_restore"
LINK_SECONDS = 60 * 60


def connection_environment(url: str) -> dict[str, str]:
    """A database URL as libpq's variables, so that the password is in no command line."""
    parts = urlsplit(url)
    fields = {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
    }
    return {key: value for key, value in fields.items() if value}


class Backups:
    """The transfers of every app; their files lie in ``backups/<app id>/<transfer uuid>``."""

    def __init__(self, state_dir: Path, config: Config, store: Store, faults: Faults) -> None:
        self._folder = state_dir / "backups"
        self._bin = Path(config.pg_bin)
        self._store = store
        self._faults = faults
        self._running: dict[str, Process] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def file(self, app: App, transfer: Transfer) -> Path:
        """Where the dump of a backup is."""
        return self._folder / app.id / transfer.uuid

    def capture(self, app: App) -> Transfer:
        """Begin a backup of the app's database. [GUESS] others may be running."""
        return self._begin(app, Transfer(_next_number(app), DUMP))

    def restore(self, app: App, source: Transfer) -> Transfer:
        """Begin to restore a backup into the app's database."""
        transfer = Transfer(_next_number(app), RESTORE, source_uuid=source.uuid)
        transfer.source_bytes = source.processed_bytes
        return self._begin(app, transfer)

    def cancel(self, transfer: Transfer) -> bool:
        """Stop a transfer that runs; False when it does not. [GUESS] it has failed then."""
        process = self._running.get(transfer.uuid)
        if process is None:
            return False
        transfer.canceled_at = data_now()
        process.terminate()
        return True

    def delete(self, app: App, transfer: Transfer) -> None:
        """Forget a transfer and its file."""
        self.cancel(transfer)
        app.transfers.remove(transfer)
        self.file(app, transfer).unlink(missing_ok=True)
        self._store.save()

    async def stop_all(self) -> None:
        """End the transfers that run; they have failed."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        await asyncio.gather(*self._tasks.values())

    def fail_interrupted(self) -> None:
        """[GUESS] After a start of the server: a transfer that was running then has failed."""
        for app in self._store.state.apps:
            for transfer in app.transfers:
                if transfer.finished_at is None:
                    _finish(transfer, False)

    def sign(self, app: App, transfer: Transfer, seconds: int = LINK_SECONDS) -> tuple[str, datetime]:
        """Path and query of a link to the file of a backup, and the moment until which it is good."""
        expires = int(time.time()) + seconds
        path = f"/s3/{app.id}/{transfer.uuid}"
        link = f"{path}?expires={expires}&signature={self._signature(path, expires)}"
        return link, datetime.fromtimestamp(expires, UTC)

    def admits(self, path: str, expires: str, signature: str) -> bool:
        """Whether a link was signed here and has not expired."""
        if not expires.isdigit() or int(expires) < time.time():
            return False
        return hmac.compare_digest(signature, self._signature(path, int(expires)))

    def dump(self, uuid: str) -> tuple[App, Transfer] | None:
        """The backup with this UUID, and the app whose it is."""
        found = ((app, app.transfer(uuid)) for app in self._store.state.apps)
        return next(((app, dump) for app, dump in found if dump and dump.kind == DUMP), None)

    async def query(self, app: App, sql: str) -> str:
        """Ask the app's database; empty when it does not answer."""
        process = await asyncio.create_subprocess_exec(
            self._bin / "psql", "-XAtqc", sql, env=_environment(app), stdout=PIPE, stderr=DEVNULL
        )
        output, _ = await process.communicate()
        return output.decode().strip()

    def _signature(self, path: str, expires: int) -> str:
        key = self._store.state.signing_key.encode()
        return hmac.new(key, f"{path} {expires}".encode(), hashlib.sha256).hexdigest()

    def _begin(self, app: App, transfer: Transfer) -> Transfer:
        app.transfers.append(transfer)
        self._store.save()
        self._tasks[transfer.uuid] = asyncio.create_task(self._run(app, transfer))
        return transfer

    async def _run(self, app: App, transfer: Transfer) -> None:
        transfer.started_at = data_now()
        try:
            succeeded = await (self._dump(app, transfer) if transfer.kind == DUMP else self._load(app, transfer))
        except OSError as error:
            _note(transfer, f"{transfer.kind} did not start: {error}")
            succeeded = False
        _finish(transfer, succeeded and transfer.canceled_at is None)
        self._store.save()
        del self._tasks[transfer.uuid]

    async def _dump(self, app: App, transfer: Transfer) -> bool:
        file = self.file(app, transfer)
        file.parent.mkdir(parents=True, exist_ok=True)
        size = await self.query(app, "SELECT pg_database_size(current_database())")
        transfer.source_bytes = int(size) if size else None
        if self._faults.take("backup_fails"):
            _note(transfer, "sandbox fault: backup_fails")
            return False
        file.touch(mode=0o600)
        with file.open("wb") as target:
            return await self._tool(app, transfer, target.fileno(), DUMP, "--format=custom", "--verbose")

    async def _load(self, app: App, transfer: Transfer) -> bool:
        source = self.dump(transfer.source_uuid or "")
        if source is None:
            _note(transfer, "The backup to restore has been deleted.")
            return False
        options = ("--clean", "--if-exists", "--no-acl", "--no-owner", "--verbose", "--dbname=")
        file = self.file(*source)
        succeeded = await self._tool(app, transfer, DEVNULL, RESTORE, *options, str(file))
        transfer.processed_bytes = file.stat().st_size if succeeded else 0
        return succeeded

    async def _tool(self, app: App, transfer: Transfer, stdout: int, name: str, *options: str) -> bool:
        process = await asyncio.create_subprocess_exec(
            self._bin / name, *options, env=_environment(app), stdout=stdout, stderr=PIPE
        )
        self._running[transfer.uuid] = process
        async for line in _lines(process):
            _note(transfer, line)
            if stdout != DEVNULL:
                transfer.processed_bytes = os.fstat(stdout).st_size
        succeeded = await process.wait() == 0
        del self._running[transfer.uuid]
        if stdout != DEVNULL:
            transfer.processed_bytes = os.fstat(stdout).st_size
        return succeeded


def _environment(app: App) -> dict[str, str]:
    basics = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return basics | connection_environment(app.config_vars["DATABASE_URL"])


async def _lines(process: Process) -> AsyncIterator[str]:
    async for line in cast(asyncio.StreamReader, process.stderr):
        yield line.decode(errors="replace").rstrip()


def _note(transfer: Transfer, message: str) -> None:
    transfer.updated_at = data_now()
    transfer.logs.append(LogMessage(transfer.updated_at, "info", message))


def _finish(transfer: Transfer, succeeded: bool) -> None:
    transfer.succeeded = succeeded
    transfer.finished_at = transfer.updated_at = data_now()


def _next_number(app: App) -> int:
    return max((transfer.num for transfer in app.transfers), default=0) + 1
