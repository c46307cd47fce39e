# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the app itself answers, with its own version, several times in a row."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted
from ansible_collections.pitstop.runbook.plugins.modules.health_wait import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._health import Answer, HealthUrl, NoAnswer
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

POLL_S = 0.5
REQUEST_TIMEOUT_S = 10.0
AS_WANTED = "as wanted"
SHORT_COMMIT = re.compile("[0-9a-f]{7,}")
SHOWN = 200


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        url, wanted = self.args["url"], self.args["passes"]
        health = HealthUrl(url)
        self._check_options()
        result: dict[str, Any] = {"url": url, "passes": 0, "seconds": 0.0, "last": "", "answers": {}}
        self._redirected = False
        if self.args["only_look"]:
            kind, result["last"] = self._ask(health, REQUEST_TIMEOUT_S)
            self.say(f"the app answers at present: {result['last']}", color=None if kind == AS_WANTED else "yellow")
            return {**result, "answers": {kind: 1}, "passes": int(kind == AS_WANTED)}
        if self.check:
            self.say(f"would: wait for {wanted} answers in a row of {url} with the new version")
            return result
        answers: Counter[str] = Counter()
        with Wait(self.console, "the app's own answer", self.args["timeout"], poll_s=POLL_S) as wait:
            while True:
                kind, result["last"] = self._ask(health, min(REQUEST_TIMEOUT_S, max(1.0, wait.left_s)))
                answers[kind] += 1
                result["passes"] = result["passes"] + 1 if kind == AS_WANTED else 0
                result.update(seconds=round(wait.elapsed_s, 1), answers=dict(answers))
                if result["passes"] >= wanted:
                    break
                if wait.over:
                    raise self._in_vain(result)
                wait.pause(f"the last one is {result['last']}")
        self.say(f"the app answers as {self.args['version'][:12]}, {wanted} times in a row")
        return result

    def _check_options(self) -> None:
        if self.args["passes"] < 1:
            raise PitstopError(
                f"{self.args['passes']} answers in a row prove nothing", next_step="set passes to 1 or more"
            )
        try:
            self._body = re.compile(self.args["body"])
        except re.error as error:
            raise PitstopError(
                f"The body {self.args['body']!r} is no regular expression",
                why=str(error),
                next_step=f"for that very text give {re.escape(self.args['body'])!r}",
            ) from None

    def _ask(self, health: HealthUrl, timeout_s: float) -> tuple[str, str]:
        """What kind of answer there was, and the answer in short."""
        try:
            answer = health.ask(timeout_s)
        except NoAnswer as error:
            return "no answer", f"none: {_excerpt(str(error))}"
        if answer.redirected_to and not self._redirected:
            self._redirected = True
            self.say(f"{self.args['url']} redirects to {answer.redirected_to}")
        return self._judged(answer)

    def _judged(self, answer: Answer) -> tuple[str, str]:
        """The old version counts as not yet; so does any other that is not the wanted one."""
        key = self.args["version_key"]
        if answer.status not in self.args["status"]:
            return f"status {answer.status}", f"status {answer.status}: {_excerpt(answer.body)}"
        if not self._body.search(answer.body):
            return "other body", f"{answer.status}, but not with {self.args['body']!r}: {_excerpt(answer.body)}"
        answered = _version(answer.body, key)
        if answered is None:
            return "no version", f"{answer.status} without {key}: {_excerpt(answer.body)}"
        if _is_same(answered, self.args["version"]):
            return AS_WANTED, f"{answer.status}, {key} {answered[:12]}"
        return "old version", f"{answer.status}, still {key} {_excerpt(answered)[:12]}"

    def _in_vain(self, result: dict[str, Any]) -> PitstopError:
        seen = ", ".join(f"{count} x {kind}" for kind, count in result["answers"].items())
        return PitstopError(
            f"The app does not answer as {self.args['version'][:12]} at {self.args['url']},"
            f" {self.args['passes']} times in a row, after {self.args['timeout']} s",
            why=f"its last answer: {result['last']} (seen: {seen})",
            next_step=f"look yourself: curl -iL {shlex.quote(self.args['url'])}",
            partial=result,
        )


def _version(body: str, key: str) -> str | None:
    """What the answer has under ``key``, which may be a path such as ``build.commit``."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) and key in found:
        found = found[key]
    else:
        for name in key.split("."):
            found = found.get(name) if isinstance(found, dict) else None
    return None if found is None or isinstance(found, dict | list) else str(found)


def _is_same(answered: str, wanted: str) -> bool:
    """Whether it is the version, or the beginning of that commit."""
    return answered == wanted or bool(SHORT_COMMIT.fullmatch(answered) and wanted.startswith(answered))


def _excerpt(text: str) -> str:
    """The beginning of an answer, without secrets, in one line that a terminal can show."""
    line = " ".join(redacted(text[: 10 * SHOWN]).split())
    return "".join(letter if letter.isprintable() else "?" for letter in line[:SHOWN])
