# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASGI application: both APIs behind the gate, everything else beside it, the router on its own port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.heroku import builds_api, data_api, downloads, git_http, log_sessions, pipelines_api, platform_api, router
from sandbox.heroku.core import Heroku
from sandbox.heroku.gate import Gate
from sandbox.heroku.wire import ApiError, error_response, not_found

ERRORS = {ApiError: error_response, data_api.NotFound: data_api.html_labelled_json}


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer of the APIs where they have nothing."""
    await not_found("resource").response()(scope, receive, send)


def platform_application(heroku: Heroku) -> Starlette:
    """The ASGI application of the platform's port."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await heroku.start()
        yield
        await heroku.stop()

    gated = [*pipelines_api.ROUTES, *platform_api.ROUTES, *builds_api.ROUTES, *log_sessions.ROUTES, *data_api.ROUTES]
    beside = [
        *git_http.OPEN_ROUTES,
        *builds_api.OPEN_ROUTES,
        *log_sessions.OPEN_ROUTES,
        *downloads.OPEN_ROUTES,
    ]
    apis = Mount("/", routes=[*gated, Mount("/", nothing_here)], middleware=[Middleware(Gate)])
    app = Starlette(routes=[*beside, apis], exception_handlers=ERRORS, lifespan=lifespan)
    app.state.heroku = heroku
    app.state.log_sessions = {}
    return app


def application(heroku: Heroku, router_port: int) -> ASGIApp:
    """Both ports in one ASGI application, told apart by the port a request came in at."""
    platform, web = platform_application(heroku), router.application(heroku)

    async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
        routed = scope["type"] == "http" and scope["server"][1] == router_port
        await (web if routed else platform)(scope, receive, send)

    return by_port
