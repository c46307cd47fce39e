# SPDX-License-Identifier: GPL-3.0-or-later
"""The app's health address: asked once at a time, and never longer than it is given."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.util import Retry

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

MAX_BODY = 1_000_000
REDIRECTS_ONLY = Retry(
    connect=0, read=0, status=0, other=0, redirect=5, raise_on_status=False, respect_retry_after_header=False
)


class NoAnswer(Exception):
    """There was no whole answer; the text says why."""


@dataclass(frozen=True)
class Answer:
    """What the app answered; ``redirected_to`` is where redirects led to, without its query, or empty."""

    status: int
    body: str
    redirected_to: str


class HealthUrl:
    """An address over HTTP. Raises PitstopError when it is none."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or any(letter.isspace() for letter in url):
            raise PitstopError(
                f"The health address {url!r} is no URL that can be asked",
                next_step="give a whole one, such as https://my-app.example.com/health",
            )

    def ask(self, timeout_s: float, request_id: str = "") -> Answer:
        """One answer, redirects followed. Raises NoAnswer when it is not whole after ``timeout_s`` seconds or so.

        Each question has a connection of its own, since a kept one may stay with an old dyno.
        """
        ends = time.monotonic() + timeout_s
        headers = {"Cache-Control": "no-cache", **({"X-Request-ID": request_id} if request_id else {})}
        with urllib3.PoolManager(timeout=timeout_s, retries=REDIRECTS_ONLY) as pool:
            try:
                response = pool.request("GET", self._url, headers=headers, preload_content=False)
                body = b""
                while len(body) < MAX_BODY and (chunk := response.read1(MAX_BODY)):
                    body += chunk
                    if time.monotonic() > ends:
                        raise NoAnswer(f"it was not whole after {timeout_s:.0f} s")
                response.close()
            except urllib3.exceptions.HTTPError as error:
                # A MaxRetryError names the URL with its query; its reason does not.
                reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
                raise NoAnswer(str(reason or error)) from None
        final = ""
        if response.retries and response.retries.history:
            final = urlsplit(urljoin(self._url, response.geturl()))._replace(query="", fragment="").geturl()
        return Answer(response.status, body.decode("utf-8", "replace"), final)
