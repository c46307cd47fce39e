# SPDX-License-Identifier: GPL-3.0-or-later
"""A server over HTTP that answers as a test says, also wrongly, slowly or without an end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer, its body in chunks as they come; when it does not end, the connection just breaks."""

    status: int = 200
    chunks: Iterable[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    ends: bool = True


@contextmanager
def answering(answer: Callable[[Asked], Reply]) -> Iterator[str]:
    """Serve ``answer`` on a free port; gives the URL of its root."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = answer(Asked(self.command, self.path, dict(self.headers.items()), body))
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Transfer-Encoding": "chunked"}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                for chunk in reply.chunks:
                    self.wfile.write(f"{len(chunk.encode()):x}\r\n{chunk}\r\n".encode())
                if reply.ends:
                    self.wfile.write(b"0\r\n\r\n")
            self.close_connection = not reply.ends

        def do_POST(self) -> None:
            self.do_GET()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
