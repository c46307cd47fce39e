# SPDX-License-Identifier: GPL-3.0-or-later
"""Give each table the mildest remedy that pays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import by_urgency
from ansible_collections.pitstop.runbook.plugins.module_utils._compaction import CompactionPolicy
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import REMEDIES, Choice, Limits, Remedy
from ansible_collections.pitstop.runbook.plugins.module_utils._safety import GateLimits
from ansible_collections.pitstop.runbook.plugins.module_utils._window import Window
from ansible_collections.pitstop.runbook.plugins.modules.pg_repair import ARGUMENT_SPEC
from ansible_collections.pitstop.runbook.plugins.plugin_utils._bloat_readings import estimate_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._operation import Operation
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._repair_common import Common, Policy
from ansible_collections.pitstop.runbook.plugins.plugin_utils._repairs import Repairs
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import expand


class ActionModule(Operation):
    spec = ARGUMENT_SPEC

    def operate(self) -> dict[str, Any]:
        self._refuse_unknown_choices()
        policy = self._policy()
        url = self.database_url()
        with self.database() as database:
            common = Common(self.capabilities(database), policy, self.console, url)
            choices = self._choices(database)
        repairs = Repairs(self.sessions(url), common, choices)
        if self.check:
            repairs.plan()
        else:
            repairs.run(self.args["parallel"])
        result = {
            "changed": any(repair.changed for repair in repairs.done),
            "tables": [repair.as_dict() for repair in repairs.done],
        }
        repairs.raise_failures(partial=result)
        return result

    def _choices(self, database: Database) -> dict[str, Choice]:
        """What people decided for each table, a partitioned one's partitions included; the small hot ones first."""
        chosen: dict[str, Choice] = {}
        allowed = _remedies(["nothing", *self.args["allowed_remedies"]])
        for table in self.args["tables"]:
            forbidden = _remedies(self.args["forbidden_remedies"].get(table, ()))
            choice = Choice(self.args["remedies"].get(table), forbidden, allowed)
            chosen.update(dict.fromkeys(expand(database, [table]), choice))
        ranked = by_urgency(estimate_table(database, name) for name in chosen)
        return {measure.name: chosen[measure.name] for measure in ranked}

    def _policy(self) -> Policy:
        args = self.args
        return Policy(
            limits=Limits(
                min_wasted_bytes=args["min_wasted_bytes"],
                min_wasted_percent=args["min_wasted_percent"],
                max_lock_seconds=args["max_lock_seconds"],
                window_max_lock_seconds=args["window_max_lock_seconds"],
            ),
            gates=GateLimits(
                max_transaction_s=args["max_transaction_seconds"],
                max_replica_lag_bytes=args["max_replica_lag_bytes"],
                max_replica_lag_s=args["max_replica_lag_seconds"],
                wait_s=args["gate_wait_seconds"],
            ),
            compaction=CompactionPolicy(
                max_replica_lag_bytes=args["max_replica_lag_bytes"],
                max_blocking_ms=args["max_blocking_ms"],
                wait_s=args["gate_wait_seconds"],
            ),
            window=Window.parse(args["window"]) if args["window"] else None,
            ignore_window=args["ignore_window"],
            lock_ms=args["lock_timeout_ms"],
            attempts=args["lock_attempts"],
            max_blocking_ms=args["max_blocking_ms"],
        )

    def _refuse_unknown_choices(self) -> None:
        """A typo must not let a table be locked, or left, that somebody had decided on."""
        decided = {"remedies": {t: [r] for t, r in self.args["remedies"].items()}}
        decided["forbidden_remedies"] = self.args["forbidden_remedies"]
        for option, tables in decided.items():
            for table, remedies in tables.items():
                _refuse_unknown(f"db_maintenance_{option}, {table}", remedies)
                if table not in self.args["tables"]:
                    raise PitstopError(
                        f"db_maintenance_{option} names {table}, which is not among the tables",
                        next_step=f"add it to db_maintenance_tables, or use one of {', '.join(self.args['tables'])}",
                    )


def _remedies(names: Iterable[str]) -> frozenset[Remedy]:
    return frozenset(cast("Remedy", name) for name in names)


def _refuse_unknown(where: str, remedies: Iterable[str]) -> None:
    for remedy in remedies:
        if remedy not in REMEDIES:
            raise PitstopError(
                f"The remedy {remedy!r} in {where} does not exist", next_step=f"use one of {', '.join(REMEDIES)}"
            )
