# SPDX-License-Identifier: GPL-3.0-or-later
"""Git over HTTP: ``git http-backend`` as a CGI program whose output is passed on as it comes."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.heroku import git_repositories
from sandbox.heroku.models import App
from sandbox.heroku.wire import authorised, platform

CHUNK = 65536
_relays: set[asyncio.Task[None]] = set()


async def serve(request: Request) -> Response:
    """``GET`` and ``POST /APP.git/…``."""
    if not authorised(request):
        challenge = {"WWW-Authenticate": 'Basic realm="Heroku"'}
        return PlainTextResponse("Invalid credentials provided.\n", 401, challenge)
    app = platform(request).store.app(request.path_params["app"])
    if app is None:
        return PlainTextResponse("No such app.\n", 404)
    if request.query_params.get("service") == "git-receive-pack":
        await _let_a_colleague_push(request, app)
    backend = ("git", "http-backend")
    process = await asyncio.create_subprocess_exec(*backend, stdin=PIPE, stdout=PIPE, env=_environment(request, app))
    await _feed(request, process)
    status, headers = await _head(process)
    return StreamingResponse(_body(process), status, headers)


async def _let_a_colleague_push(request: Request, app: App) -> None:
    """The fault rejected_non_fast_forward: a commit that the client does not have, before it learns where main is."""
    heroku = platform(request)
    if heroku.faults.active("rejected_non_fast_forward") and await git_repositories.add_commit(heroku.state_dir, app):
        heroku.faults.take("rejected_non_fast_forward")


def _environment(request: Request, app: App) -> dict[str, str]:
    heroku, headers = platform(request), request.headers
    cgi = {
        "GIT_PROJECT_ROOT": str(git_repositories.root(heroku.state_dir)),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "PATH_INFO": f"/{app.name}.git/{request.path_params['path']}",
        "REMOTE_USER": heroku.config.email,
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
    }
    if "content-length" in headers:
        cgi["CONTENT_LENGTH"] = headers["content-length"]
    host, port = request.scope["server"]
    hook = {
        "SANDBOX_HEROKU_SERVER": f"{host}:{port}",
        "SANDBOX_HEROKU_APP": app.name,
        "SANDBOX_HEROKU_TOKEN": heroku.config.token,
    }
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(heroku.state_dir)} | cgi | hook


async def _feed(request: Request, process: Process) -> None:
    """Give the request's body to git; git answers only when it has read it all."""
    stdin = cast(asyncio.StreamWriter, process.stdin)
    try:
        async for chunk in request.stream():
            stdin.write(chunk)
            await stdin.drain()
    except ClientDisconnect:
        process.kill()
        raise
    except ConnectionError:
        pass  # git ended without reading everything; its answer tells why
    stdin.close()


async def _head(process: Process) -> tuple[int, dict[str, str]]:
    """Read the CGI header lines; without any, git has failed and its message is in the server's log."""
    stdout = cast(asyncio.StreamReader, process.stdout)
    headers: dict[str, str] = {}
    while line := (await stdout.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status = headers.pop("status", "200" if headers else "500")
    return int(status.split()[0]), headers


async def _body(process: Process) -> AsyncIterator[bytes]:
    """Pass on what git writes. A client that goes away does not end the push: git is read to its end all the same."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    relay = asyncio.create_task(_relay(process, queue))
    _relays.add(relay)
    relay.add_done_callback(_relays.discard)
    while chunk := await queue.get():
        yield chunk


async def _relay(process: Process, queue: asyncio.Queue[bytes]) -> None:
    stdout = cast(asyncio.StreamReader, process.stdout)
    while chunk := await stdout.read(CHUNK):
        queue.put_nowait(chunk)
    await process.wait()
    queue.put_nowait(b"")


OPEN_ROUTES = [Route("/{app}.git/{path:path}", serve, methods=["GET", "POST"])]
