# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the app itself answers, with its own version, several times in a row."""

from __future__ import annotations

import json
from typing import Any

import urllib3

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.modules.health_wait import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._wait import Wait

POLL_S = 0.5
REQUEST_TIMEOUT_S = 10


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        url, wanted = self.args["url"], self.args["passes"]
        result: dict[str, Any] = {"url": url, "passes": 0, "seconds": 0.0, "last": ""}
        if self.check:
            self.say(f"would: wait for {wanted} answers in a row of {url} with the new version")
            return result
        pool = urllib3.PoolManager(timeout=REQUEST_TIMEOUT_S, retries=False)
        with Wait(self.console, "the app's own answer", self.args["timeout"], poll_s=POLL_S) as wait:
            while result["passes"] < wanted:
                good, result["last"] = self._ask(pool, url)
                result["passes"] = result["passes"] + 1 if good else 0
                result["seconds"] = round(wait.elapsed_s, 1)
                if not good and wait.over:
                    raise PitstopError(
                        f"The app does not answer as {self.args['version'][:12]} at {url}"
                        f" after {self.args['timeout']} s",
                        why=f"its last answer: {result['last']}",
                        next_step=f"look yourself: curl -i {url}",
                        partial=result,
                    )
                if result["passes"] < wanted:
                    wait.pause(f"the last one is {result['last']}")
        self.say(f"the app answers as {self.args['version'][:12]}, {wanted} times in a row")
        return result

    def _ask(self, pool: urllib3.PoolManager, url: str) -> tuple[bool, str]:
        """Whether one answer is good, and what it was. The old version counts as not yet."""
        try:
            response = pool.request("GET", url)
        except urllib3.exceptions.HTTPError as error:
            return False, str(error)
        body = response.data.decode("utf-8", "replace")
        try:
            answered = json.loads(body).get(self.args["version_key"])
        except (ValueError, AttributeError):
            answered = None
        seen = f"{response.status}, {self.args['version_key']} {str(answered)[:12]}"
        return response.status == self.args["status"] and answered == self.args["version"], seen
