# SPDX-License-Identifier: GPL-3.0-or-later
"""What some tests need of the machine and `make` cannot install: a container engine, a browser, a PostgreSQL.

``@pytest.mark.needs("container engine")``, ``needs("browser")`` or ``needs("PostgreSQL 13")`` marks such a test. Where
the machine lacks the thing the test is not run, and the last lines say so with the command that mends it. On CI (``CI``
set) it fails instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import servers

POSTGRES_IMAGE = os.environ.get("PITSTOP_POSTGRES_IMAGE") or "docker.io/library/postgres:17"
TIMEOUT_S = 300  # an image may have to be pulled
FETCHED = Path(__file__).parents[1] / ".cache" / "playwright"


@cache
def container_engine() -> str | None:
    """The first of podman and docker that really runs the scenarios' image; to be installed is not enough."""
    engines = ("podman", "docker")
    return next(
        (name for name in engines if _succeeds(name, "run", "--rm", "--entrypoint=", POSTGRES_IMAGE, "true")), None
    )


@cache
def small_file_system() -> bool:
    """Whether a file system of a few megabytes can be mounted, to be filled up."""
    with TemporaryDirectory() as folder:
        return _succeeds("mount", "-t", "tmpfs", "-o", "size=1m", "none", folder) and _succeeds("umount", folder)


@cache
def browser() -> str | None:
    """The Chromium of the machine, else the one that `scripts/setup test` fetched; one whose libraries are there."""
    fetched = [str(path) for name in ("chrome", "Chromium") for path in sorted(FETCHED.glob(f"chromium-*/**/{name}"))]
    candidates = ("chromium", "chromium-browser", "google-chrome", *fetched)
    return next((shutil.which(path) for path in candidates if _succeeds(path, "--version")), None)


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@dataclass(frozen=True)
class Need:
    """A thing a test may need: how to find it, and how a person installs it."""

    find: Callable[[], object]
    remedy: str


def hypopg() -> str | None:
    """The library of HypoPG beside a PostgreSQL of Debian."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/lib/hypopg.so"))
    return str(found[-1]) if found else None


NEEDS = {
    "browser": Need(browser, "apt-get install chromium"),
    "HypoPG": Need(hypopg, "apt-get install postgresql-15 postgresql-15-hypopg"),
    "PgBouncer": Need(partial(shutil.which, "pgbouncer"), "apt-get install pgbouncer"),
    "small file system": Need(small_file_system, "run them as root, where mount works"),
    "container engine": Need(container_engine, f"apt-get install podman, then: podman pull {POSTGRES_IMAGE}"),
    **{
        f"PostgreSQL {major}": Need(partial(servers.programs, major), servers.remedy(major))
        for major in (*servers.ON_NPM, servers.WITH_REPACK)
    },
}

_not_run: dict[str, list[str]] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Run a marked test only where its needs are met."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            need = NEEDS[name]
            if need.find():
                continue
            if os.environ.get("CI"):
                pytest.fail(f"CI has no {name}. Next: {need.remedy}", pytrace=False)
            _not_run.setdefault(name, []).append(item.nodeid)
            pytest.skip(f"no {name}")  # somebody's own machine: the summary says which tests that were, and the remedy


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end, where it is seen, what this machine could not prove."""
    for name, tests in _not_run.items():
        terminalreporter.section(f"NOT RUN: {len(tests)} for want of a {name}", sep="!", red=True, bold=True)
        terminalreporter.line(f"To run them: {NEEDS[name].remedy}")
