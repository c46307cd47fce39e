# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire to Heroku: Platform API and data API, with the retries that are safe.

Reads, and writes that can be repeated, are tried again with backoff after 429 (Retry-After respected), 5xx, broken
connections and silence, all within READ_S. A POST is sent once: when its answer is lost it may have taken effect, so
callers read the state before they send it again (``UnknownOutcome``, ``write_surely``).
"""

from __future__ import annotations

import codecs
import json
import netrc
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

ACCEPT = "application/vnd.heroku+json; version=3"
PASSING_STATUSES = (429, 500, 502, 503, 504)
CONNECT_S = 10.0
TRY_S = 12.0
"""How long one try of a read may be silent."""
READ_S = 110.0
"""How long a read may take, all its tries included."""
WRITE_S = 30.0
STREAM_S = 60.0
"""How long an output stream may be silent before it is read anew."""
TRIES = 7
LONGEST_PAUSE_S = 30.0
FEW_TOKENS = 100
SLOW_S = 1.0
"""With few tokens left, the pause before each request: Heroku gives about 75 a minute."""
WRITE_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
CHUNK_BYTES = 1 << 16

Say = Callable[[str], None]


class HerokuError(PitstopError):
    """An answer that is no success. ``status`` is its HTTP status, ``id`` Heroku's error id."""

    def __init__(self, what: str, status: int, error_id: str, **parts: Any) -> None:
        self.status = status
        self.id = error_id
        super().__init__(what, **parts)


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnknownOutcome(PitstopError):
    """A write whose answer was lost: it may have taken effect. Read the state before repeating it."""


def write_surely[T](
    write: Callable[[], T], find: Callable[[], T | None], sleep: Callable[[float], None] = time.sleep
) -> T:
    """Make a write take effect once, over a wire that loses answers.

    After an answer that was lost, or that says "later", ``find`` looks for what the write may have made; only when it
    finds nothing the write is sent again. Raises the error of the last try.
    """
    for pause in WRITE_PAUSES_S:
        try:
            return write()
        except UnknownOutcome:
            pass
        except HerokuError as refused:
            if refused.status not in PASSING_STATUSES:
                raise
        sleep(pause)
        if (made := find()) is not None:
            return made
    return write()


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

    def __init__(
        self,
        api_url: str,
        data_url: str,
        api_key: str,
        *,
        say: Say | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.data_url = data_url.rstrip("/")
        self._key = api_key
        self._say = say or (lambda _text: None)
        self._sleep = sleep
        self._clock = clock
        self._pool = urllib3.PoolManager(retries=False)
        self._slowed = self._warned = False

    @classmethod
    def for_app(
        cls, app: str | None, api_url: str, data_url: str, api_key: str | None, say: Say | None = None
    ) -> HerokuClient:
        """A client for ``app``; raises PitstopError when no app is named or no key can be found.

        ``say`` shows a line: that requests are slowed, because few of the account's are left.
        """
        if not app:
            raise PitstopError("No Heroku app is named", next_step="set pitstop_heroku_app in the app's inventory")
        return cls(api_url, data_url, api_key or api_key_from_environment(api_url), say=say)

    @property
    def basic_auth_header(self) -> str:
        """The Authorization header that git over HTTP wants; keep it out of argv and files."""
        return str(urllib3.make_headers(basic_auth=f":{self._key}")["authorization"])

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of a Platform API read."""
        return self._json("GET", self.api_url + path, headers=headers, repeatable=True)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON that a Platform API write answers. Sent once; UnknownOutcome when the answer is lost."""
        return self._json("POST", self.api_url + path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Like post, for a state that is wanted, such as ``{"maintenance": true}``: repeating it changes nothing."""
        return self._json("PATCH", self.api_url + path, body, repeatable=True)

    def delete(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """End what is at ``path``. Sent once; UnknownOutcome when the answer is lost."""
        return self._json("DELETE", self.api_url + path, headers=headers)

    def data_get(self, path: str) -> Any:
        """The JSON of a data API read."""
        return self._json("GET", self.data_url + path, repeatable=True)

    def data_post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Like post, for the data API."""
        return self._json("POST", self.data_url + path, body)

    def put_file(self, url: str, file: Path, timeout: float) -> None:
        """Upload a file to a signed URL within ``timeout`` seconds. The URL is the permission, so no key is sent.

        Raises PitstopError, which does not show the URL.
        """
        until = self._clock() + timeout
        size = {"Content-Length": str(file.stat().st_size)}

        def send(_seconds: float) -> Answer:
            return self._answer("PUT", url, size, self._chunks(file, until), WRITE_S)

        try:
            answer = self._until_answered(send, until)
        except HTTPError as error:
            raise PitstopError(
                "The upload to Heroku's storage did not arrive",
                why=type(error).__name__,
                next_step="look at the connection to the internet, then run again",
            ) from None
        if not 200 <= answer.status < 300:
            raise PitstopError(
                f"Heroku's storage answered the upload with {answer.status}",
                next_step="look at https://status.heroku.com, then run again: a new place is asked for",
            )

    def stream(self, url: str) -> Iterator[str]:
        """The text of an output stream as it comes. The URL carries its own permission, so no key is sent.

        Raises HTTPError when it breaks or is silent for long, HerokuError when it is not there (yet).
        """
        response = self._pool.request(
            "GET", url, preload_content=False, redirect=False, timeout=Timeout(connect=CONNECT_S, read=STREAM_S)
        )
        try:
            if response.status >= 400:
                raise HerokuError(f"The output stream was answered {response.status}", response.status, "")
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            while chunk := response.read1(CHUNK_BYTES):
                yield decoder.decode(chunk)
        finally:
            response.close()

    def _json(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        repeatable: bool = False,
    ) -> Any:
        shown = f"{method} {url}"
        sent = {"Accept": ACCEPT, "Authorization": f"Bearer {self._key}", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"

        def send(seconds: float) -> Answer:
            return self._answer(method, url, sent, None if body is None else json.dumps(body).encode(), seconds)

        if self._slowed:
            self._sleep(SLOW_S)
        try:
            answer = self._until_answered(send, self._clock() + READ_S) if repeatable else send(WRITE_S)
        except HTTPError as error:
            cause = PitstopError if method == "GET" else UnknownOutcome
            raise cause(
                f"Heroku did not answer {shown}",
                why=str(error),
                next_step="look at https://status.heroku.com, then run again: the state is read first",
            ) from error
        self._heed(answer)
        return self._parsed(shown, answer)

    def _answer(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterator[bytes] | None, seconds: float
    ) -> Answer:
        """One try. Silence may last ``seconds``, and so may an answer that comes by the drop."""
        until = self._clock() + seconds
        response = self._pool.request(
            method,
            url,
            headers=headers,
            body=body,
            preload_content=False,
            redirect=False,
            timeout=Timeout(connect=min(CONNECT_S, seconds), read=seconds),
        )
        whole = bytearray()
        while chunk := response.read1(CHUNK_BYTES):
            whole += chunk
            if self._clock() > until:
                response.close()
                raise urllib3.exceptions.TimeoutError(f"the answer was not whole after {seconds:.0f} s")
        response.release_conn()
        return Answer(response.status, response.headers, bytes(whole))

    def _until_answered(self, send: Callable[[float], Answer], until: float) -> Answer:
        """Send until there is an answer that will not be another one in a while; else the last answer or error."""
        for number in range(1, TRIES + 1):
            answer: Answer | None = None
            try:
                answer = send(max(1.0, min(TRY_S, until - self._clock())))
                if answer.status not in PASSING_STATUSES:
                    return answer
            except HTTPError as error:
                failure = error
            pause = _pause_s(number, answer)
            if number == TRIES or self._clock() + pause >= until:
                break
            self._sleep(pause)
        if answer is None:
            raise failure
        return answer

    def _chunks(self, file: Path, until: float) -> Iterator[bytes]:
        """A file to send, as long as there is time."""
        with file.open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                if self._clock() > until:
                    raise TimeoutError("no time is left")
                yield chunk

    def _heed(self, answer: Answer) -> None:
        """Be slow while few of the account's requests are left: others need them too."""
        left = answer.headers.get("RateLimit-Remaining", "")
        if not left.isdigit():
            return
        few = int(left) < FEW_TOKENS
        if few and not self._warned:
            self._warned = True
            self._say(f"Heroku: this account has only {left} requests left for now, so they are sent slowly")
        self._slowed = few

    def _parsed(self, shown: str, answer: Answer) -> Any:
        try:
            content = json.loads(answer.body or b"null")
        except ValueError:
            content = None
        if 200 <= answer.status < 300 and content is not None:
            return content
        error = content if isinstance(content, dict) else {}
        error_id = str(error.get("id", ""))
        raise HerokuError(
            f"Heroku answered {shown} with {answer.status} {error_id}".rstrip(),
            answer.status,
            error_id,
            why=str(error.get("message", "")),
            next_step=_next_step(answer),
        )


def _pause_s(number: int, answer: Answer | None) -> float:
    """How long to wait after try ``number``: what Heroku asks for, within reason, else ever longer."""
    asked = _retry_after(answer) if answer else None
    backoff = 0.5 * 2.0 ** (number - 1) + random.uniform(0, 0.5)  # noqa: S311 - it only spreads the tries
    return min(LONGEST_PAUSE_S, max(backoff, asked or 0))


def _retry_after(answer: Answer) -> int | None:
    value = answer.headers.get("Retry-After", "")
    return int(value) if value.isdigit() else None


def _next_step(answer: Answer) -> str:
    if answer.status == 429:
        seconds = _retry_after(answer) or 60
        return f"run again in {seconds} s: the account's requests are used up, and about 75 come back each minute"
    return _NEXT_STEPS.get(answer.status, "look at https://status.heroku.com, then run again")


_NEXT_STEPS = {
    401: "export a valid HEROKU_API_KEY (`heroku authorizations:create`)",
    403: "ask the app's owner for the right to deploy it",
    404: "check pitstop_heroku_app against `heroku apps`",
}
