# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the app's log, before a deploy and after it, and say whether it has got worse."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils import _app_log
from ansible_collections.pitstop.runbook.plugins.module_utils._app_log import Tally
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.heroku_log import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._health import HealthUrl, NoAnswer
from ansible_collections.pitstop.runbook.plugins.plugin_utils._log_session import LogSession
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

KEPT_WITHIN_S = 10
POLL_S = 0.2
ASK_EVERY_S = 2.0
ASK_TIMEOUT_S = 5.0
REOPENED_WITHIN_S = 5.0


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        self._check_options()
        health = HealthUrl(self.args["url"]) if self.args["url"] else None
        seconds = self.args["seconds"]
        if self.check:
            what = (
                f"read it for {seconds} s, and fail on what is worse than before" if seconds else "read what there is"
            )
            self.say(f"would: read the log of {self.args['app']}: {what}")
            return _result(Tally(), 0.0, complete=False)
        return self._watched(health) if seconds else self._kept()

    def _check_options(self) -> None:
        if self.args["seconds"] < 0:
            raise PitstopError(
                f"The log cannot be read for {self.args['seconds']} s",
                next_step="give the seconds to read it, or 0 for the lines that Heroku still has",
            )
        for code in self.args["codes"]:
            if not _app_log.is_code(code):
                raise PitstopError(
                    f"{code!r} is no error code of Heroku's",
                    next_step=f"give codes such as H12 or R14, or {_app_log.CRASHED}:"
                    " https://devcenter.heroku.com/articles/error-codes",
                )

    def _kept(self) -> dict[str, Any]:
        """What the log still has of the time before."""
        tally = Tally()
        with (
            Wait(self.console, "the app's log", KEPT_WITHIN_S, poll_s=POLL_S) as wait,
            LogSession(self.heroku(), self.args["app"], tail=False) as session,
        ):
            while not session.over and not wait.over:
                wait.pause(f"{tally.lines} lines")
                self._add(session, tally)
            self._add(session, tally)
        result = _result(tally, tally.span_s(datetime.now(UTC)), complete=session.ended)
        if not session.ended:
            self._complain(result, f"The app's log of before could not be read to its end: {session.problem}")
        self.say(f"the log before: {_told(tally)} in {result['seconds']:.0f} s")
        return result

    def _watched(self, health: HealthUrl | None) -> dict[str, Any]:
        """What the log says from now on."""
        own = f"pitstop-{secrets.token_hex(8)}-"
        tally, before = Tally(own), self.args["baseline"]
        with (
            Wait(self.console, "the app's log to stay quiet", self.args["seconds"], poll_s=ASK_EVERY_S) as wait,
            LogSession(self.heroku(), self.args["app"], tail=True) as session,
        ):
            session.is_open(min(ASK_EVERY_S, wait.left_s))
            asked = 0
            while not (wait.over or session.over or _app_log.fatal_news(before, tally.codes, self.args["codes"])):
                if health:
                    asked += 1
                    with suppress(NoAnswer):
                        health.ask(min(ASK_TIMEOUT_S, max(1.0, wait.left_s)), request_id=f"{own}{asked}")
                wait.pause(_told(tally))
                self._add(session, tally)
            complete = session.is_open(REOPENED_WITHIN_S)
            self._add(session, tally)
            seconds = wait.elapsed_s
        result = _result(tally, seconds, complete=complete)
        if not complete:
            self._complain(result, f"The app's log could not be read to the end: {session.problem}")
        return self._judged(result, before)

    def _judged(self, result: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
        judgement = _app_log.judge(before, result, self.args["codes"], complete=result["complete"])
        result["verdict"] = judgement.verdict
        result["findings"] += judgement.worse + judgement.noted
        for sentence in judgement.noted:
            self.say(f"note: {sentence}", "yellow")
        if judgement.worse:
            raise PitstopError(
                f"The log of {self.args['app']} is worse than before the deploy",
                why=" / ".join(judgement.worse),
                next_step=f"read it: heroku logs -n 200 -a {self.args['app']}",
                partial=result,
            )
        found = f"{result['requests']} requests, {result['errors_5xx']} answered with 5xx, in {result['seconds']:.0f} s"
        self.say(f"the log is {judgement.verdict}: {found}")
        return result

    def _add(self, session: LogSession, tally: Tally) -> None:
        for line in session.new_lines():
            tally.add(line)

    def _complain(self, result: dict[str, Any], sentence: str) -> None:
        result["findings"].append(sentence)
        self.say(sentence, "yellow")


def _result(tally: Tally, seconds: float, *, complete: bool) -> dict[str, Any]:
    return {**tally.result(seconds), "complete": complete, "verdict": "unknown", "findings": []}


def _told(tally: Tally) -> str:
    codes = ", ".join(f"{count} x {code}" for code, count in sorted(tally.codes.items()))
    return f"{tally.requests} requests, {codes or (f'{tally.errors_5xx} x 5xx' if tally.errors_5xx else 'no error')}"
