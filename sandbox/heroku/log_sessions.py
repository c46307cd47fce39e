# SPDX-License-Identifier: GPL-3.0-or-later
"""Log sessions: a request for lines makes a URL; that URL gives them, as events or as plain text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.heroku.logs import Filter, Line, LogBook
from sandbox.heroku.models import new_id, now
from sandbox.heroku.wire import find_app, json_body, origin, platform

DEFAULT_LINES = 100


@dataclass(frozen=True)
class Session:
    """Which lines of which log, and whether to go on with those to come."""

    log: LogBook
    wanted: Filter
    lines: int
    tail: bool


async def create(request: Request) -> Response:
    """``POST /apps/A/log-sessions``: takes the CLI's ``dyno`` as well as the schema's ``dyno_name`` and ``type``."""
    app, body = find_app(request), await json_body(request)
    process = body.get("dyno") or body.get("dyno_name") or body.get("type")
    session_id, moment = new_id(), now()
    request.app.state.log_sessions[session_id] = Session(
        log=platform(request).logs[app.id],
        wanted=Filter(body.get("source"), process),
        lines=int(body.get("lines", DEFAULT_LINES)),
        tail=bool(body.get("tail")),
    )
    url = f"{origin(request)}/logplex/{session_id}"
    return JSONResponse({"id": session_id, "logplex_url": url, "created_at": moment, "updated_at": moment}, 201)


async def stream(request: Request) -> Response:
    """``GET`` the URL of a session: server-sent events for who accepts them, else plain text."""
    session = request.app.state.log_sessions.get(request.path_params["session"])
    if session is None:
        return PlainTextResponse("No such log session.", 403)
    events = "text/event-stream" in request.headers.get("accept", "")
    lines = _lines(session, request.headers.get("last-event-id", ""))
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


async def _written(lines: AsyncIterator[Line], events: bool) -> AsyncIterator[str]:
    async for line in lines:
        yield f"id: {line.id}\ndata: {line}\n\n" if events else f"{line}\n"


ROUTES = [Route("/apps/{app}/log-sessions", create, methods=["POST"])]
"""That of the Platform API."""

OPEN_ROUTES = [Route("/logplex/{session}", stream)]
"""The session's own URL, whose id is the permission."""
