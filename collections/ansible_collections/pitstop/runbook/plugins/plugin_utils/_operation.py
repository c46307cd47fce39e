# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of every operation: an action plugin that runs in Ansible's own process, beside the wire.

An operation parses its options, reads the state, plans, applies unless in check mode, and returns. What it returns
has the same keys in check mode as in a real run.
"""

from __future__ import annotations

import shutil
from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pitstop.runbook.plugins.module_utils import _evidence, _run
from ansible_collections.pitstop.runbook.plugins.module_utils._args import FALLBACK_VARIABLES, RUN, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from ansible_collections.pitstop.runbook.plugins.module_utils._heroku_plan import plan_facts
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted, redacted_data
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import identity, probe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import Console, mode
from ansible_collections.pitstop.runbook.plugins.plugin_utils._git import with_header
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku_data import HerokuDatabase
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database, database_errors
from ansible_collections.pitstop.runbook.plugins.plugin_utils._sessions import Sessions
from ansible_collections.pitstop.runbook.plugins.plugin_utils._signals import interruptible

display = Display()

AGAIN = "run the same command again; when it fails again, mend what PostgreSQL names"
NEXT_STEP = "Next: run the same command again: it puts right what is half built, and what was done stays done"


class Operation(ActionBase):
    """Template of an operation. Subclasses set ``spec`` and write ``operate``."""

    spec: ClassVar[Spec] = {}
    _requires_connection = False

    @abstractmethod
    def operate(self) -> dict[str, Any]:
        """Do the work (or, with ``self.check``, plan it) and return the result, ``changed`` included.

        Raises PitstopError for whatever a person has to act on.
        """

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self.variables: dict[str, Any] = task_vars or {}
        self.args: dict[str, Any] = self._validated_args()
        self.check = bool(self._task.check_mode)
        started_at = _evidence.now()
        try:
            with interruptible():
                try:
                    with database_errors(f"{self._task.action} failed in the database", next_step=AGAIN):
                        result = self.operate()
                except KeyboardInterrupt:
                    # While no other signal is heeded: Ansible sends a second one soon, which would end us at once.
                    self._end_interrupted()
                    raise
        except PitstopError as error:
            self._record({**error.partial, "failed": True, "error": str(error)}, started_at)
            partial = redacted_data(error.partial)
            # Ansible adds the text of a cause to its own message: as it came, with the secrets in it.
            raise AnsibleActionFail(redacted(str(error)), result={**partial, "failed": True}) from None
        finally:
            self.console.close()
        result.setdefault("changed", False)
        self._record({**result, "failed": False, "check_mode": self.check}, started_at)
        return result

    def interrupted(self) -> None:
        """Put right what must not stay as it is when the operation is ended early. No other task comes after it."""

    def _end_interrupted(self) -> None:
        """Say what was cancelled; what a check run keeps in a temporary folder has no one to remove it later."""
        self.interrupted()
        shown = dict.fromkeys(" ".join(sql.split())[:100] for sql in self.cancelled if not _only_reads(sql))
        on_server = f"cancelled on the server: {'; '.join(shown)}" if shown else "nothing of ours runs on the server"
        self.console.last_words(f"interrupted; {on_server}. {NEXT_STEP}")
        if self.opened_run and self.opened_run.check:
            shutil.rmtree(self.opened_run.directory, ignore_errors=True)

    @cached_property
    def cancelled(self) -> list[str]:
        """The statements of this operation that an interruption cancelled."""
        return []

    @cached_property
    def console(self) -> Console:
        """Where the operation shows what it does, at once, while it goes on."""
        callback = str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK"))
        return Console(
            lambda: display,
            f"  {self.variables.get('inventory_hostname', '')} | ",
            mode(
                str(self.variable("pitstop_progress") or "auto"),
                stdout_callback=callback,
                hosts=len(self.variables.get("ansible_play_hosts", [])),
            ),
            silent="json" in callback,
        )

    def say(self, text: str, color: str | None = None) -> None:
        """Show a line that stays, without secrets."""
        self.console.say(text, color)

    def variable(self, name: str) -> Any:
        """The value of a variable of this host, or None."""
        return self._templar.template(self.variables[name]) if name in self.variables else None

    @cached_property
    def opened_run(self) -> Run | None:
        """The run that role ``run`` opened, or None."""
        fact = self.variable("pitstop_run")
        return Run.from_fact(fact) if fact else None

    @property
    def current_run(self) -> Run:
        """The run that role ``run`` opened; raises PitstopError when there is none."""
        if self.opened_run is None:
            raise PitstopError("No run is open", next_step="import role `run` before this role, as master.yml does")
        return self.opened_run

    def heroku(self) -> HerokuClient:
        """A client of the app's Platform and data API."""
        args = self.args
        return HerokuClient.for_app(args["app"], args["api_url"], args["data_url"], args["api_key"], self.say)

    def heroku_git(self) -> tuple[str, dict[str, str]]:
        """The app's repository on Heroku, and the environment that lets git in."""
        url = self.args["git_url"] or f"https://git.heroku.com/{self.args['app']}.git"
        return url, with_header(url, self.heroku().basic_auth_header)

    def database_url(self) -> str:
        """The given URL, or the one in the app's config vars: it is asked for anew because Heroku rotates it."""
        if self.args["database_url"]:
            return str(self.args["database_url"])
        if self.args["app"]:
            name = self.args["database_config_var"]
            url = self.heroku().get(f"/apps/{self.args['app']}/config-vars").get(name)
            if url:
                return str(url)
            raise PitstopError(
                f"The app {self.args['app']} has no config var {name}",
                next_step="set pitstop_database_config_var to the config var that holds the database's URL",
            )
        raise PitstopError(
            "No database is given", next_step="set pitstop_database_url (or the environment's DATABASE_URL)"
        )

    def database(self) -> Database:
        """A new session on the app's database, named after the run; use it as a context manager."""
        return self._connected(self.database_url())

    def sessions(self, url: str) -> Sessions:
        """Sessions like that for several threads, on the database at ``url``: it is asked for once, in this thread."""
        return Sessions(lambda: self._connected(url))

    def _connected(self, url: str) -> Database:
        name = self.opened_run.application_name if self.opened_run else "pitstop"
        return Database(url, name, self.cancelled.append)

    def capabilities(self, database: Database) -> Capabilities:
        """What can be done on this server by this role: as the run has it, else read now."""
        kept = _run.state_of(self.opened_run).get("capabilities") if self.opened_run else None
        known = Capabilities.from_dict(kept or {})
        if known and known.identity == identity(database):
            return known
        return self.probed_capabilities(database, self.heroku_plan())

    def probed_capabilities(self, database: Database, plan: dict[str, Any] | None) -> Capabilities:
        """Read what can be done, and keep it with the run that is open."""
        found = probe(database, plan)
        if self.opened_run:
            _run.keep_capabilities(self.opened_run, found.as_dict())
        return found

    def heroku_plan(self) -> dict[str, Any] | None:
        """Name and limits of the database's plan, where it is Heroku's."""
        if not self.args["app"]:
            return None
        found = HerokuDatabase.find(self.heroku(), self.args["app"], self.args["database_config_var"])
        return plan_facts(found.info()) if found else None

    def _validated_args(self) -> dict[str, Any]:
        spec = {**RUN, **self.spec}
        for option, variable in FALLBACK_VARIABLES.items():
            if option in spec and self._task.args.get(option) is None and variable in self.variables:
                value = self.variable(variable)
                if value not in (None, ""):
                    self._task.args[option] = value
        args: dict[str, Any] = self.validate_argument_spec(argument_spec=spec)[1]
        return args

    def _record(self, data: dict[str, Any], started_at: str) -> None:
        if self.args["evidence"]:
            kept = {key: value for key, value in data.items() if key != "diff"}
            self.current_run.write(self.args["evidence"], redacted_data(kept), started_at)


def _only_reads(sql: str) -> bool:
    """Whether a statement is a question of ours, such as a watching session's."""
    return sql.lstrip().upper().startswith(("SELECT", "WITH"))
