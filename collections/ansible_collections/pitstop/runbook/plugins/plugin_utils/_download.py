# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a large file from a signed link: the whole file, or no file and an error that does not show the link."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Retry, Timeout

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError

CHUNK_BYTES = 1 << 20
RETRIES = Retry(
    total=4,
    other=0,  # a certificate that is not trusted now is not trusted a second later
    redirect=3,
    backoff_factor=1,
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,
)


def download(url: str, target: Path, ca_file: str | None, progress: Callable[[int], None]) -> int:
    """Write what ``url`` answers to ``target`` (mode 0600) and return its size. ``progress`` hears the bytes so far."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            size = _stream(url, stream.write, ca_file, progress)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return size


def _stream(url: str, write: Callable[[bytes], int], ca_file: str | None, progress: Callable[[int], None]) -> int:
    host, size = urlsplit(url).netloc, 0
    context = ssl.create_default_context(cafile=ca_file)
    with urllib3.PoolManager(timeout=Timeout(connect=10, read=60), ssl_context=context) as pool:
        try:
            response = pool.request("GET", url, preload_content=False, retries=RETRIES)
            if response.status != 200:
                raise PitstopError(
                    f"The download of the backup from {host} was answered with HTTP status {response.status}",
                    why="a backup's link is good for an hour",
                    next_step="run again: the backup itself is kept, and its link is asked for anew",
                )
            for chunk in response.stream(CHUNK_BYTES):
                write(chunk)
                size += len(chunk)
                progress(size)
        except urllib3.exceptions.HTTPError as error:
            cause = getattr(error, "reason", None) or error  # the outer text of a used-up retry has the signed link
            raise PitstopError(
                f"The download of the backup from {host} broke off after {size} bytes",
                why=type(cause).__name__ if "signature" in str(cause).lower() else str(cause),
                next_step=f"set backup_ca_file to the certificate authority of {host}, if that is to be trusted"
                if isinstance(cause, urllib3.exceptions.SSLError)
                else "run again: the backup itself is kept, and its link is asked for anew",
            ) from None
    return size
