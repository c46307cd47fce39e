# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read without the account's token: output streams, and backups behind signed links."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.heroku.wire import platform

DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>{}</Message></Error>'


async def output(request: Request) -> Response:
    """``GET`` an ``output_stream_url``: the text from its start, until the command ends."""
    outputs, output_id = platform(request).outputs, str(request.path_params["output"])
    if not outputs.exists(output_id):
        return PlainTextResponse("No such stream.", 404)
    return StreamingResponse(outputs.follow(output_id), media_type="text/plain")


async def backup(request: Request) -> Response:
    """``GET`` a signed link to a backup; a bad one is answered 403 with XML, as S3 does. [GUESS] its other fields."""
    backups, query = platform(request).backups, request.query_params
    if platform(request).faults.active("expired_backup_url"):
        return Response(DENIED.format("Request has expired"), 403, media_type="application/xml")
    if not backups.admits(request.url.path, query.get("expires", ""), query.get("signature", "")):
        return Response(DENIED.format("Request has expired or is not signed"), 403, media_type="application/xml")
    found = backups.dump(request.path_params["transfer"])
    if found is None or not backups.file(*found).exists():
        return Response(DENIED.format("There is no such file"), 404, media_type="application/xml")
    return FileResponse(backups.file(*found), media_type="application/octet-stream")


OPEN_ROUTES = [Route("/streams/{output:uuid}", output), Route("/s3/{owner}/{transfer}", backup)]
