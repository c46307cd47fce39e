# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at what a deploy would ship, and refuse what must not be shipped."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _evidence, _review
from ansible_collections.pitstop.runbook.plugins.module_utils._deploy import Shipment
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._run import deploy_of
from ansible_collections.pitstop.runbook.plugins.modules.deploy_review import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import HEROKU_BRANCH, Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._maintenance_mode import is_on, is_ours
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._releases import Releases
from ansible_collections.pitstop.runbook.plugins.plugin_utils._shipping import (
    Candidate,
    candidate,
    declared_changes,
    require_ancestor,
    require_declared_only,
    require_origin_included,
)

SCREEN_LINES = 60
TAKEN_OVER = ("review", "commit", "build", "promote", "maintenance")
"""Sections of a killed run that this one goes on from: what it shipped, and what it left on."""
KEPT = ("live", "method", "ships", "release_command", "irreversible")
"""Of an earlier review: what a rollback has to know, also when the review of a later start refuses."""
Json = dict[str, Any]


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> Json:
        earlier = self._take_over()
        noted = Shipment.of(earlier)
        try:
            result = self._review(noted, ours=self.opened_run is not None and is_ours(self.opened_run))
        except PitstopError as error:
            if noted.before:  # or this refusal would erase where the run's earlier start can be taken back to
                kept = {key: earlier["review"][key] for key in KEPT if key in earlier["review"]}
                error.partial = {**kept, "restore": noted.before, **error.partial}
            raise
        if result["live"]["commit"] in noted.ours:
            # What went live with the earlier start is no difference any more, and still cannot be taken back.
            result["irreversible"] = list(dict.fromkeys([*noted.irreversible, *result["irreversible"]]))
        return result

    def _take_over(self) -> Json:
        """The evidence of this run's earlier start, or of the killed run before it, which becomes this one's."""
        if self.opened_run is None:
            return {}
        earlier = deploy_of(self.opened_run)
        if not self.opened_run.read("deploy"):
            for section in TAKEN_OVER:
                if section in earlier:
                    self.opened_run.write(f"deploy.{section}", earlier[section], _evidence.now())
        return earlier

    def _review(self, noted: Shipment, *, ours: bool) -> Json:
        git = Git(self.args["repository"])
        head = git.head()
        if git.run("rev-parse", "--is-shallow-repository") == "true":
            raise PitstopError(
                f"{git.path} is a shallow clone",
                why="its history cannot tell whether what is live would be lost",
                next_step=f"git -C {git.path} fetch --unshallow, then run again",
            )
        promotes = self.args["method"] == "promote"
        origin = None
        if not promotes:
            git.require_nothing_unfinished()
            git.require_branch(self.args["branch"])
            origin = require_origin_included(git, self.args["remote"], self.args["branch"])
        releases = self._quiet(self.args["app"])
        live = self._live(releases, self.args["app"])
        maintenance = self._maintenance(ours=ours)
        files = {} if promotes else require_declared_only(git, self.args["paths"], self.say)
        ships = self._promoted(git) if promotes else head
        self._require_known(git, live["commit"], "the live commit", fetch=promotes)
        require_ancestor(git, live["commit"], ships, self.args["promote_from"] if promotes else "HEAD")
        if files:
            git.require_committer()
        with candidate(git, live["commit"], ships, list(files)) as tree:
            needed = tree.differs
            diff = tree.diff()
            self._refuse(tree, diff, git, ships, origin)
            release_command = _review.has_release_command(tree.file("Procfile"))
        if needed and not files:
            self._require_new_to_heroku(git, ships)
        no_way_back = _review.irreversible(diff, self.args["migration_paths"])
        if self.args["irreversible"]:
            no_way_back.append("declared irreversible by heroku_deploy_irreversible")
        log = git.run("log", "--format=%H%x09%s", f"{live['commit']}..{ships}").splitlines()
        facts: Json = {"release_command": release_command, "preboot": releases.preboot()}
        steps: Json = {key: self.args[key] for key in ("method", "remote", "app", "maintenance_mode")}
        steps["promote_from"] = self.args["promote_from"] or ""
        result: Json = {
            "live": live,
            "restore": noted.before if live["commit"] in noted.ours else live,
            "method": self.args["method"],
            "base_commit": head,
            "ships": None if files else ships,
            "files": list(files),
            "commits": [dict(zip(("id", "subject"), line.split("\t", 1), strict=True)) for line in log],
            "needed": needed,
            "patch": _review.bounded(diff),
            "diff": {"prepared": _review.bounded(diff)} if diff else {"before": "", "after": ""},
            **facts,
            "maintenance": maintenance,
            "irreversible": no_way_back,
            "plan": _review.plan(files=list(files), **facts, **steps) if needed else [],
        }
        self._show(result)
        return result

    def _quiet(self, app: str) -> Releases:
        """The app's releases, once nothing is going on there. Raises PitstopError when that is not waited for."""
        releases = Releases(self.heroku(), app, self.console)
        timeout = self.args["pending_timeout"] if self.args["pending"] == "wait" else 0

        def refusal(pending: str) -> PitstopError:
            return PitstopError(
                f"Somebody is deploying {app} just now: {pending}",
                why=f"it has not ended within {timeout} s" if timeout else "",
                next_step=f"wait until that has ended (heroku releases -a {app}), then run again"
                + ("" if timeout else ", or set heroku_deploy_pending: wait"),
            )

        releases.await_quiet(timeout, refusal)
        return releases

    def _live(self, releases: Releases, app: str) -> Json:
        live = releases.live()
        commit = releases.commit_of(live)
        if not commit:
            raise PitstopError(
                f"The live release v{live['version']} of {app} does not tell its commit",
                next_step="deploy it once with git push, so that a later deploy can be compared with it",
            )
        facts = {key: live.get(key) for key in ("version", "id", "created_at", "status", "description")}
        return {**facts, "commit": commit}

    def _maintenance(self, *, ours: bool) -> bool:
        app = self.args["app"]
        on = is_on(self.heroku(), app)
        if on and not ours:
            raise PitstopError(
                f"{app} is in maintenance mode, and it was not this run that turned it on",
                why="the app answers nobody, so nothing could be proved about the deploy",
                next_step=f"heroku maintenance:off -a {app}, then run again",
            )
        return on

    def _promoted(self, git: Git) -> str:
        """The commit that is live on the app whose slug is promoted."""
        source = self.args["promote_from"]
        if not source:
            raise PitstopError("No app to promote from is named", next_step="set heroku_deploy_promote_from")
        if changed := declared_changes(git, self.args["paths"]):
            raise PitstopError(
                f"A promotion would not ship what is changed here: {', '.join(changed)}",
                why=f"it ships what runs on {source}, and commits nothing",
                next_step="deploy it to staging first, or set heroku_deploy_paths: []",
            )
        commit = str(self._live(self._quiet(source), source)["commit"])
        self.say(f"promotes what runs on {source}: commit {commit[:12]}; nothing is committed")
        self._require_known(git, commit, f"the commit of {source}", fetch=True)
        return commit

    def _require_known(self, git: Git, commit: str, what: str, *, fetch: bool) -> None:
        if git.commit_of(commit) is None and fetch:
            git.require_remote(self.args["remote"], "heroku_deploy_remote")
            with suppress(PitstopError):
                git.fetch(self.args["remote"], commit)
        if git.commit_of(commit) is None:
            raise PitstopError(
                f"{what[0].upper()}{what[1:]} {commit[:12]} is not in {git.path}",
                why="somebody has deployed what this checkout has not seen; shipping would lose it",
                next_step="git fetch --all, merge it, then run again",
            )

    def _require_new_to_heroku(self, git: Git, head: str) -> None:
        """A push of what Heroku's repository has already releases nothing, whatever is live."""
        if self.args["method"] != "git":
            return
        url, env = self.heroku_git()
        if git.remote_commit(url, HEROKU_BRANCH, env) == head:
            raise PitstopError(
                f"Heroku's repository has {head[:12]} already, although it is not what is live",
                why="it was rolled back, or its release failed; a push would release nothing",
                next_step="set heroku_deploy_method: build, which ships the same commit again, or commit a correction",
            )

    def _refuse(self, tree: Candidate, diff: str, git: Git, ships: str, origin: str | None) -> None:
        if found := _review.findings(diff):
            raise PitstopError(
                f"The diff must not be shipped: {'; '.join(found)}",
                next_step="take it out of the file (a secret belongs into a config var), then run again",
            )
        if origin:
            history = git.run(
                "log", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--format=", ships, "^" + origin
            )
            if found := _review.findings(history):
                raise PitstopError(
                    f"A commit that is not pushed yet has what must not be: {'; '.join(found)}",
                    why="a later commit takes it out again, but it would stay in the history for everybody",
                    next_step=f"rewrite these commits (git rebase -i {origin[:12]}), then run again",
                )
        if large := _review.too_large(tree.sizes(), self.args["max_file_bytes"]):
            raise PitstopError(
                f"Files are too large to be shipped: {', '.join(large)}",
                next_step="take them out, or raise heroku_deploy_max_file_bytes",
            )
        if pointers := _review.lfs_pointers(diff):
            raise PitstopError(
                f"Files become Git LFS pointers: {', '.join(pointers)}",
                why="Heroku does not fetch LFS by itself, so the app would find the pointers in their place",
                next_step="keep them out of LFS (git lfs untrack), or deploy it once by hand and see that it works",
            )
        if submodules := tree.submodules():
            names = ", ".join(submodules)
            if self.args["method"] == "build":
                raise PitstopError(
                    f"There are submodules: {names}",
                    why="a tarball for the builds API lacks their files",
                    next_step="set heroku_deploy_method: git, or take their files into the repository",
                )
            self.say(f"submodules: {names}; Heroku fetches them only where .gitmodules has public URLs", color="yellow")

    def _show(self, result: Json) -> None:
        live, patch = result["live"], result["patch"].splitlines()
        self.say(f"live: v{live['version']} ({live['status']}), commit {live['commit'][:12]}")
        for line in patch[:SCREEN_LINES]:
            self.say(line, color="green" if line.startswith("+") else "red" if line.startswith("-") else None)
        if len(patch) > SCREEN_LINES:
            self.say(f"… {len(patch) - SCREEN_LINES} more lines, in deploy.json")
        for commit in result["commits"]:
            self.say(f"not deployed yet: {commit['id'][:12]} {commit['subject']}")
        known = {
            "release_command": "a release command runs",
            "preboot": "preboot is on",
            "maintenance": "in maintenance",
        }
        if on := [text for key, text in known.items() if result[key]]:
            self.say(f"known: {', '.join(on)}")
        if result["irreversible"]:
            self.say(f"cannot be taken back: {'; '.join(result['irreversible'])}", color="yellow")
            if result["release_command"]:
                self.say("after this release command has run, a rollback is refused without force", color="yellow")
        if not result["needed"]:
            self.say("nothing to deploy: what is live is what is here")
        elif not self.check:
            for step in result["plan"]:
                self.say(f"will: {step}")
