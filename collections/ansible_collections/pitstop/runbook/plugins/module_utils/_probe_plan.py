# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark is going to measure: its probes, checked before anything runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import phase_of
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._http_probe import HttpProbe, http_probe
from ansible_collections.pitstop.runbook.plugins.module_utils._manual_times import MANUAL
from ansible_collections.pitstop.runbook.plugins.module_utils._probe_options import at_least, inside, refused

DEPLOYED = "deployed"
STDOUT = "-"
SQL_WARMUP, SQL_ITERATIONS = 5, 100

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PLACEHOLDER = "{phase}"


@dataclass(frozen=True)
class CommandProbe:
    """The team's own script. ``environment`` adds to the controller's; None takes a variable away."""

    name: str
    argv: list[str]
    results: str
    environment: dict[str, str | None]
    timeout_s: int
    revision: str
    links: list[str]

    @property
    def from_stdout(self) -> bool:
        """Whether the script prints its results instead of writing a file."""
        return self.results == STDOUT

    @property
    def shown(self) -> str:
        """The command as one would type it."""
        return shlex.join(self.argv)

    def plan(self, where: str) -> list[str]:
        """What would happen, for check mode."""
        results = "its output" if self.from_stdout else self.results
        return [f"run `{self.shown}` in {where}, at most {self.timeout_s} s, and read {results}"]


@dataclass(frozen=True)
class Statement:
    """One SQL statement to be timed."""

    name: str
    sql: str
    params: Sequence[Any] | Mapping[str, Any] | None


@dataclass(frozen=True)
class SqlProbe:
    """Statements that are timed over one connection, each in a transaction that is rolled back."""

    name: str
    statements: list[Statement]
    warmup: int
    iterations: int
    statement_timeout_s: int

    def plan(self) -> list[str]:
        """What would happen, for check mode."""
        return [
            f"time {statement.name} {self.iterations} times after {self.warmup} for warming up, each rolled back: "
            f"{' '.join(statement.sql.split())}"
            for statement in self.statements
        ]


Probe = CommandProbe | SqlProbe | HttpProbe


def probes_of(options: Sequence[Mapping[str, Any]], point: str) -> list[Probe]:
    """The probes that ``options`` (validated against the argument spec) describe, for ``point``.

    Raises PitstopError for what an argument spec cannot see: names, ranges, patterns, and links that lead outside.
    """
    for option in options:
        _require_name(option["name"])
    probes = [_probe(option, point) for option in options]
    _require_distinct([probe.name for probe in probes], "Two probes are")
    return probes


def _probe(option: Mapping[str, Any], point: str) -> Probe:
    if option["provider"] == "command":
        return _command(option, point)
    return _sql(option) if option["provider"] == "sql" else http_probe(option)


def _command(option: Mapping[str, Any], point: str) -> CommandProbe:
    name = option["name"]
    phase = phase_of(point)
    if not option["argv"]:
        raise refused(name, "argv is empty", "give the command as a list, such as [node, scripts/benchmark.js]")
    for text in [option["results"], *option["links"]]:
        inside(text, name)
    return CommandProbe(
        name=name,
        argv=[str(part).replace(_PLACEHOLDER, phase) for part in option["argv"]],
        results=option["results"].replace(_PLACEHOLDER, phase),
        environment={key: None if value is None else str(value) for key, value in option["environment"].items()},
        timeout_s=at_least(1, option, "timeout", name),
        revision=option["revision"],
        links=list(option["links"]),
    )


def _sql(option: Mapping[str, Any]) -> SqlProbe:
    name = option["name"]
    statements = [Statement(item["name"], item["sql"], item["params"]) for item in option["statements"]]
    if not statements:
        raise refused(name, "it has no statements", "give at least one, with a name and its sql")
    _require_distinct([statement.name for statement in statements], f"Two statements of probe {name} are")
    for statement in statements:
        if not isinstance(statement.params, list | Mapping | None):
            raise refused(name, f"params of {statement.name} are {statement.params!r}", "give a list or a dict")
    return SqlProbe(
        name=name,
        statements=statements,
        warmup=at_least(0, option, "warmup", name, SQL_WARMUP),
        iterations=at_least(1, option, "iterations", name, SQL_ITERATIONS),
        statement_timeout_s=at_least(1, option, "statement_timeout", name),
    )


def _require_name(name: str) -> None:
    if name == MANUAL:
        raise PitstopError(
            f"A probe is called {name!r}",
            why="that is where the times of benchmark_manual are kept",
            next_step="give the probe another name",
        )
    if not _NAME.fullmatch(name):
        raise PitstopError(
            f"A probe is called {name!r}",
            why="it becomes part of a file's name",
            next_step="use letters, digits, - and _ only",
        )


def _require_distinct(names: Sequence[str], who: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise PitstopError(
                f"{who} called {name!r}",
                why="a metric is known by its probe and its name",
                next_step="give each a name of its own",
            )
