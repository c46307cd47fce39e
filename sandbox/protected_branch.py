# SPDX-License-Identifier: GPL-3.0-or-later
"""A branch that takes no push, in GitHub's words: git's ``proc-receive`` hook of a bare repository.

Only this hook chooses the words in ``! [remote rejected] main -> main (…)``. As a program (``python -I``) it is the
hook itself, inside ``git receive-pack``: standard library only.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

SETTING = "receive.procReceiveRefs"


def protect(repository: Path, branch: str) -> None:
    """Refuse pushes to a branch from now on."""
    hook = _hook(repository)
    hook.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, '-I', str(Path(__file__).resolve())])}\n")
    hook.chmod(0o755)
    _config(repository, "--replace-all", SETTING, f"refs/heads/{branch}")


def unprotect(repository: Path) -> None:
    """Take pushes again."""
    if is_protected(repository):
        _config(repository, "--unset-all", SETTING)
        _hook(repository).unlink()


def is_protected(repository: Path) -> bool:
    """Tell whether pushes are refused."""
    return _hook(repository).exists()


def main(commands: BinaryIO, answer: BinaryIO) -> None:
    """Speak git's side of the protocol: agree on version 1, read the commands, refuse each."""
    list(_packets(commands))
    _send(answer, b"version=1")
    _end(answer)
    for command in list(_packets(commands)):
        reference = command.split()[2]
        sys.stderr.write(
            f"error: GH006: Protected branch update failed for {reference.decode()}.\n\n"
            "- Changes must be made through a pull request.\n"
        )
        _send(answer, b"ng " + reference + b" protected branch hook declined")
    _end(answer)


def _hook(repository: Path) -> Path:
    return repository / "hooks" / "proc-receive"


def _config(repository: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(repository), "config", *arguments], check=True)


def _packets(stream: BinaryIO) -> list[bytes]:
    """Read pkt-lines up to a flush packet."""
    packets = []
    while length := int(stream.read(4), 16):
        packets.append(stream.read(length - 4).rstrip(b"\n"))
    return packets


def _send(stream: BinaryIO, packet: bytes) -> None:
    stream.write(b"%04x%s" % (len(packet) + 4, packet))


def _end(stream: BinaryIO) -> None:
    stream.write(b"0000")
    stream.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
