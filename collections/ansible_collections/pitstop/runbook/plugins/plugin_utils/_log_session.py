# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire to an app's log: a session is made with the API, and its URL, which is a secret, gives the lines."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

import urllib3

from ansible_collections.pitstop.runbook.plugins.module_utils._app_log import Line, moment, parse
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient, HerokuError

KEPT_LINES = 1500
"""So many lines Heroku keeps of an app's log."""
TIMEOUT = urllib3.Timeout(connect=10, read=60)
CHUNK = 65536
MAX_LINE = 100_000
PAUSE_S = 1.0
MAX_PAUSE_S = 10.0
CLOSE_S = 2.0
PERMANENT = (401, 403, 404)

_BROKEN = (urllib3.exceptions.HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
"""What reading a stream raises, also one that another thread closes."""


class LogSession:
    """Reads an app's log in the background, so that a deadline holds whatever the stream does.

        with LogSession(heroku, "my-app", tail=True) as session:
            for line in session.new_lines(): …

    With ``tail`` come the lines from now on, until the block ends; without, those that Heroku still has. A stream that
    breaks, ends, or is refused is opened anew with a session of its own. That one begins after the last line, or where
    Heroku does not heed that, with all that is kept; a line that was there already is not given twice.
    """

    def __init__(self, heroku: HerokuClient, app: str, *, tail: bool) -> None:
        self.problem = "it did not come in time"
        """Why the log could not be read, as it was last; the session's URL is not in it."""
        self.ended = False
        """Whether all lines were read. Never with ``tail``, and never for Fir apps, whose logs have no end."""
        self._heroku = heroku
        self._app = app
        self._tail = tail
        self._began: datetime | None = None
        self._pause_s = PAUSE_S
        self._last_id = ""
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._known: deque[str] = deque(maxlen=2 * KEPT_LINES)
        self._has_been_open = False
        self._open = threading.Event()
        self._closed = threading.Event()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        if isinstance(self._response, urllib3.HTTPResponse):
            with suppress(*_BROKEN):
                self._response.shutdown()
        self._thread.join(CLOSE_S)

    @property
    def over(self) -> bool:
        """Whether nothing more will come: all was read, or Heroku refuses for good."""
        return not self._thread.is_alive()

    def is_open(self, within_s: float) -> bool:
        """Whether the log is being read, or is again within some seconds."""
        return not self.over and self._open.wait(within_s)

    def new_lines(self) -> list[Line]:
        """The lines since the last call."""
        lines: list[Line] = []
        with suppress(Empty):
            while True:
                line = parse(self._lines.get_nowait())
                if line.whole in self._known or (self._began and line.time and line.time < self._began):
                    continue
                self._known.append(line.whole)
                lines.append(line)
        return lines

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                self._read()
                self.problem = "its stream ended"
                if not self._tail:
                    self.ended = True
                    return
            except PitstopError as error:
                self.problem = ": ".join(filter(None, (error.what, error.why)))
                if isinstance(error, HerokuError) and error.status in PERMANENT:
                    return
            except _BROKEN as error:
                # Its text may hold the URL.
                self.problem = f"its stream broke ({type(error).__name__})"
            self._open.clear()
            self._closed.wait(self._pause_s)
            self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)

    def _read(self) -> None:
        """Open a session and read until it ends. Raises PitstopError, or one of _BROKEN."""
        lines = 0 if self._tail and not self._has_been_open else KEPT_LINES
        session = self._heroku.post(f"/apps/{self._app}/log-sessions", {"lines": lines, "tail": self._tail})
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self._last_id} if self._last_id else {})}
        response = self._pool.request("GET", session["logplex_url"], headers=headers, preload_content=False)
        self._response = response
        try:
            if response.status != 200:
                raise PitstopError(f"the session's address answered {response.status}")
            if self._tail and not self._has_been_open:
                self._began = moment(session.get("created_at", ""))
            self._has_been_open, self._pause_s = True, PAUSE_S
            self._open.set()
            self._take(response, events="event-stream" in response.headers.get("Content-Type", ""))
        finally:
            response.close()

    def _take(self, response: urllib3.BaseHTTPResponse, *, events: bool) -> None:
        rest, event_id = b"", ""
        while (chunk := response.read1(CHUNK)) and not self._closed.is_set():
            *whole, rest = (rest + chunk)[-MAX_LINE:].split(b"\n")
            for text in (line.decode("utf-8", "replace").removesuffix("\r") for line in whole):
                name, _, value = text.partition(":") if events else ("data", "", text)
                value = value.removeprefix(" ")
                if name == "data":
                    self._lines.put(value)
                elif name == "id":
                    event_id = value
                elif not text and self._tail:
                    self._last_id = event_id
