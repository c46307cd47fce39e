# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of both APIs: who may pass, in which version, and the faults that hit any request."""

from __future__ import annotations

import asyncio
import socket
import struct

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.heroku.models import new_id
from sandbox.heroku.wire import ApiError, authorised, platform

VERSION = "application/vnd.heroku+json"
EVERY = 3
HANGS_EVERY = 20
RETRY_AFTER = 2


class Gate:
    """ASGI middleware around the Platform API and the data API.

    [GUESS] 406 for a request that does not name the version, and Retry-After with 429: strict on purpose, and kind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests = 0
        self._posts = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an error, or let the request through."""
        request = HTTPConnection(scope)
        request_id = request.headers.get("request-id", new_id())

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Request-Id"] = request_id
                headers["RateLimit-Remaining"] = "4500"
            await send(message)

        if refusal := self._refusal(request):
            retry = {"Retry-After": str(RETRY_AFTER)} if refusal.status == 429 else {}
            await refusal.response(**retry)(scope, receive, marked)
        elif self._requests % HANGS_EVERY == 0 and platform(request).faults.active("hang"):
            await _never_answer(platform(request).hung_up, receive)
            await _reset(scope["state"]["transport"])
        elif scope["method"] == "POST" and self._loses_answer(request):
            await self._app(scope, receive, _swallow)
            await _reset(scope["state"]["transport"])
        else:
            await self._app(scope, receive, marked)

    def _loses_answer(self, request: HTTPConnection) -> bool:
        """The first POST since the fault was set, and then every other one: a second try gets through."""
        self._posts = self._posts + 1 if platform(request).faults.active("reset_after_post") else 0
        return self._posts % 2 == 1

    def _refusal(self, request: HTTPConnection) -> ApiError | None:
        if not authorised(request):
            return ApiError(401, "unauthorized", "Invalid credentials provided.")
        if VERSION not in request.headers.get("accept", ""):
            return ApiError(406, "not_acceptable", f"Send the header Accept: {VERSION}; version=3")
        self._requests += 1
        faults, hit = platform(request).faults, self._requests % EVERY == 0
        if hit and faults.active("api_429"):
            message = "Your account reached the API rate limit. Please wait a few minutes before making new requests"
            return ApiError(429, "rate_limit", message)
        if hit and faults.active("api_503"):
            return ApiError(503, "service_unavailable", "Service Unavailable. Please try again later.")
        return None


async def _never_answer(hung_up: asyncio.Event, receive: Receive) -> None:
    """Wait until the client gives up or the server stops. [GUESS] the request had no effect; some have one."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    ends = [asyncio.ensure_future(gone()), asyncio.ensure_future(hung_up.wait())]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()


async def _swallow(message: Message) -> None:
    """Drop an answer."""


async def _reset(transport: asyncio.Transport) -> None:
    """Close a connection so that the client gets ECONNRESET: with a linger time of zero."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0)
