# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP router: passes requests to the web dynos of an app, and says in the app's log how that went.

The codes are Heroku's; [GUESS] the exact fields of the lines, the pages, and 404 for an app that is not there.

The app is the one that the host names (``APP.localhost``), else the first. Answers are passed on whole.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox.heroku.core import Heroku
from sandbox.heroku.dynos import Dyno
from sandbox.heroku.models import App, new_id

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
ANSWER_SECONDS = 30
BOOT_SECONDS = 75
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "content-length"}
PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
ERRORS = {
    "H10": "App crashed",
    "H12": "Request timeout",
    "H13": "Connection closed without response",
    "H14": "No web processes running",
    "H20": "App boot timeout",
    "H80": "Maintenance mode",
}


class RouterError(Exception):
    """A request that the router has to answer itself, with 503; the text is the code."""


@dataclass
class Served:
    """A dyno's answer, and how long it took in milliseconds."""

    answer: httpx.Response
    dyno: Dyno
    service: int


class Router:
    """Takes every request of the router's port."""

    def __init__(self, heroku: Heroku) -> None:
        self._heroku = heroku
        self._client = httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False)
        self._turn = itertools.count()

    async def handle(self, request: Request) -> Response:
        """Answer one request, from a dyno or with the platform's error page."""
        app = self._app(request)
        if app is None:
            return HTMLResponse(PAGE.format("No such app"), 404)
        request_id = request.headers.get("x-request-id", new_id())
        line = f'method={request.method} path="{request.url.path}" host={request.url.hostname} request_id={request_id}'
        log = self._heroku.logs[app.id]
        try:
            served = await self._serve(app, request, request_id)
        except RouterError as error:
            code = str(error)
            log.write("heroku", "router", f'at=error code={code} desc="{ERRORS[code]}" {line} dyno= status=503 bytes=')
            return HTMLResponse(PAGE.format("Application error"), 503)
        answer = served.answer
        tail = f"dyno={served.dyno.name} service={served.service}ms status={answer.status_code}"
        log.write("heroku", "router", f"at=info {line} {tail} bytes={len(answer.content)} protocol=http")
        return _passed_on(answer)

    def _app(self, request: Request) -> App | None:
        name, dot, _ = (request.url.hostname or "").partition(".localhost")
        if dot:
            return self._heroku.store.app(name)
        return next(iter(self._heroku.apps), None)

    async def _serve(self, app: App, request: Request, request_id: str) -> Served:
        if app.maintenance:
            raise RouterError("H80")
        with self._heroku.dynos.requested(app):
            return await self._ask(await self._choose(app), request, request_id)

    async def _ask(self, dyno: Dyno, request: Request, request_id: str) -> Served:
        headers = [(name, value) for name, value in request.headers.raw if name.decode().lower() not in HOP_BY_HOP]
        headers += [(name.encode(), value.encode()) for name, value in _forwarded(request, request_id).items()]
        url = f"http://127.0.0.1:{dyno.port}{request.url.path}"
        started = time.monotonic()
        try:
            answer = await self._client.request(
                request.method,
                url,
                params=request.url.query,
                headers=headers,
                content=await request.body(),
            )
        except httpx.TimeoutException:
            raise RouterError("H12") from None
        except httpx.TransportError:
            raise RouterError("H13") from None
        return Served(answer, dyno, round((time.monotonic() - started) * 1000))

    async def _choose(self, app: App) -> Dyno:
        """A web dyno that is up; one that still boots is waited for, one that sleeps is woken. [GUESS] its H codes."""
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                while True:
                    self._heroku.dynos.wake(app)
                    dynos = self._heroku.dynos.serving(app)
                    up = [dyno for dyno in dynos if dyno.state == "up"]
                    if up:
                        return up[next(self._turn) % len(up)]
                    starting = [dyno for dyno in dynos if dyno.state == "starting"]
                    if not starting:
                        raise RouterError("H10" if dynos else "H14")
                    await starting[0].changed.wait()
        except TimeoutError:
            raise RouterError("H20") from None


def _forwarded(request: Request, request_id: str) -> dict[str, str]:
    """The headers by which a dyno learns of the client that the router hides."""
    return {
        "x-request-id": request_id,
        "x-forwarded-for": request.client.host if request.client else "127.0.0.1",
        "x-forwarded-proto": request.url.scheme,
        "x-forwarded-port": str(request.scope["server"][1]),
        "via": "1.1 sandbox-router",
    }


def _passed_on(answer: httpx.Response) -> Response:
    """A dyno's answer for the client. Its body is decoded already, so it no longer has an encoding."""
    response = Response(answer.content, answer.status_code)
    dropped = HOP_BY_HOP | {"content-encoding"}
    kept = [(name.lower(), value) for name, value in answer.headers.raw if name.decode().lower() not in dropped]
    response.raw_headers = [header for header in response.raw_headers if header[0] == b"content-length"] + kept
    return response


def application(heroku: Heroku) -> Starlette:
    """The ASGI application of the router's port."""
    return Starlette(routes=[Route("/{path:path}", Router(heroku).handle, methods=METHODS)])
