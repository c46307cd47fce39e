# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe that speaks HTTP, as the app's users do: its requests, checked before any is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.pitstop.runbook.plugins.module_utils._http_answer import Duration, Expectation
from ansible_collections.pitstop.runbook.plugins.module_utils._placeholders import (
    FILE,
    NUMBERS,
    SECRET,
    Values,
    filled,
    names_in,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._probe_options import at_least, inside, refused, seconds
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import MARK, redacted

FEWEST_ITERATIONS = 3
WARMUP, ITERATIONS = 2, 10

_OPEN_HEADERS = {"accept", "content-type", "user-agent"}
_SHORTEST_SECRET = 4
_QUOTED = 200


@dataclass(frozen=True)
class Request:
    """A request as it is sent."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


@dataclass(frozen=True)
class Step:
    """One request with its placeholders, and what its answer has to be.

    With ``again_s`` it is repeated after so many seconds until the answer is that, at most ``timeout_s``; otherwise
    that is the deadline of the one answer.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    json: Any
    expected: Expectation
    again_s: float | None
    timeout_s: float

    @property
    def shown(self) -> str:
        """The request without anything secret: the URL as it was written."""
        return f"{self.method} {redacted(self.url)}"

    def request(self, values: Values) -> Request:
        """What is sent, with ``values`` for the placeholders."""
        headers = {name: str(filled(value, values)) for name, value in self.headers.items()}
        body = None if self.body is None else str(filled(self.body, values)).encode()
        if self.json is not None:
            body = json.dumps(filled(self.json, values)).encode()
            if "content-type" not in {name.lower() for name in headers}:
                headers["Content-Type"] = "application/json"
        return Request(self.method, str(filled(self.url, values)), headers, body)

    @property
    def names(self) -> list[str]:
        """The names of its placeholders."""
        return names_in([self.url, self.headers, self.body, self.json, self.expected.json])


@dataclass(frozen=True)
class HttpProbe:
    """Requests that are timed together, from the first until the last one's answer is as expected.

    ``duration`` takes the time from the last answer instead. ``distinct`` is the path of a value there that may not
    come twice. ``cleanup`` is sent once in the end, whatever happened.
    """

    name: str
    steps: list[Step]
    cleanup: list[Step]
    warmup: int
    iterations: int
    interval_s: float
    timeout_s: int
    failure_limit: int
    duration: Duration | None
    distinct: str | None

    @property
    def shown(self) -> str:
        """The requests without anything secret."""
        return "; ".join(step.shown for step in self.steps)

    @property
    def constants(self) -> list[str]:
        """The names of the placeholders that stay the same, each once."""
        names = [name for step in [*self.steps, *self.cleanup] for name in step.names]
        return [name for name in dict.fromkeys(names) if name not in NUMBERS]

    def secrets(self, values: Values) -> list[str]:
        """What may never be shown: config vars, variables of the environment, and headers."""
        named = [str(value) for name, value in values.items() if name.partition(":")[0] in SECRET]
        headers = [
            str(filled(value, {**dict.fromkeys(NUMBERS, 0), **values}))
            for step in [*self.steps, *self.cleanup]
            for name, value in step.headers.items()
            if name.lower() not in _OPEN_HEADERS
        ]
        return named + headers

    def plan(self) -> list[str]:
        """What would happen, for check mode."""
        first, *others = self.steps
        often = f"{self.iterations} times after {self.warmup} for warming up"
        return [
            f"{first.shown} {often}, {_expecting(first)}",
            *(f"then each time {step.shown}, {_expecting(step)}" for step in others),
            *(f"in the end {step.shown}, {_expecting(step)}" for step in self.cleanup),
        ]


def http_probe(option: Mapping[str, Any]) -> HttpProbe:
    """The probe that ``option`` (validated against the argument spec) describes.

    Raises PitstopError for what an argument spec cannot see.
    """
    name = option["name"]
    steps = _steps(option["steps"], name)
    if not steps:
        raise refused(name, "it has no steps", "give at least one, with a url")
    iterations = at_least(FEWEST_ITERATIONS, option, "iterations", name, ITERATIONS)
    probe = HttpProbe(
        name=name,
        steps=steps,
        cleanup=_steps(option["cleanup"], name),
        warmup=at_least(0, option, "warmup", name, WARMUP),
        iterations=iterations,
        interval_s=seconds(option, "interval", name, zero=True),
        timeout_s=at_least(1, option, "timeout", name),
        failure_limit=at_least(0, option, "failure_limit", name, iterations // 2),
        duration=_duration(option["duration"], name),
        distinct=option["distinct"],
    )
    for constant in probe.constants:
        kind, _, path = constant.partition(":")
        if kind == FILE:
            inside(path, name)
    return probe


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """``text`` in one line and not long, with the secrets replaced, in the forms in which an answer may echo them."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote(secret)):
                text = text.replace(form, MARK)
    return redacted(" ".join(text.split()))[:_QUOTED]


def _expecting(step: Step) -> str:
    if step.again_s is None:
        return f"expecting {step.expected.shown}"
    return f"again every {step.again_s:g} s until {step.expected.shown}, at most {step.timeout_s:g} s"


def _steps(options: Sequence[Mapping[str, Any]], probe: str) -> list[Step]:
    return [_step(option, f"{option['method']} {redacted(option['url'])}", probe) for option in options]


def _step(option: Mapping[str, Any], shown: str, probe: str) -> Step:
    if not re.match(r"https?://|\$\[(env|config_var):", option["url"]):
        raise refused(probe, f"the url {redacted(option['url'])!r} is none", "let it begin with https:// or http://")
    if option["body"] is not None and option["json"] is not None:
        raise refused(probe, f"{shown} has both body and json", "keep one of the two")
    if option["expect"] is not None and option["until"] is not None:
        raise refused(probe, f"{shown} has both expect and until", "keep until; it expects the same things")
    step = Step(
        method=option["method"],
        url=str(option["url"]),
        headers={str(name): str(value) for name, value in option["headers"].items()},
        body=option["body"],
        json=option["json"],
        expected=_expectation(option["until"] or option["expect"] or {}, shown, probe),
        again_s=None if option["until"] is None else seconds(option, "interval", probe),
        timeout_s=seconds(option, "timeout", probe),
    )
    _ = step.names
    return step


def _expectation(option: Mapping[str, Any], shown: str, probe: str) -> Expectation:
    body = option.get("body")
    try:
        pattern = None if body is None else re.compile(body)
    except re.error as error:
        raise refused(
            probe, f"the body that {shown} expects, {body!r}, is no pattern: {error}", "mend the regular expression"
        ) from error
    return Expectation(tuple(option.get("status") or [200]), pattern, option.get("json") or {})


def _duration(option: Mapping[str, Any] | None, probe: str) -> Duration | None:
    if option is None:
        return None
    if (option["json"] is None) == (option["header"] is None):
        raise refused(probe, "its duration needs one of json and header", "say where the answer holds the time")
    return Duration(option["json"], option["header"], option["unit"])
