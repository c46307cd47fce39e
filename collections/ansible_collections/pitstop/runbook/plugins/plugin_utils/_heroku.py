# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire to Heroku: Platform API and data API, with the retries that are safe.

Reads are retried with backoff on 429, 5xx and broken connections, Retry-After respected. Writes are sent once: a POST
whose answer is lost may have taken effect, so callers read the state before they send it again (``UnknownOutcome``).
"""

from __future__ import annotations

import json
import netrc
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Retry, Timeout

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

ACCEPT = "application/vnd.heroku+json; version=3"
READ_RETRIES = Retry(
    total=6,
    backoff_factor=0.5,
    backoff_max=20,
    backoff_jitter=0.5,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods={"GET"},
    raise_on_status=False,
)
TIMEOUT = Timeout(connect=10, read=60)


class HerokuError(PitstopError):
    """An answer that is no success. ``status`` is its HTTP status, ``id`` Heroku's error id."""

    def __init__(self, what: str, status: int, error_id: str, **parts: Any) -> None:
        self.status = status
        self.id = error_id
        super().__init__(what, **parts)


class UnknownOutcome(PitstopError):
    """A write whose answer was lost: it may have taken effect. Read the state before repeating it."""


def api_key_from_environment(api_url: str) -> str:
    """HEROKU_API_KEY, or the password that ~/.netrc keeps for the API's host (with its port, as the CLI writes it)."""
    if key := os.environ.get("HEROKU_API_KEY"):
        return key
    host = urlsplit(api_url).netloc
    try:
        entry = netrc.netrc().authenticators(host)
    except (OSError, netrc.NetrcParseError):
        entry = None
    if entry and entry[2]:
        return entry[2]
    raise PitstopError(
        f"There is no Heroku API key for {host}",
        why="neither HEROKU_API_KEY nor ~/.netrc has one",
        next_step="export HEROKU_API_KEY=… (make one with `heroku authorizations:create`)",
    )


class HerokuClient:
    """One app owner's view of Heroku. Paths are relative to the API, as in ``/apps/my-app``."""

    def __init__(self, api_url: str, data_url: str, api_key: str) -> None:
        self.api_url = api_url.rstrip("/")
        self.data_url = data_url.rstrip("/")
        self._key = api_key
        self._pool = urllib3.PoolManager(timeout=TIMEOUT)

    @classmethod
    def for_app(cls, app: str | None, api_url: str, data_url: str, api_key: str | None) -> HerokuClient:
        """A client for ``app``; raises PitstopError when no app is named or no key can be found."""
        if not app:
            raise PitstopError("No Heroku app is named", next_step="set pitstop_heroku_app in the app's inventory")
        return cls(api_url, data_url, api_key or api_key_from_environment(api_url))

    @property
    def basic_auth_header(self) -> str:
        """The Authorization header that git over HTTP wants; keep it out of argv and files."""
        return str(urllib3.make_headers(basic_auth=f":{self._key}")["authorization"])

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of a Platform API read."""
        return self._json("GET", self.api_url + path, None, headers)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON that a Platform API write answers. Sent once; UnknownOutcome when the answer is lost."""
        return self._json("POST", self.api_url + path, body)

    def data_get(self, path: str) -> Any:
        """The JSON of a data API read."""
        return self._json("GET", self.data_url + path, None)

    def data_post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Like post, for the data API."""
        return self._json("POST", self.data_url + path, body)

    def stream(self, url: str) -> Iterator[str]:
        """The text of an output stream as it comes. The URL carries its own permission, so no key is sent."""
        response = self._pool.request("GET", url, preload_content=False, retries=READ_RETRIES)
        try:
            for chunk in response.stream(4096, decode_content=True):
                yield chunk.decode("utf-8", "replace")
        finally:
            response.release_conn()

    def _json(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> Any:
        shown = f"{method} {url}"
        sent = {"Accept": ACCEPT, "Authorization": f"Bearer {self._key}", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            response = self._pool.request(
                method,
                url,
                headers=sent,
                body=None if body is None else json.dumps(body).encode(),
                retries=READ_RETRIES if method == "GET" else False,
            )
        except urllib3.exceptions.HTTPError as error:
            cause = PitstopError if method == "GET" else UnknownOutcome
            raise cause(
                f"Heroku did not answer {shown}",
                why=str(error),
                next_step="look at https://status.heroku.com, then run again: the state is read first",
            ) from error
        return self._parsed(shown, response)

    def _parsed(self, shown: str, response: urllib3.BaseHTTPResponse) -> Any:
        try:
            answer = json.loads(response.data or b"null")
        except ValueError:
            answer = None
        if 200 <= response.status < 300 and answer is not None:
            return answer
        error = answer if isinstance(answer, dict) else {}
        error_id = str(error.get("id", ""))
        raise HerokuError(
            f"Heroku answered {shown} with {response.status} {error_id}".rstrip(),
            response.status,
            error_id,
            why=str(error.get("message", "")),
            next_step=_NEXT_STEPS.get(response.status, "look at https://status.heroku.com, then run again"),
        )


_NEXT_STEPS = {
    401: "export a valid HEROKU_API_KEY (`heroku authorizations:create`)",
    403: "ask the app's owner for the right to deploy it",
    404: "check pitstop_heroku_app against `heroku apps`",
    429: "wait some minutes: the account's rate limit is used up",
}
