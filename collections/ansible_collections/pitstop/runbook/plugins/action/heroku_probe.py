# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the Heroku key by using it, and say what is live."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitstop.runbook.plugins.modules.heroku_probe import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        name = self.args["app"]
        heroku = self.heroku()
        email = heroku.get("/account")["email"]
        app = heroku.get(f"/apps/{name}")
        releases = Releases(heroku, name, self.say)
        live = releases.live()
        result = {
            "account": email,
            "app": app["name"],
            "stack": app["stack"]["name"],
            "maintenance": app["maintenance"],
            "formation": {p["type"]: p["quantity"] for p in heroku.get(f"/apps/{name}/formation")},
            "live": {
                "version": live["version"],
                "id": live["id"],
                "status": live["status"],
                "commit": releases.commit_of(live),
            },
        }
        self.say(
            f"Heroku: {email} on {app['name']}, live v{live['version']}, commit {str(result['live']['commit'])[:12]}"
        )
        if app["maintenance"]:
            self.say("Heroku: maintenance mode is on; the app answers nobody", color="yellow")
        return result
