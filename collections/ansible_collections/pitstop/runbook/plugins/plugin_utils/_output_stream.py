# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a build or a release command, followed beside the polling that alone decides."""

from __future__ import annotations

import threading
from collections.abc import Callable

import urllib3

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient

PAUSE_S = 1.0
REST_S = 5.0


class OutputStream:
    """Reads an output stream in the background and passes each whole line to ``say`` as it comes.

    What it gives out has no secrets. A stream that breaks, or is not there yet, is read anew.
    """

    def __init__(self, heroku: HerokuClient, url: str | None, say: Callable[[str], None]) -> None:
        self._heroku = heroku
        self._say = say
        self._text = ""
        self._said = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(url,), daemon=True)
        if url:
            self._thread.start()

    def whole(self) -> str:
        """All that came; the rest of a stream that is about to end is waited for, briefly."""
        if self._thread.ident:
            self._thread.join(REST_S)
        self._over.set()
        return redacted(self._text)

    def _follow(self, url: str) -> None:
        """The stream has no place to go on from, so after a break it is read from its beginning."""
        while not self._over.is_set():
            text = ""
            try:
                for chunk in self._heroku.stream(url):
                    if self._over.is_set():
                        return
                    text += chunk
                    self._take(text)
                return
            except (urllib3.exceptions.HTTPError, PitstopError, OSError):
                self._over.wait(PAUSE_S)

    def _take(self, text: str) -> None:
        """Note what has come so far, and say the lines that are new."""
        if len(text) <= len(self._text):
            return
        self._text = text
        end = text.rfind("\n") + 1
        for line in redacted(text[self._said : end]).splitlines():
            self._say(line)
        self._said = max(self._said, end)
