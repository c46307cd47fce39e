# SPDX-License-Identifier: GPL-3.0-or-later
"""With heroku_deploy_confirm a person is asked, at a real terminal, and nothing is shipped without a yes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading

import pytest

from tests.sandbox.fixtures import PROJECT

from .conftest import Production

QUICK = {"heroku_deploy_settle": 1, "heroku_deploy_confirm": True}
SHELL = ["ansible-playbook", "-i", "inventories/demo", "master.yml", "--skip-tags", "baseline,db,verify,backup"]


def _at_a_terminal(production: Production, answer: str) -> tuple[int, str]:
    """Run with a terminal of its own, whose person types ``answer`` when asked; its exit code and what was shown."""
    person, terminal = pty.openpty()
    command = [*SHELL, "-e", json.dumps(QUICK)]
    attach = "import fcntl, os, sys, termios as t; fcntl.ioctl(0, t.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    run = subprocess.Popen(
        [sys.executable, "-c", attach, *command],
        cwd=PROJECT,
        env=production.sandbox.environment | {"TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = bytearray()

    def look() -> None:
        asked = False
        while True:
            try:
                shown.extend(os.read(person, 4096))
            except OSError:
                return  # the terminal is gone
            if b"Type yes" in shown and not asked:
                asked = True
                threading.Timer(0.5, os.write, (person, f"{answer}\r".encode())).start()

    looking = threading.Thread(target=look)
    looking.start()
    code = run.wait(timeout=180)
    looking.join()
    os.close(person)
    return code, shown.decode(errors="replace")


@pytest.mark.parametrize("answer", ["no", "yes"])
def test_only_a_yes_ships(production: Production, answer: str) -> None:
    """Whoever reads the diff and finds a mistake has to be able to stop it there."""
    before = production.snapshot()
    code, shown = _at_a_terminal(production, answer)
    assert code == (0 if answer == "yes" else 2), shown
    if answer == "yes":
        assert production.serving()["commit"] == production.git("rev-parse", "HEAD")
    else:
        assert "the answer was 'no'" in shown
        assert production.snapshot() == before


def test_where_nobody_can_answer_nothing_is_shipped(production: Production) -> None:
    """In a pipe, as in CI, nobody has said yes."""
    before = production.snapshot()
    done = subprocess.run(
        [*SHELL, "-e", json.dumps(QUICK)],
        cwd=PROJECT,
        env=production.sandbox.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 2, done.stdout
    assert "there is no terminal to ask at" in done.stdout
    assert production.snapshot() == before
