# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a release command, followed beside the polling that alone decides."""

from __future__ import annotations

import threading
import time

import urllib3

from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient

ATTEMPTS = 5
PAUSE_S = 1.0
REST_S = 5.0


class ReleaseOutput:
    """Reads an output stream in the background. What it gives out has no secrets; a stream that breaks is read anew."""

    def __init__(self, heroku: HerokuClient, url: str | None) -> None:
        self._heroku = heroku
        self._text = ""
        self._given = 0
        self._thread = threading.Thread(target=self._follow, args=(url,), daemon=True)
        if url:
            self._thread.start()

    def new_lines(self) -> list[str]:
        """The whole lines that came since the last call."""
        start, end = self._given, self._text.rfind("\n") + 1
        self._given = max(start, end)
        return redacted(self._text[start:end]).splitlines()

    def whole(self) -> str:
        """All that came; the rest of a stream that is about to end is waited for, briefly."""
        if self._thread.ident:
            self._thread.join(REST_S)
        return redacted(self._text)

    def _follow(self, url: str) -> None:
        """The stream has no place to go on from, so after a break it is read from its beginning."""
        for _ in range(ATTEMPTS):
            text = ""
            try:
                for chunk in self._heroku.stream(url):
                    text += chunk
                    self._text = max(self._text, text, key=len)
                return
            except (urllib3.exceptions.HTTPError, OSError):
                time.sleep(PAUSE_S)
