# SPDX-License-Identifier: GPL-3.0-or-later
"""Log sessions: a request for lines makes a URL; that URL gives them, as events or as plain text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.heroku.logs import Filter, Line, LogBook
from sandbox.heroku.models import new_id, now
from sandbox.heroku.wire import find_app, json_body, origin, platform

DEFAULT_LINES = 100
LINES_BEFORE_THE_BREAK = 3


@dataclass(frozen=True)
class Session:
    """Which lines of which log, and whether to go on with those to come. ``number`` counts the sessions."""

    number: int
    log: LogBook
    wanted: Filter
    lines: int
    tail: bool


async def create(request: Request) -> Response:
    """``POST /apps/A/log-sessions``: takes the CLI's ``dyno`` as well as the schema's ``dyno_name`` and ``type``."""
    app, body = find_app(request), await json_body(request)
    process = body.get("dyno") or body.get("dyno_name") or body.get("type")
    session_id, moment = new_id(), now()
    sessions = request.app.state.log_sessions
    sessions[session_id] = Session(
        number=len(sessions),
        log=platform(request).logs[app.id],
        wanted=Filter(body.get("source"), process),
        lines=int(body.get("lines", DEFAULT_LINES)),
        tail=bool(body.get("tail")),
    )
    url = f"{origin(request)}/logplex/{session_id}"
    return JSONResponse({"id": session_id, "logplex_url": url, "created_at": moment, "updated_at": moment}, 201)


async def stream(request: Request) -> Response:
    """``GET`` the URL of a session: server-sent events for who accepts them, else text. [GUESS] the 403's body."""
    session = request.app.state.log_sessions.get(request.path_params["session"])
    dropped = platform(request).faults.active("drop_log_stream")
    if session is None or (dropped and session.number % 2):
        return PlainTextResponse("No such log session.", 403)
    events = "text/event-stream" in request.headers.get("accept", "")
    lines = _lines(session, request.headers.get("last-event-id", ""))
    if dropped:
        lines = _broken_off(lines, request.scope["state"]["transport"])
    media_type = "text/event-stream" if events else "text/plain"
    return StreamingResponse(_written(lines, events), media_type=media_type)


async def _lines(session: Session, last_id: str) -> AsyncIterator[Line]:
    if last_id.isdigit():
        known = int(last_id)
    else:
        known = session.log.lines[-1].id if session.log.lines else 0
        for line in session.log.newest(session.lines, session.wanted):
            yield line
    if session.tail:
        async for line in session.log.follow(known, session.wanted):
            yield line


async def _broken_off(lines: AsyncIterator[Line], transport: asyncio.Transport) -> AsyncIterator[Line]:
    """The first few lines, then the connection is closed in the middle of the answer."""
    left = LINES_BEFORE_THE_BREAK
    async for line in lines:
        yield line
        left -= 1
        if not left:
            break
    transport.close()
    await asyncio.sleep(0)


async def _written(lines: AsyncIterator[Line], events: bool) -> AsyncIterator[str]:
    async for line in lines:
        yield f"id: {line.id}\ndata: {line}\n\n" if events else f"{line}\n"


ROUTES = [Route("/apps/{app}/log-sessions", create, methods=["POST"])]
"""That of the Platform API."""

OPEN_ROUTES = [Route("/logplex/{session}", stream)]
"""The session's own URL, whose id is the permission."""
