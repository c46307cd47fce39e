# SPDX-License-Identifier: GPL-3.0-or-later
"""What all HTTP interfaces share: errors, credentials, finding what a path names, and ranged lists."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from sandbox.heroku.core import Heroku
from sandbox.heroku.models import App, Database, Release

DEFAULT_PAGE = 200
LARGEST_PAGE = 1000


class ApiError(Exception):
    """An answer that is an error: ``{"id": …, "message": …}`` with a status code."""

    def __init__(self, status: int, error_id: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error_id, self.message = status, error_id, message

    def response(self, **headers: str) -> Response:
        """The error as the client gets it."""
        return JSONResponse({"id": self.error_id, "message": self.message}, self.status, headers)


def not_found(what: str) -> ApiError:
    """404 in Heroku's words."""
    return ApiError(404, "not_found", f"Couldn't find that {what}.")


def invalid(message: str) -> ApiError:
    """422 in Heroku's words."""
    return ApiError(422, "invalid_params", message)


async def error_response(_request: Request, error: Exception) -> Response:
    """Starlette's handler for ``ApiError``."""
    return cast(ApiError, error).response()


def platform(request: HTTPConnection) -> Heroku:
    """The platform this request is for."""
    return cast(Heroku, request.app.state.heroku)


def find_app(request: Request) -> App:
    """The app that the path names, by name or UUID."""
    app = platform(request).store.app(request.path_params["app"])
    if app is None:
        raise not_found("app")
    return app


def find_database(app: App) -> Database:
    """The app's database add-on."""
    if app.database is None:
        raise not_found("add on")
    return app.database


def find_release(app: App, key: str) -> Release:
    """A release by UUID or version number."""
    release = app.release(key)
    if release is None:
        raise not_found("release")
    return release


async def json_body(request: Request) -> dict[str, Any]:
    """The JSON object that a request carries; empty when it carries none."""
    if not await request.body():
        return {}
    try:
        body = await request.json()
    except ValueError:
        raise ApiError(400, "bad_request", "Unable to parse the JSON in the request body.") from None
    if not isinstance(body, dict):
        raise ApiError(400, "bad_request", "The request body has to be a JSON object.")
    return body


def credential(request: HTTPConnection) -> str:
    """The token a request brings, as Bearer or as the password of Basic; empty when none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def authorised(request: HTTPConnection) -> bool:
    """Whether a request brings the account's token."""
    return hmac.compare_digest(credential(request).encode(), platform(request).config.token.encode())


def origin(request: HTTPConnection, scheme: str | None = None) -> str:
    """Scheme, host and port as the client sees this server."""
    return f"{scheme or request.url.scheme}://{request.headers.get('host', 'localhost')}"


def ranged[T](request: Request, items: Sequence[T], key: str, show: Callable[[T], dict[str, Any]]) -> Response:
    """A list as the ``Range`` header asks for it: ``version 5..; max=10, order=desc``.

    [GUESS] 206 when more is left, else 200; the CLI takes both.
    """
    lower, upper, size, descending = _parse_range(request.headers.get("range", ""), key)
    rows = [show(item) for item in items]
    rows = [row for row in rows if _within(row[key], lower, upper, descending)]
    rows.sort(key=lambda row: row[key], reverse=descending)
    page, rest = rows[:size], rows[size:]
    headers = {"Accept-Ranges": key}
    if page:
        headers["Content-Range"] = f"{key} {page[0][key]}..{page[-1][key]}"
    if rest:
        order = ", order=desc" if descending else ""
        headers["Next-Range"] = f"{key} {rest[0][key]}..; max={size}{order}"
    return JSONResponse(page, 206 if rest else 200, headers)


def _parse_range(header: str, key: str) -> tuple[str, str, int, bool]:
    span, _, options = header.partition(";")
    match = re.fullmatch(rf"{key} (.*)\.\.(.*)", span.strip()) if span else None
    if span and not match:
        raise ApiError(416, "requested_range_not_satisfiable", f"Range {header!r} does not name {key!r}.")
    lower, upper = match.groups() if match else ("", "")
    size = re.search(r"max=(\d+)", options)
    return lower, upper, min(int(size[1]) if size else DEFAULT_PAGE, LARGEST_PAGE), "order=desc" in options


def _within(value: Any, lower: str, upper: str, descending: bool) -> bool:
    """Whether a row lies between the bounds, the first of which is where the page starts."""
    low, high = (upper, lower) if descending else (lower, upper)
    kind = type(value)
    return (not low or value >= kind(low)) and (not high or value <= kind(high))
