# SPDX-License-Identifier: GPL-3.0-or-later
"""EXPLAIN of one named statement, over a session of its own, so that nothing of it persists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._capabilities import Capabilities
from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._named_statements import PreparedStatement
from ansible_collections.pitstop.runbook.plugins.module_utils._plans import (
    Expectation,
    Explained,
    Look,
    Plan,
    PlanKind,
    Surroundings,
    TableSize,
    table_of,
    walk,
)
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database

PARAMETERS_SQL = "SELECT cardinality(parameter_types) AS number FROM pg_prepared_statements WHERE name = 'pitstop_plan'"

FAMILY_SQL = """
WITH RECURSIVE family AS (SELECT to_regclass(%s)::oid AS oid
                           UNION SELECT i.inhrelid FROM pg_inherits i JOIN family f ON f.oid = i.inhparent)
SELECT n.nspname AS schema, c.relname AS name
  FROM family f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n ON n.oid = c.relnamespace
"""

SIZES_SQL = """
SELECT n.nspname || '.' || c.relname AS name,
       pg_relation_size(c.oid) / current_setting('block_size')::int AS pages,
       CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_stat_get_live_tuples(c.oid) END::bigint AS rows
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname || '.' || c.relname = ANY (%s) AND c.relkind IN ('r', 'm')
"""

# The planner passes over an index with indcheckxmin until its row is older than all transactions that are open.
INDEX_STATE_SQL = """
SELECT CASE WHEN NOT i.indisvalid OR NOT i.indisready THEN 'invalid'
            WHEN i.indcheckxmin AND age(i.xmin) <= age(pg_snapshot_xmin(pg_current_snapshot())::xid)
            THEN 'not yet usable' ELSE 'usable' END AS state
  FROM pg_index i WHERE i.indexrelid = to_regclass(%s)
"""

# What EXPLAIN does not show of a write: triggers, also of the tables that foreign keys cascade to, and numbers that
# columns draw by default. tgtype: 4 INSERT, 8 DELETE, 16 UPDATE.
HAZARDS_SQL = """
WITH RECURSIVE reached AS (
    SELECT c.oid, true AS direct FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname || '.' || c.relname = ANY (%(tables)s)
    UNION
    SELECT k.conrelid, false FROM pg_constraint k JOIN reached r ON r.oid = k.confrelid
     WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')))
SELECT format('the trigger %%s of %%s, which may', t.tgname, t.tgrelid::regclass) AS hazard
  FROM reached r JOIN pg_trigger t ON t.tgrelid = r.oid
 WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND (NOT r.direct OR t.tgtype & %(events)s <> 0)
UNION ALL
SELECT format('the default of %%s.%%s, which does', a.attrelid::regclass, a.attname)
  FROM reached r JOIN pg_attribute a ON a.attrelid = r.oid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE %(events)s & 4 <> 0 AND r.direct AND NOT a.attisdropped
   AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%%nextval(%%')
UNION ALL
SELECT format('the function %%s, which may', p.oid::regproc)
  FROM pg_proc p WHERE p.proname = ANY (%(functions)s) AND p.provolatile = 'v' AND p.oid >= 16384
 LIMIT 1
"""
# INSERT updates too where it says ON CONFLICT DO UPDATE.
EVENTS = {"Insert": 4 | 16, "Delete": 8, "Update": 16, "Merge": 4 | 8 | 16}
WRITES = ("ModifyTable", "LockRows")


class Explainer:
    """Explains one prepared statement at a time. Use as ``with explainer.prepared(statement): explainer.look(…)``.

    Where EXPLAIN has no GENERIC_PLAN (before 16) the plan cache is told to make one.
    """

    def __init__(self, database: Database, capabilities: Capabilities) -> None:
        self._database = database
        self._has_generic_plan = "generic_plan" in capabilities.commands
        self._values: tuple[Any, ...] = ()
        self._text = ""
        self.generic = False

    @contextmanager
    def prepared(self, statement: PreparedStatement) -> Iterator[None]:
        """PREPARE takes one command that can be planned, so whatever else the text is, the server refuses it here."""
        self._database.execute(f"PREPARE pitstop_plan AS {statement.text}")
        try:
            number = self._database.row(PARAMETERS_SQL)["number"]
            if statement.values is not None and len(statement.values) != number:
                raise PitstopError(
                    f"The statement {statement.name} has {number} parameters, and {len(statement.values)} were given",
                    why="a placeholder between quotes is none",
                    next_step="write the placeholders without quotes, one for each of its params",
                )
            self.generic = statement.values is None and number > 0
            self._text = statement.text
            self._values = (None,) * number if statement.values is None else statement.values
            yield
        finally:
            self._database.execute("DEALLOCATE pitstop_plan")

    def look(self, expectation: Expectation, *, analyze: bool) -> Look:
        """The statement's plan, the same without sequential scans, and what the catalogue knows of what it touches."""
        plan = self.plan(analyze=analyze)
        without = Plan.from_explain(self._explain(seqscan=False))
        return Look(plan, without, self._surroundings(expectation, plan))

    def plan(self, *, analyze: bool = False) -> Plan:
        """The statement's plan alone."""
        kind: PlanKind = "analyzed" if analyze else "generic" if self.generic else "bound"
        return Plan.from_explain(self._explain(analyze=analyze), kind)

    def sequence_hazard(self) -> str | None:
        """What would draw a number from a sequence if the statement were run, and keep it although it is rolled back.

        Of a statement that writes nothing it is not asked: that is run where the server lets nobody draw one.
        """
        explained = self._explain()
        if not _writes(explained):
            return None
        shown = json.dumps(explained)
        if "nextval(" in shown or "setval(" in shown:
            return "the statement itself, which does"
        changed = [node for node in _nodes(explained) if node["Node Type"] == "ModifyTable"]
        events = 0
        for node in changed:
            events |= EVENTS[node["Operation"]]
        given = {
            "tables": [table_of(node) for node in changed],
            "events": events,
            "functions": list(set(re.findall(r"(\w+)\(", shown))),
        }
        found = self._database.rows(HAZARDS_SQL, given)
        return str(found[0]["hazard"]) if found else None

    def _explain(self, *, analyze: bool = False, seqscan: bool = True) -> Explained:
        # TIMING would read the clock twice a row.
        options = "ANALYZE, BUFFERS, TIMING OFF, VERBOSE, FORMAT JSON" if analyze else "VERBOSE, FORMAT JSON"
        read_only = analyze and not _writes(self._explain())
        # A plan that holds for any parameter is cached, whatever enable_seqscan says afterwards.
        self._database.execute("DISCARD PLANS")
        with self._database.rolled_back():
            if read_only:
                self._database.execute("SET TRANSACTION READ ONLY")
            self._database.execute(
                "SELECT set_config('enable_seqscan', %s, true), set_config('plan_cache_mode', %s, true)",
                ("on" if seqscan else "off", "force_generic_plan" if self.generic else "force_custom_plan"),
            )
            if self.generic and self._has_generic_plan:
                row = self._database.row(f"EXPLAIN (GENERIC_PLAN, {options}) {self._text}")
            else:
                places = ", ".join(["%s"] * len(self._values))
                execute = f"EXECUTE pitstop_plan ({places})" if places else "EXECUTE pitstop_plan"
                row = self._database.row(f"EXPLAIN ({options}) {execute}", self._values or None)
        explained: Explained = row["QUERY PLAN"]
        return explained

    def _surroundings(self, expectation: Expectation, plan: Plan) -> Surroundings:
        index, table = expectation.uses_index, expectation.no_sequential_scan_on
        table_family = self._family(table)
        if table and not table_family:
            raise PitstopError(
                f"There is no table {table}, of which no sequential scan is wanted",
                next_step="correct no_sequential_scan_on",
            )
        state = self._database.rows(INDEX_STATE_SQL, (index,)) if index else []
        names = [*plan.sequential_scans, *(f"{row['schema']}.{row['name']}" for row in table_family)]
        return Surroundings(
            sizes={
                row["name"]: TableSize(row["pages"], row["rows"]) for row in self._database.rows(SIZES_SQL, (names,))
            },
            index_state=state[0]["state"] if state else "absent",
            index_family=frozenset(row["name"] for row in self._family(index)),
            table_family=frozenset(f"{row['schema']}.{row['name']}" for row in table_family),
        )

    def _family(self, name: str | None) -> list[dict[str, Any]]:
        return self._database.rows(FAMILY_SQL, (name,)) if name else []


def _nodes(explained: Explained) -> list[Any]:
    return [node for element in explained if "Plan" in element for node in walk(element["Plan"])]


def _writes(explained: Explained) -> bool:
    return any(node["Node Type"] in WRITES for node in _nodes(explained))
