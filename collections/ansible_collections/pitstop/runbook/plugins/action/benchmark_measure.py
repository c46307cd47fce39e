# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the app's operations, at one of the three points of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _benchmark
from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import Metric
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import write_whole
from ansible_collections.pitstop.runbook.plugins.module_utils._http_probe import HttpProbe
from ansible_collections.pitstop.runbook.plugins.module_utils._manual_times import MANUAL, ManualTimes, manual_times
from ansible_collections.pitstop.runbook.plugins.module_utils._probe_plan import (
    DEPLOYED,
    CommandProbe,
    Probe,
    probes_of,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted
from ansible_collections.pitstop.runbook.plugins.module_utils._run import state_of
from ansible_collections.pitstop.runbook.plugins.module_utils._team_results import parse_team_results
from ansible_collections.pitstop.runbook.plugins.modules.benchmark_measure import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import Git
from ansible_collections.pitstop.runbook.plugins.plugin_utils._http_probes import (
    Sources,
    measure_http,
    require_few_failures,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._probes import (
    measure_command,
    measure_sql,
    settings_of,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait
from ansible_collections.pitstop.runbook.plugins.plugin_utils._worktree import checkout

_NOTED: dict[str, Any] = {
    "name": "",
    "provider": "sql",
    "command": None,
    "commit": None,
    "raw": None,
    "problems": [],
    "by": None,
    "at": None,
}


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        self.point: str = self.args["point"]
        self.metrics: list[Metric] = []
        self.measured: list[dict[str, Any]] = []
        self.settings: dict[str, Any] = dict.fromkeys(("server_version", "jit", "work_mem", "round_trip_ms"))
        probes = probes_of(self.args["probes"], self.point)
        self.manual = self._manual()
        if not probes and not self.manual:
            self.say(f"benchmark {self.point}: there are no probes, so nothing is measured (benchmark_probes is empty)")
        elif self.check:
            self._plan(probes)
        else:
            self._measure(probes)
        return self._result()

    def _result(self) -> dict[str, Any]:
        return {
            "point": self.point,
            "probes": self.measured,
            "metrics": [metric.as_evidence() for metric in self.metrics],
            "total": _benchmark.totals_of(self.metrics),
            "settings": self.settings,
        }

    def _plan(self, probes: list[Probe]) -> None:
        if self.args["settle_seconds"]:
            self.say(f"would: wait {self.args['settle_seconds']} s for the app to settle")
        for probe in probes:
            for line in probe.plan(self._where(probe)) if isinstance(probe, CommandProbe) else probe.plan():
                self.say(f"would: {line}")
            self._note(probe)
        for times in self.manual:
            self.say(f"would: take {times.shown}")
            self._note_manual(times)

    def _measure(self, probes: list[Probe]) -> None:
        self._settle()
        try:
            with self.database() as database:
                self.settings = settings_of(database)
                for probe in probes:
                    self.say(f"{probe.name}: measuring, {self.point}")
                    self._measure_one(probe, database)
            for times in self.manual:
                self.say(f"taken over: {times.shown}")
                self.metrics.append(times.as_metric())
                self._note_manual(times)
            if self.point == _benchmark.POINTS[0]:
                _benchmark.require_success(self.metrics)
        except PitstopError as error:
            error.partial = {**self._result(), **error.partial}
            raise
        for line in _benchmark.table_of(self.metrics):
            self.say(line)

    def _measure_one(self, probe: Probe, database: Database) -> None:
        if isinstance(probe, HttpProbe):
            measured = measure_http(probe, self._sources.constants_of(probe), self.console)
            self.metrics.append(measured.metric)
            self._note(probe, problems=measured.problems)
            require_few_failures(probe, measured)
        elif isinstance(probe, CommandProbe):
            with self._directory(probe) as directory:
                text, source = measure_command(probe, directory, self.database_url(), self.console)
            raw = self._keep(probe, text)
            phase = _benchmark.phase_of(self.point)
            self.metrics += parse_team_results(text, phase=phase, probe=probe.name, source=source)
            self._note(probe, raw=raw)
        else:
            self.metrics += measure_sql(database, probe, self.console)
            self._note(probe)

    def _note(self, probe: Probe, **noted: Any) -> None:
        if isinstance(probe, CommandProbe):
            noted |= {"provider": "command", "command": redacted(probe.shown), "commit": self._commit(probe)}
        elif isinstance(probe, HttpProbe):
            noted |= {"provider": "http", "command": probe.shown}
        self.measured.append({**_NOTED, "name": probe.name, **noted})

    def _note_manual(self, times: ManualTimes) -> None:
        self.measured.append({**_NOTED, "name": times.metric, "provider": MANUAL, "by": times.by, "at": times.at})

    def _manual(self) -> list[ManualTimes]:
        """The times taken by hand at this point; those of the others are checked as well."""
        started = state_of(self.opened_run).get("started_at") if self.opened_run else None
        began = datetime.fromisoformat(started) if started else None
        taken = manual_times(self.args["manual"], datetime.now().astimezone(), began)
        return [times for times in taken if times.point == self.point]

    @property
    def _sources(self) -> Sources:
        return Sources(lambda: self._git.path, lambda: self._config_vars, os.environ)

    @cached_property
    def _config_vars(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.heroku().get(f"/apps/{self.args['app']}/config-vars")
        return found

    def _settle(self) -> None:
        with Wait(self.console, "the app to settle", self.args["settle_seconds"]) as wait:
            while not wait.over:
                wait.pause("nothing is measured yet")

    @cached_property
    def _git(self) -> Git:
        if not self.args["repository"]:
            raise PitstopError(
                "No repository is given",
                why="a probe takes a script or a file from it",
                next_step="set pitstop_repository",
            )
        return Git(self.args["repository"])

    def _commit(self, probe: CommandProbe) -> str | None:
        """The commit that the probe runs; None for a work tree, which may be anything."""
        if probe.revision != DEPLOYED:
            return None
        is_live = self.point != "after" and self.args["revision_commit"]
        revision = self.args["revision_commit"] if is_live else "HEAD"
        commit = self._git.commit_of(revision)
        if commit is None:
            raise PitstopError(
                f"{self._git.path} has no commit {revision!r}",
                next_step=f"look at `git -C {self._git.path} log`; is pitstop_repository the app's checkout?",
            )
        return commit

    def _where(self, probe: CommandProbe) -> str:
        commit = self._commit(probe)
        return f"a checkout of {commit[:12]}" if commit else f"the work tree {self._git.path}"

    @contextmanager
    def _directory(self, probe: CommandProbe) -> Iterator[Path]:
        self.say(f"{probe.name}: `{probe.shown}` in {self._where(probe)}")
        commit = self._commit(probe)
        if commit is None:
            yield self._git.path
        else:
            with checkout(self._git, commit, probe.links) as directory:
                yield directory

    def _keep(self, probe: CommandProbe, text: str) -> str | None:
        """Keep the script's own words beside the evidence, whether they can be used or not."""
        if self.opened_run is None:
            return None
        name = f"raw-{self.point}-{probe.name}.json"
        write_whole(self.opened_run.directory / name, redacted(text))
        return name
