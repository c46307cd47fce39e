# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks HTTP while a benchmark measures: the requests of a probe, one at a time over one connection."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import urllib3

from ansible_collections.pitstop.runbook.plugins.module_utils._benchmark import Metric
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._http_answer import Answer, NotAsExpected
from ansible_collections.pitstop.runbook.plugins.module_utils._http_probe import (
    HttpProbe,
    Request,
    Step,
    without_secrets,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._placeholders import CONFIG_VAR, FILE
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

MAX_ANSWER_BYTES = 10_000_000
CHUNK_BYTES = 65_536
UNANSWERED_S = 2.0
"""As long the app is given to finish a request that nobody waits for any more, before what was made is removed."""
SHORTEST_WAIT_S = 0.001


@dataclass(frozen=True)
class Sources:
    """Where placeholders that stay the same are looked up: each is asked only when it is needed."""

    repository: Callable[[], Path]
    config_vars: Callable[[], Mapping[str, str]]
    environment: Mapping[str, str]

    def constants_of(self, probe: HttpProbe) -> dict[str, str]:
        """The value of each such placeholder of ``probe`` by its name. Raises PitstopError for one without."""
        return {name: self._value(probe, *name.split(":", 1)) for name in probe.constants}

    def _value(self, probe: HttpProbe, kind: str, name: str) -> str:
        if kind == FILE:
            return self._file(probe, name)
        values = self.config_vars() if kind == CONFIG_VAR else self.environment
        if name in values:
            return values[name]
        where, advice = (
            ("the app has no such config var", f"look at `heroku config`, then correct $[config_var:{name}]")
            if kind == CONFIG_VAR
            else ("the controller's environment has no such variable", f"export {name}=…")
        )
        raise PitstopError(f"Probe {probe.name} needs $[{kind}:{name}]", why=where, next_step=advice)

    def _file(self, probe: HttpProbe, name: str) -> str:
        try:
            return base64.b64encode((self.repository() / name).read_bytes()).decode()
        except OSError as error:
            raise PitstopError(
                f"Probe {probe.name} cannot read {self.repository() / name}",
                why=error.strerror or str(error),
                next_step=f"correct $[file:{name}]: it is a path in the repository",
            ) from error


@dataclass(frozen=True)
class HttpMeasurement:
    """``problems`` are sentences: the first failure, and what could not be cleaned up."""

    metric: Metric
    problems: list[str]


def measure_http(probe: HttpProbe, constants: Mapping[str, str], console: Console) -> HttpMeasurement:
    """Time the probe's requests; its cleanup is sent in the end, also after Ctrl-C.

    Stops early when more iterations failed than it may have. Raises PitstopError when it is not done in time.
    """
    measuring = _Measuring(probe, constants, console)
    try:
        metric = measuring.measure()
    finally:
        measuring.clean_up()
    return HttpMeasurement(metric, measuring.problems)


def require_few_failures(probe: HttpProbe, measured: HttpMeasurement) -> None:
    """Refuse a measurement of which too many iterations failed."""
    metric = measured.metric
    if metric.failed > probe.failure_limit:
        raise PitstopError(
            f"Probe {probe.name} failed in {metric.failed} of {metric.iterations} iterations",
            why=measured.problems[0],
            next_step=f"mend what it names, or raise its failure_limit, now {probe.failure_limit}",
        )


class _Measuring:
    """One measurement: its connection, what it counts, and what it must not show."""

    def __init__(self, probe: HttpProbe, constants: Mapping[str, str], console: Console) -> None:
        self.problems: list[str] = []
        self._probe, self._constants, self._console = probe, constants, console
        self._secrets = probe.secrets(constants)
        self._pool = urllib3.PoolManager(maxsize=1, retries=False)
        self._unique = 0
        self._unanswered = False

    def measure(self) -> Metric:
        probe, samples, seen, failed = self._probe, [], [], 0
        with Wait(self._console, probe.name, probe.timeout_s, poll_s=probe.interval_s) as wait:
            for number in range(1 - probe.warmup, probe.iterations + 1):
                if number > 1 - probe.warmup:
                    wait.pause(f"{max(0, number - 1)} of {probe.iterations} iterations")
                try:
                    took, value = self._iterate(number, wait)
                except _Failure as failure:
                    self._note(str(failure))
                    failed += number > 0
                else:
                    if number > 0:
                        samples.append(took)
                        seen.append(value)
                if failed > probe.failure_limit:
                    break
                if wait.over and number < probe.iterations:
                    raise self._too_slow(max(0, number))
        metric = Metric.from_samples(probe.name, probe=probe.name, provider="http", samples=samples, failed=failed)
        return metric if probe.distinct is None else metric.with_duplicates(len(seen) - len(set(seen)))

    def clean_up(self) -> None:
        """Send the cleanup; what fails there is a problem, and hides no other error."""
        if not self._probe.cleanup:
            return
        if self._unanswered:
            with Wait(self._console, "what the app may still be doing", UNANSWERED_S, poll_s=UNANSWERED_S) as wait:
                wait.pause("a request was not waited for")
        values = self._values(0)
        for step in self._probe.cleanup:
            try:
                self._carry_out(step, values, step.request(values), step.timeout_s)
            except _Failure as failure:
                self._note(f"not cleaned up: {failure}", always=True)

    def _iterate(self, number: int, wait: Wait) -> tuple[float, str | None]:
        """Milliseconds of one iteration, and the value that may not come twice. Raises _Failure."""
        values = self._values(number)
        requests = [step.request(values) for step in self._probe.steps]
        began = time.perf_counter()
        for step, request in zip(self._probe.steps, requests, strict=True):
            answer = self._carry_out(step, values, request, min(step.timeout_s, wait.left_s))
        try:
            took = self._probe.duration.of(answer) if self._probe.duration else 1000 * (answer.at_s - began)
            distinct = self._probe.distinct and json.dumps(answer.value(self._probe.distinct), sort_keys=True)
        except NotAsExpected as problem:
            raise self._failure(step, problem) from None
        return took, distinct

    def _carry_out(self, step: Step, values: Mapping[str, int | str], request: Request, timeout_s: float) -> Answer:
        """The answer that is as expected, of the first request or of a later one. Raises _Failure."""
        with Wait(self._console, step.shown, timeout_s, poll_s=step.again_s or 0) as wait:
            while True:
                try:
                    answer = self._ask(request, max(wait.left_s, SHORTEST_WAIT_S))
                    step.expected.require(answer, values)
                except NotAsExpected as problem:
                    if step.again_s is None or wait.over:
                        raise self._failure(step, problem) from None
                    wait.pause(without_secrets(str(problem), self._secrets))
                else:
                    return answer

    def _ask(self, request: Request, timeout_s: float) -> Answer:
        """The whole answer, before the deadline. Redirects are not followed: another host would get the headers."""
        deadline = time.perf_counter() + timeout_s
        self._unanswered = True
        try:
            response = self._pool.request(
                request.method,
                request.url,
                headers=request.headers,
                body=request.body,
                timeout=urllib3.Timeout(total=timeout_s),
                redirect=False,
                preload_content=False,
            )
            try:
                body = _read(response, deadline)
            finally:
                if time.perf_counter() >= deadline:
                    response.close()
                response.release_conn()
        except (urllib3.exceptions.TimeoutError, TimeoutError):
            raise NotAsExpected(f"it was not answered within {timeout_s:.3g} s") from None
        except urllib3.exceptions.HTTPError as error:
            raise NotAsExpected(str(error)) from None
        except (HTTPException, ValueError):  # their texts hold the URL or the header
            raise NotAsExpected("its URL or one of its headers has characters that HTTP does not allow") from None
        self._unanswered = False
        return Answer(response.status, response.headers, body, time.perf_counter())

    def _values(self, number: int) -> dict[str, int | str]:
        self._unique = max(self._unique + 1, time.time_ns() // 1000)
        return {**self._constants, "iteration": number, "unique": self._unique, "now": int(time.time())}

    def _failure(self, step: Step, problem: NotAsExpected) -> _Failure:
        return _Failure(f"{step.shown}: {without_secrets(str(problem), self._secrets)}")

    def _note(self, problem: str, *, always: bool = False) -> None:
        """Keep and show a problem; of those of iterations only the first."""
        if always or not self.problems:
            self.problems.append(problem)
            self._console.say(f"{self._probe.name}: {problem}", color="yellow")

    def _too_slow(self, done: int) -> PitstopError:
        probe = self._probe
        return PitstopError(
            f"Probe {probe.name} was not done after {probe.timeout_s} s",
            why="; ".join([f"{done} of {probe.iterations} iterations were", *self.problems[:1]]),
            next_step="raise its timeout, or lower its iterations or its interval",
        )


class _Failure(Exception):
    """An iteration that failed; its text has no secret."""


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        body += chunk
        if time.perf_counter() >= deadline:
            raise TimeoutError
        if len(body) > MAX_ANSWER_BYTES:
            response.close()
            raise NotAsExpected(f"its answer has more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)
