# SPDX-License-Identifier: GPL-3.0-or-later
"""Heroku's pipelines: the slug that one app runs is released on another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient, HerokuError

STAGES = ("development", "staging", "production")


@dataclass(frozen=True)
class Promotions:
    """Promotions from one app to another. Raises PitstopError when no pipeline leads from the one to the other."""

    heroku: HerokuClient
    source: dict[str, Any]
    target: dict[str, Any]

    @classmethod
    def between(cls, heroku: HerokuClient, source: str, target: str) -> Promotions:
        """Those from app ``source`` to app ``target``, both by name."""
        found = cls(heroku, _coupling(heroku, source), _coupling(heroku, target))
        if found.source["pipeline"]["id"] != found.target["pipeline"]["id"]:
            raise PitstopError(
                f"The apps {source} and {target} are in different pipelines",
                next_step=f"heroku pipelines:info, then heroku pipelines:add PIPELINE -a {source} -s staging",
            )
        stages = found.source["stage"], found.target["stage"]
        if not set(stages) <= set(STAGES) or STAGES.index(stages[0]) >= STAGES.index(stages[1]):
            raise PitstopError(
                f"No promotion leads from {source} ({stages[0]}) to {target} ({stages[1]})",
                why=f"the stages are {', '.join(STAGES)}, in this order",
                next_step=f"set heroku_deploy_promote_from, or: heroku pipelines:update -a {source} -s staging",
            )
        return found

    def begin(self) -> dict[str, Any]:
        """Promote what the source runs now. Sent once; UnknownOutcome when the answer is lost."""
        body = {
            "pipeline": {"id": self.source["pipeline"]["id"]},
            "source": {"app": {"id": self.source["app"]["id"]}},
            "targets": [{"app": {"id": self.target["app"]["id"]}}],
        }
        return dict(self.heroku.post("/pipeline-promotions", body))

    def outcome(self, promotion_id: str) -> dict[str, Any]:
        """What became of it on the target: ``status``, ``release`` (or null) and ``error_message`` (or null)."""
        return dict(self.heroku.get(f"/pipeline-promotions/{promotion_id}/promotion-targets")[0])


def _coupling(heroku: HerokuClient, app: str) -> dict[str, Any]:
    try:
        return dict(heroku.get(f"/apps/{app}/pipeline-couplings"))
    except HerokuError as error:
        if error.status != 404:
            raise
        raise PitstopError(
            f"The app {app} is in no pipeline, or is not there",
            next_step=f"heroku pipelines:add PIPELINE -a {app} -s STAGE, or check its name against `heroku apps`",
        ) from error
