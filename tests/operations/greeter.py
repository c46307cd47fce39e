# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a pooler: it passes everything on, but greets each session with a process id that it made up."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

BACKEND_KEY_DATA = re.compile(rb"(?<=K\x00\x00\x00\x0c)[\x00-\xff]{4}")


@contextmanager
def greeter(port: int, rewrite: bool) -> Iterator[int]:
    """Serve on a free port in front of PostgreSQL on ``port``; a plain proxy unless ``rewrite``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, port, rewrite), daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, port: int, rewrite: bool) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_pass, args=(client, server, bytes), daemon=True).start()
            threading.Thread(target=_pass, args=(server, client, _regreet if rewrite else bytes), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with suppress(OSError), source:
        while data := source.recv(65536):
            target.sendall(change(data))
        target.shutdown(socket.SHUT_WR)


def _regreet(data: bytes) -> bytes:
    return BACKEND_KEY_DATA.sub(b"\x00\xff\xff\xff", data)
