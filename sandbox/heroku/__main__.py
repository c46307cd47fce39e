# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sandbox.heroku serve --state-dir DIR --port P --router-port R``."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path

import uvicorn

from sandbox.heroku import front, tls
from sandbox.heroku.app import application
from sandbox.heroku.core import Heroku

HEADER_BYTES = 65536
"""The CLI's Request-Id grows to 7 kB."""
GOODBYE_SECONDS = 1
"""How long open requests, log tails above all, may hold up the end."""


class Server(uvicorn.Server):
    """Ends the streams of the platform before it waits for open requests."""

    def __init__(self, config: uvicorn.Config, heroku: Heroku) -> None:
        super().__init__(config)
        self._heroku = heroku

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hang up, then shut down as uvicorn does."""
        self._heroku.hang_up()
        await super().shutdown(sockets)


def main() -> None:
    """Serve in the foreground until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.heroku", description="A local Heroku on loopback.")
    serve = parser.add_subparsers(required=True).add_parser("serve", help="serve until SIGTERM")
    serve.add_argument("--state-dir", type=Path, required=True, help="all state; config.json has to be there")
    serve.add_argument("--port", type=int, required=True, help="Platform API, data API, git, logs, backups")
    serve.add_argument("--router-port", type=int, required=True, help="the apps' web traffic")
    arguments = parser.parse_args()
    run(arguments.state_dir.resolve(), arguments.port, arguments.router_port)


def run(state_dir: Path, port: int, router_port: int) -> None:
    """Serve the state in a folder on two ports of loopback."""
    os.umask(0o077)
    sockets = [listen(port), listen(router_port)]
    heroku = Heroku(state_dir)
    config = uvicorn.Config(
        application(heroku, router_port),
        http=front.protocol(tls.context(state_dir)),
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        log_level="warning",
    )
    Server(config, heroku).run(sockets=sockets)


def listen(port: int) -> socket.socket:
    """A socket on loopback, and nowhere else.

    Raises:
        SystemExit: the port is taken.

    """
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise SystemExit(f"Cannot listen on 127.0.0.1:{port}: {error}. Choose another, or end who has it.") from None


if __name__ == "__main__":
    main()
