# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the Heroku key by using it, and say what is live and what is under way."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._preflight import unknown_app
from ansible_collections.pitstop.runbook.plugins.modules.heroku_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient, HerokuError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        heroku = self.heroku()
        email = heroku.get("/account")["email"]
        app = self._app(heroku)
        path = f"/apps/{app['name']}"
        releases = Releases(heroku, app["name"], self.console)
        live = releases.live()
        formation = heroku.get(f"{path}/formation")
        result = {
            "account": email,
            "app": app["name"],
            "stack": app["stack"]["name"],
            "maintenance": app["maintenance"],
            "preboot": releases.preboot(),
            "process_tier": app.get("process_tier"),
            "release_command": any(row["type"] == "release" for row in formation),
            "formation": {row["type"]: _fields(row, "quantity", "size") for row in formation},
            "live": {**_fields(live, "version", "id", "status"), "commit": releases.commit_of(live)},
            "pending_releases": releases.pending_releases(),
            "pending_builds": releases.pending_builds(),
        }
        self._say(result)
        return result

    def _app(self, heroku: HerokuClient) -> dict[str, Any]:
        try:
            return dict(heroku.get(f"/apps/{self.args['app']}"))
        except HerokuError as error:
            if error.status != 404:
                raise
            raise unknown_app(self.args["app"], [app["name"] for app in heroku.get("/apps")]) from error

    def _say(self, result: dict[str, Any]) -> None:
        live = result["live"]
        commit = f"commit {live['commit'][:12]}" if live["commit"] else "no commit"
        self.say(f"Heroku: {result['account']} on {result['app']}, live v{live['version']}, {commit}")
        if result["maintenance"]:
            self.say("Heroku: maintenance mode is on; the app answers nobody", color="yellow")
        under_way = [*result["pending_releases"], *(f"build {build}" for build in result["pending_builds"])]
        if under_way:
            self.say(f"Heroku: somebody's deploy is under way: {', '.join(under_way)}", color="yellow")


def _fields(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
