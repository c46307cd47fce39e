# SPDX-License-Identifier: GPL-3.0-or-later
"""An app that speaks HTTP, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request as it came; ``number`` counts those of its path from 1."""

    method: str
    path: str
    headers: dict[str, str]
    body: str
    client: tuple[str, int]
    number: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Bot:
    """``answer`` gives the status and the JSON for a request; ``given`` are headers of each answer."""

    answer: Callable[[Asked], tuple[int, Any]] = lambda _: (200, {"ok": True})
    given: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def of(self, method: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == method]


@contextmanager
def listening(bot: Bot) -> Iterator[Bot]:
    """Let the bot listen on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            number = 1 + sum(other.path == self.path for other in bot.asked)
            asked = Asked(self.command, self.path, dict(self.headers), body, self.client_address, number)
            bot.asked.append(asked)
            status, data = bot.answer(asked)
            text = json.dumps(data).encode()
            self.send_response(status)
            for name, value in {**bot.given, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_DELETE = do_GET  # noqa: N815 # http.server's names

        def log_message(self, *_: object) -> None:
            """Be silent."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        bot.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield bot
        server.shutdown()
