# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that is written by one task and followed by many readers: build output, release output, log lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from sandbox.heroku.models import new_id


class Signal:
    """Wakes all that wait for the next change."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def fire(self) -> None:
        """Wake everybody who waits now."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Return at the next ``fire``."""
        await self._changed.wait()


class Outputs:
    """The output streams of builds and release commands, one file each in ``DIR/output/``."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "output"
        self._folder.mkdir(exist_ok=True)
        self._open: set[str] = set()
        self._signal = Signal()

    def open(self) -> str:
        """Begin a stream; readers stay with it until ``close``."""
        output_id = new_id()
        self._file(output_id).touch()
        self._open.add(output_id)
        return output_id

    def write(self, output_id: str, text: str) -> None:
        """Append text."""
        with self._file(output_id).open("a") as file:
            file.write(text)
        self._signal.fire()

    def close(self, output_id: str) -> None:
        """End the stream; readers get what is left and end."""
        self._open.discard(output_id)
        self._signal.fire()

    def close_all(self) -> None:
        """End every stream: the server is about to stop."""
        self._open.clear()
        self._signal.fire()

    def exists(self, output_id: str) -> bool:
        """Whether there is such a stream."""
        return self._file(output_id).exists()

    async def follow(self, output_id: str) -> AsyncIterator[bytes]:
        """Yield the stream from its start, as it grows, until it is closed."""
        with self._file(output_id).open("rb") as file:
            while True:
                last = output_id not in self._open
                if chunk := file.read():
                    yield chunk
                elif last:
                    return
                else:
                    await self._signal.wait()

    def _file(self, output_id: str) -> Path:
        return self._folder / f"{output_id}.txt"
