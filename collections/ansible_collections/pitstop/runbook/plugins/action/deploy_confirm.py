# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the person at the terminal whether to go on. Where nobody can answer, the answer is no."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.deploy_confirm import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation

YES = ("yes", "y")


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        if self.check:
            self.say(f"would: ask a person: {self.args['question']}")
            return {"answer": "", "seconds": 0.0}
        began = time.monotonic()
        answer, why = self._answer()
        result = {"answer": answer, "seconds": round(time.monotonic() - began, 1)}
        if answer.lower() not in YES:
            raise PitstopError(
                "Nobody has said yes, so nothing is shipped",
                why=why,
                next_step="run again and type yes, or set heroku_deploy_confirm: false",
                partial=result,
            )
        self.say("a person said yes")
        return result

    def _answer(self) -> tuple[str, str]:
        """What was typed, and why that is no yes if it is none."""
        timeout = self.args["timeout"]
        question = f"{self.args['question']} Type yes to go on, within {timeout} s: "
        try:
            typed = _operation.display.prompt_until(question, seconds=timeout).decode("utf-8", "replace").strip()
        except AnsiblePromptNoninteractive:
            return "", "there is no terminal to ask at"
        except AnsiblePromptInterrupt:
            return "", "the question was interrupted"
        return typed, f"the answer was {typed!r}" if typed else f"there was no answer within {timeout} s"
