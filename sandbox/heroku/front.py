# SPDX-License-Identifier: GPL-3.0-or-later
"""One port for plain HTTP and TLS: the first byte of a connection tells them apart (0x16 opens a TLS handshake)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, cast

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

TLS_HANDSHAKE = 0x16


def protocol(tls: ssl.SSLContext) -> type[asyncio.Protocol]:
    """The protocol class for uvicorn's ``http`` setting, with this context for those who speak TLS."""

    class BoundFront(Front):
        context = tls

    return BoundFront


class Front(asyncio.Protocol):
    """Looks at the first byte without taking it, starts TLS if it has to, then hands over to uvicorn's HTTP/1.1.

    The connection's transport becomes visible to the application as ``scope["state"]["transport"]``.
    """

    context: ssl.SSLContext

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._early = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hold the transport back until the first byte is there to be seen."""
        plain = cast(asyncio.Transport, transport)
        plain.pause_reading()
        self._task = self._loop.create_task(self._begin(plain))

    def data_received(self, data: bytes) -> None:
        """Keep what came through TLS before HTTP took over."""
        self._early += data

    async def _begin(self, transport: asyncio.Transport) -> None:
        first = await self._peek(transport.get_extra_info("socket"))
        if not first:
            transport.close()
            return
        if first[0] == TLS_HANDSHAKE:
            try:
                secure = await self._loop.start_tls(transport, self, self.context, server_side=True)
            except OSError:
                return  # the client did not like our certificate, or went away; the transport is closed
            self._hand_over(cast(asyncio.Transport, secure))
        else:
            self._hand_over(transport)

    def _hand_over(self, transport: asyncio.Transport) -> None:
        state = self._app_state | {"transport": transport}
        http = H11Protocol(self._config, self._server_state, state, self._loop)
        transport.set_protocol(http)
        http.connection_made(transport)
        if self._early:
            http.data_received(self._early)
        transport.resume_reading()

    async def _peek(self, connection: Any) -> bytes:
        """The first byte, left where it is; empty when the client closed without a word."""
        with connection.dup() as twin:
            readable = asyncio.Event()
            self._loop.add_reader(twin, readable.set)
            try:
                await readable.wait()
                return bytes(twin.recv(1, socket.MSG_PEEK))
            except OSError:
                return b""
            finally:
                self._loop.remove_reader(twin)
