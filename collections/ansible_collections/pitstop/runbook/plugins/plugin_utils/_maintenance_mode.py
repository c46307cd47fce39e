# SPDX-License-Identifier: GPL-3.0-or-later
"""The app's maintenance mode: it looks the same whoever turned it on, so whose it is stands in the evidence."""

from __future__ import annotations

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run, now
from ansible_collections.pitstop.runbook.plugins.module_utils._run import unfinished
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

EVIDENCE = "deploy.maintenance"


def is_on(heroku: HerokuClient, app: str) -> bool:
    return bool(heroku.get(f"/apps/{app}")["maintenance"])


def turn(heroku: HerokuClient, app: str, *, on: bool) -> None:
    """Turn the mode on or off, and look. Raises PitstopError when it is not so afterwards."""
    heroku.patch(f"/apps/{app}", {"maintenance": on})
    if is_on(heroku, app) != on:
        word = "on" if on else "off"
        raise PitstopError(
            f"Maintenance mode of {app} is not {word}, though Heroku took the request",
            next_step=f"heroku maintenance:{word} -a {app}",
        )


def note(run: Run, *, on: bool) -> None:
    """Write down that it is our doing."""
    run.write(EVIDENCE, {"enabled": on}, now())


def is_ours(run: Run) -> bool:
    """Whether the newest evidence says that this run, or an unfinished one before it, turned it on and not yet off."""
    for each in unfinished(run):
        sections = [(each.read(name) or {}).get("maintenance") for name in ("deploy", "rollback")]
        if known := [section for section in sections if section]:
            return any(section.get("enabled") is True for section in known)
    return False


class EndsMaintenance(Operation):
    """An operation during which the app may answer nobody. Ended early, it lets the app answer again."""

    def interrupted(self) -> None:
        if self.check or self.opened_run is None or not is_ours(self.opened_run):
            return
        app = self.args["app"]
        try:
            turn(self.heroku(), app, on=False)
        except PitstopError as error:
            self.console.last_words(
                f"maintenance mode is still on ({error.what}). Next: heroku maintenance:off -a {app}"
            )
            return
        note(self.opened_run, on=False)
        self.console.last_words("maintenance mode is off again")
