# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources and builds: the way to deploy without git, and what the pre-receive hook uses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.heroku.models import App, Build, new_id
from sandbox.heroku.platform_api import views
from sandbox.heroku.wire import (
    ApiError,
    authorised,
    find_app,
    invalid,
    json_body,
    not_found,
    origin,
    platform,
    ranged,
)


async def receive_file(request: Request, file: Path) -> None:
    """Write the body of a request to a file, chunk by chunk."""
    with file.open("wb") as target:
        async for chunk in request.stream():
            await asyncio.to_thread(target.write, chunk)


async def source_create(request: Request) -> Response:
    """``POST /sources``: where to PUT a tarball, and the URL to build it from. The UUID in it is the permission."""
    url = f"{origin(request)}/sources/{new_id()}/blob"
    return JSONResponse({"source_blob": {"get_url": url, "put_url": url}}, 201)


async def source_upload(request: Request) -> Response:
    """``PUT`` a tarball where ``POST /sources`` said."""
    await receive_file(request, _upload(request, request.path_params["source"]))
    return Response(status_code=200)


async def builds(request: Request) -> Response:
    """``GET /apps/A/builds``."""
    app = find_app(request)
    return ranged(request, app.builds, "id", lambda build: views(request).build(app, build))


async def build_info(request: Request) -> Response:
    """``GET /apps/A/builds/B``."""
    app = find_app(request)
    return JSONResponse(views(request).build(app, _find(request, app)))


async def build_create(request: Request) -> Response:
    """``POST /apps/A/builds``: builds and releases an uploaded tarball."""
    app, body = find_app(request), await json_body(request)
    blob = body.get("source_blob") or {}
    url = str(blob.get("url", ""))
    parts = urlsplit(url).path.split("/")
    tarball = _upload(request, parts[2]) if parts[:2] == ["", "sources"] and len(parts) == 4 else None
    if tarball is None or not tarball.exists():
        raise invalid("`source_blob.url` has to be a get_url of POST /sources to whose put_url a tarball went.")
    commit, checksum = str(blob.get("version") or new_id()), blob.get("checksum")
    build = platform(request).builds.start(app, tarball, commit, url, checksum)
    return JSONResponse(views(request).build(app, build), 201)


async def build_cancel(request: Request) -> Response:
    """``DELETE /apps/A/builds/B``."""
    app = find_app(request)
    build = _find(request, app)
    if not platform(request).builds.cancel(build):
        raise ApiError(409, "conflict", f"Build {build.id} has ended: it {build.status}.")
    return JSONResponse(views(request).build(app, build))


async def push(request: Request) -> Response:
    """``POST /pushes/A/COMMIT``, by the pre-receive hook: builds the tarball; the answer is what git shows."""
    app = _pushed_app(request)
    tarball = _upload(request, new_id())
    await receive_file(request, tarball)
    heroku, commit = platform(request), request.path_params["key"]
    build = heroku.builds.start(app, tarball, commit, f"git push {commit}")
    output = heroku.builds.push_output(app, build)
    return StreamingResponse(output, media_type="text/plain", headers={"Build-Id": build.id})


async def push_verdict(request: Request) -> Response:
    """``GET /pushes/A/BUILD``, by the pre-receive hook: whether to accept the push."""
    app = _pushed_app(request)
    return PlainTextResponse(next(b.status for b in app.builds if b.id == request.path_params["key"]))


def _pushed_app(request: Request) -> App:
    if not authorised(request):
        raise ApiError(401, "unauthorized", "Invalid credentials provided.")
    return find_app(request)


def _upload(request: Request, source_id: str) -> Path:
    return platform(request).uploads / f"{source_id}.tar"


def _find(request: Request, app: App) -> Build:
    key = request.path_params["build"]
    build = next((build for build in app.builds if build.id == key), None)
    if build is None:
        raise not_found("build")
    return build


ROUTES = [
    Route("/sources", source_create, methods=["POST"]),
    Route("/apps/{app}/sources", source_create, methods=["POST"]),
    Route("/apps/{app}/builds", builds),
    Route("/apps/{app}/builds", build_create, methods=["POST"]),
    Route("/apps/{app}/builds/{build}", build_info),
    Route("/apps/{app}/builds/{build}", build_cancel, methods=["DELETE"]),
]
"""Those of the Platform API."""

OPEN_ROUTES = [
    Route("/sources/{source:uuid}/blob", source_upload, methods=["PUT"]),
    Route("/pushes/{app}/{key}", push, methods=["POST"]),
    Route("/pushes/{app}/{key}", push_verdict),
]
"""Those that check for themselves who may."""
