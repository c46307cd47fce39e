# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring back the release that was live before the deploy."""

from __future__ import annotations

from typing import Any, NoReturn

from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import (
    Shipment,
    foreign_releases,
    newer_than,
    slug_id,
    to_restore,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_rollback import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuError
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases

Json = dict[str, Any]


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> Json:
        shipment = Shipment.of_run(self.current_run)
        result: Json = {"changed": False, "version": None, "of_version": None, "commit": None, "serves_old": False}
        result.update(undone=[], left=[])
        if not shipment.before or not shipment.commit:
            self.say("this deploy ended before it shipped anything, so there is no release to bring back")
            return result
        if shipment.refused and not self.args["force"]:
            self.say(f"this start was refused before it shipped anything; to take an earlier one back: {self._forced}")
            return result
        releases = Releases(self.heroku(), self.args["app"], self.console)
        if not self.check:
            # What is still going on (a killed push, a slow release command) could go live after the rollback.
            releases.await_quiet(self.args["timeout"], self._not_quiet)
        before, live = releases.get(shipment.before["version"]), releases.live()
        commit, slug = releases.commit_of(live), slug_id(before)
        serves_old = slug_id(live) == slug or shipment.is_old(commit)
        result.update(version=live["version"], of_version=before["version"], commit=commit, serves_old=serves_old)
        newer = [
            (dict(release), releases.commit_of(release)) for release in newer_than(releases.all(), before["version"])
        ]
        if serves_old:
            return self._nothing_to_bring_back(releases, newer, shipment, result)
        if (since := _what_came_since(newer, shipment, slug)) is not None:
            self.say(f"{since}; v{live['version']} is somebody else's")
            return result
        result["left"] = [
            f"v{live['version']} (commit {(commit or 'unknown')[:12]}) serves",
            f"the new code {shipment.commit[:12]} is still in git, on origin and wherever it was pushed",
        ]
        if not self.args["force"]:
            self._refuse_foreign(foreign_releases(newer, before["version"], shipment.ours, slug), result)
            self._refuse_irreversible(shipment, result)
        return self._bring_back(releases, dict(to_restore(newer, before, shipment.ours)), shipment, result)

    def _not_quiet(self, pending: str) -> PitstopError:
        return PitstopError(
            f"After {self.args['timeout']:.0f} s there is still going on: {pending}",
            why="it may go live after a rollback, so none is begun",
            next_step="wait for its end (heroku releases, heroku builds), then playbooks/rollback.yml",
        )

    @property
    def _forced(self) -> str:
        run = self.current_run.id
        return f"ansible-playbook … playbooks/rollback.yml -e run_id={run} -e heroku_deploy_rollback_force=true"

    def _nothing_to_bring_back(
        self, releases: Releases, newer: list[tuple[Json, str | None]], shipment: Shipment, result: Json
    ) -> Json:
        version, old = result["version"], f"v{result['of_version']}"
        if version == result["of_version"]:
            self.say(f"{old} is still live: the new code never went live")
        else:
            self.say(f"v{version} serves the code of {old} already")
        failed = [f"v{r['version']}" for r, commit in newer if commit in shipment.shipped and r["status"] == "failed"]
        if failed and shipment.irreversible:
            self.say(
                f"the release command of {', '.join(failed)} failed and may have run a part of what cannot go back: "
                f"{'; '.join(shipment.irreversible)}"
            )
        if not self.check:
            self.say(f"the old code serves: {releases.await_dynos(version, self.args['dynos_timeout'])}")
        if shipment.pushed:
            result["undone"] = [f"the old release {old} serves; the new code is not live"]
        return result

    def _refuse_foreign(self, foreign: list[Any], result: Json) -> None:
        if not foreign:
            return
        theirs = ", ".join(f"v{release['version']} ({release['description']})" for release in foreign)
        raise PitstopError(
            f"Somebody else has released meanwhile: {theirs}",
            why="bringing the old release back would take theirs away, and the config vars they set",
            next_step=f"talk to them; then {self._forced}",
            partial={**result, "left": [f"of somebody else there is {theirs}", *result["left"]]},
        )

    def _refuse_irreversible(self, shipment: Shipment, result: Json) -> None:
        if shipment.irreversible:
            raise PitstopError(
                f"A migration that cannot go back has run: {'; '.join(shipment.irreversible)}",
                why="the old code may not be able to live with the database as it is now",
                next_step=f"mend it forward with a new commit; or, when the old code can live with it: {self._forced}",
                partial=result,
            )

    def _bring_back(self, releases: Releases, target: Json, shipment: Shipment, result: Json) -> Json:
        old = f"v{target['version']}"
        result["of_version"] = target["version"]
        if not target.get("eligible_for_rollback", True):
            self._raise_ineligible(old, "Heroku says that it is not eligible for rollback", shipment, result)
        if self.check:
            self.say(f"would: POST /apps/{self.args['app']}/releases (bring {old} back)")
            return {**result, "changed": True, "commit": releases.commit_of(target), "serves_old": True, "left": []}
        self.say(f"bringing {old} back")
        try:
            version = releases.bring_back(target)
        except HerokuError as error:
            self._raise_ineligible(old, error.why or error.what, shipment, result)
        result["changed"] = True
        try:
            releases.awaited(version, self.args["timeout"])
        except PitstopError as error:
            raise PitstopError(
                f"{old} could not be brought back: its release v{version} did not succeed",
                why=error.why or error.what,
                next_step=f"heroku releases:output v{version} -a {self.args['app']} tells why; mend that, then "
                f"ansible-playbook … playbooks/rollback.yml -e run_id={self.current_run.id}",
                partial=result,
            ) from error
        result.update(version=version, commit=releases.commit_of(target), serves_old=True)
        try:
            seen = releases.await_dynos(version, self.args["dynos_timeout"])
        except PitstopError as error:
            error.partial = {**result, "left": [f"v{version} with the old code is live, and its web dynos are not up"]}
            raise
        self.say(f"the old code serves: {seen}")
        result.update(undone=[f"release {old} is live again, as v{version}"], left=[])
        return result

    def _raise_ineligible(self, old: str, why: str, shipment: Shipment, result: Json) -> NoReturn:
        commit = (shipment.before or {})["commit"][:12]
        raise PitstopError(
            f"Heroku cannot bring {old} back",
            why=why,
            next_step="its code is still in git, and can be built again: "
            f"git restore --source={commit} --staged --worktree :/ && git commit -m 'Back to {commit}', then push",
            partial=result,
        )


def _what_came_since(newer: list[tuple[Json, str | None]], shipment: Shipment, slug: str | None) -> str | None:
    """Why the live release is none of this run's business, or None when it has to be taken back."""
    for release, commit in newer:
        if release["status"] != "succeeded":
            continue
        if slug_id(release) == slug or shipment.is_old(commit):
            if any(c in shipment.shipped and r["version"] < release["version"] for r, c in newer):
                return f"this deploy was taken back already, with v{release['version']}"
        elif commit in shipment.shipped:
            return None
    return "nothing of this run went live"
