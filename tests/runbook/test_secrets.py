# SPDX-License-Identifier: GPL-3.0-or-later
"""A hunt for secrets in all that a run prints, keeps, and shows of itself to others on the machine.

What the hunter hunts is proved by planting a secret in each place: a hunt that finds nothing proves nothing by itself.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from .conftest import Ended, Production

LOOK_EVERY_S = 0.02


class ProcessList:
    """The command line of every process, as `ps` shows it to all users, looked at over and over."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._over = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look while the block runs."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    @property
    def text(self) -> str:
        return "\n".join(sorted(self._seen))

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    with suppress(OSError):
                        self._seen.add((folder / "cmdline").read_text(errors="replace").replace("\0", " "))


def _secrets(production: Production) -> dict[str, str]:
    """Name to each form in which a secret could appear."""
    state = production.sandbox.state
    token = state["heroku"]["token"]
    return {
        "the database's password": state["database"]["password"],
        "the superuser's password": str(urlsplit(state["superuser_url"]).password),
        "the webhook's secret": state["webhook_secret"],
        "Heroku's key": token,
        "Heroku's key, as git sends it": base64.b64encode(f":{token}".encode()).decode(),
    }


def _places(production: Production, ended: Ended, processes: ProcessList) -> dict[str, str]:
    """Name to the text of each place where somebody might find one."""
    return {
        "the screen": ended.text,
        "the evidence": _texts(ended.evidence),
        "the events that AWX keeps": "".join(map(_texts, production.artifacts.rglob("job_events"))),
        "git's configuration": production.git("config", "--list", "--show-origin"),
        "git's history": production.git("log", "-p"),
        "the process list": processes.text,
        "the links to backups and logs": "\n".join(re.findall(r"https?://\S*(?:logplex|signature)\S*", ended.text)),
    }


def _texts(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in sorted(folder.rglob("*")) if path.is_file())


def test_no_secret_is_printed_or_kept_or_shown_to_other_users(production: Production) -> None:
    """A password in a job's output or in evidence is a password on every screen of the team."""
    processes = ProcessList()
    with processes.watched():
        ended = production.run("-vvvv", heroku_deploy_settle=2)
        back = production.run("-vvvv", playbook="playbooks/rollback.yml")
    assert (ended.exit_code, back.exit_code) == (0, 0), back.text
    for texts in (_places(production, ended, processes), _places(production, back, processes)):
        links = texts.pop("the links to backups and logs")
        assert links == "", "whoever has the link has the data"
        for place, text in texts.items():
            assert len(text) > 500, f"{place} was not looked at"
            for name, secret in _secrets(production).items():
                assert secret not in text, f"{name} is in {place}"


def test_a_planted_secret_is_found_in_each_place(production: Production) -> None:
    """The hunter finds what is there: in a message that the team itself wrote with a password in it."""
    password = production.sandbox.state["database"]["password"]
    processes = ProcessList()
    with processes.watched():
        planted = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", password])
        ended = production.run(
            *("-vvvv", "--skip-tags", "baseline,db,verify,backup"),
            heroku_deploy_settle=0,
            heroku_deploy_message=f"perf: faster, and it logs in with {password}",
        )
        planted.kill()
        planted.wait()
    (ended.evidence / "planted.txt").write_text(password)
    production.git("config", "pitstop.planted", password)
    places = _places(production, ended, processes)
    del places["the links to backups and logs"]
    assert {place for place, text in places.items() if password in text} == set(places)
