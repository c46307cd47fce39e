# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes as declared state, on a live PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run
from tests.machine import hypopg

from .conftest import RunOperation
from .database_helpers import sql
from .postgres_server import Programs, running_server

INDEX = {"name": "idx_list", "table": "invoices", "columns": ["tenant_id", "created_at DESC"]}


@pytest.mark.parametrize(
    ("present", "found", "action"),
    [
        (None, "absent", "create"),
        ("CREATE INDEX idx_list ON invoices (tenant_id, created_at DESC)", "valid_same", "none"),
        ("CREATE INDEX idx_list ON invoices (tenant_id, created_at)", "valid_different", "replace"),
        ("CREATE UNIQUE INDEX idx_list ON invoices (tenant_id, created_at DESC)", "valid_different", "replace"),
    ],
)
def test_an_index_in_each_state_ends_valid_and_as_declared(
    run_operation: RunOperation, bloated_url: str, present: str | None, found: str, action: str
) -> None:
    """IF NOT EXISTS would be content with the name; users would keep an index that does not serve their query."""
    if present:
        sql(bloated_url, present)
    options = {"indexes": [INDEX], "database_url": bloated_url}
    (entry,) = run_operation("pg_index", options).result["indexes"]
    assert (entry["found"], entry["action"]) == (found, action)
    rows = sql(
        bloated_url,
        "SELECT indisvalid, indisunique, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = 'invoices'::regclass AND NOT indisprimary",
    )
    assert rows == [(True, False, "CREATE INDEX idx_list ON public.invoices USING btree (tenant_id, created_at DESC)")]
    assert run_operation("pg_index", options).result["changed"] is False


def test_an_invalid_index_is_rebuilt(run_operation: RunOperation, bloated_url: str) -> None:
    """What a cancelled build left is maintained on every write and serves no read."""
    holder = psycopg2.connect(bloated_url)
    with holder.cursor() as cursor:
        cursor.execute("UPDATE invoices SET note = 'z' WHERE id = 10")
        with pytest.raises(psycopg2.Error):
            sql(
                bloated_url + "?options=-clock_timeout%3D100ms",
                "CREATE INDEX CONCURRENTLY idx_list ON invoices (tenant_id, created_at DESC)",
            )
    holder.rollback()
    holder.close()
    assert sql(bloated_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_list'::regclass") == [(False,)]
    (entry,) = run_operation("pg_index", {"indexes": [INDEX], "database_url": bloated_url}).result["indexes"]
    assert entry["found"] == "invalid"
    assert sql(bloated_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_list'::regclass") == [(True,)]


def test_an_index_that_cannot_be_built_leaves_none_behind(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A failed unique build leaves an INVALID index that may enforce uniqueness on the app's writes."""
    unique = {"name": "one_per_tenant", "table": "invoices", "columns": ["tenant_id"], "unique": True}
    message = operation_error("pg_index", {"indexes": [unique], "database_url": bloated_url})
    assert "one_per_tenant" in message
    assert "was removed" in message
    assert sql(bloated_url, "SELECT to_regclass('one_per_tenant')") == [(None,)]


def test_a_wrong_declaration_is_refused_before_anything_is_built(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A mistake in the last index must not be found after an hour of building the first."""
    wrong = {"name": "idx_wrong", "table": "invoices", "columns": ["tenant"]}
    message = operation_error("pg_index", {"indexes": [INDEX, wrong], "database_url": bloated_url})
    assert 'column "tenant" does not exist' in message
    assert sql(bloated_url, "SELECT to_regclass('idx_list')") == [(None,)]


def _definitions(url: str, table: str = "invoices") -> list[tuple[str, bool]]:
    return sql(
        url,
        f"SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        f" WHERE i.indrelid = '{table}'::regclass AND NOT i.indisprimary ORDER BY 1",
    )


def _converge(run_operation: RunOperation, url: str, *indexes: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """Bring the indexes about; a second run must change nothing."""
    args = {"indexes": list(indexes), "database_url": url, **options}
    planned = run_operation("pg_index", args, check=True)
    assert not planned.failed, planned.message
    done = run_operation("pg_index", args)
    assert not done.failed, done.message
    entries: list[dict[str, Any]] = done.result["indexes"]
    assert [one["statements"] for one in planned.result["indexes"]] == [one["statements"] for one in entries]
    assert planned.result.keys() == done.result.keys()
    again = run_operation("pg_index", args)
    assert again.result["changed"] is False, again.result
    return entries


@pytest.mark.parametrize(
    ("present", "declared", "difference"),
    [
        ("(tenant_id)", {"columns": ["tenant_id", "note"]}, "columns: (tenant_id) instead of (tenant_id, note)"),
        ("(note)", {"columns": ["note text_pattern_ops"]}, "operator class of note: text_ops instead of"),
        ("(note)", {"columns": ['note COLLATE "C"']}, "collation of note: "),
        ("(note)", {"columns": ["note DESC NULLS LAST"]}, "order of note: ASC instead of DESC NULLS LAST"),
        ("(note)", {"columns": ["note"], "include": ["id"]}, "INCLUDE: none instead of (id)"),
        ("(note) WHERE id > 5", {"columns": ["note"]}, "predicate: (id > 5) instead of none"),
        ("(id)", {"columns": ["id"], "unique": True}, "unique: no instead of yes"),
        ("(id)", {"columns": ["id"], "method": "hash"}, "method: btree instead of hash"),
        ("(lower(note))", {"columns": ["upper(note)"]}, "columns: (lower(note)) instead of (upper(note))"),
    ],
)
def test_a_difference_is_named_and_the_successor_takes_the_name(
    run_operation: RunOperation, bloated_url: str, present: str, declared: dict[str, Any], difference: str
) -> None:
    """Two long definitions side by side leave it to the reader what is wrong; and queries need one of them always."""
    sql(bloated_url, f"CREATE INDEX idx_note ON invoices {present}")
    (entry,) = _converge(run_operation, bloated_url, {"name": "idx_note", "table": "invoices", **declared})
    assert entry["found"] == "valid_different"
    assert any(difference in named for named in entry["differences"]), entry["differences"]
    assert _definitions(bloated_url) == [("idx_note", True)]


def test_storage_parameters_are_set_without_a_rebuild(run_operation: RunOperation, bloated_url: str) -> None:
    """A rebuild for a fillfactor costs an hour on a big table."""
    sql(bloated_url, "CREATE INDEX idx_note ON invoices (note) WITH (deduplicate_items = off)")
    declared = {"name": "idx_note", "table": "invoices", "columns": ["note"], "parameters": {"fillfactor": 70}}
    (entry,) = _converge(run_operation, bloated_url, declared)
    assert entry["action"] == "alter"
    assert sql(bloated_url, "SELECT reloptions FROM pg_class WHERE relname = 'idx_note'") == [(["fillfactor=70"],)]


def test_the_same_index_under_another_name_is_renamed(run_operation: RunOperation, bloated_url: str) -> None:
    """A second index of the very definition costs every write and serves nothing."""
    sql(bloated_url, "CREATE INDEX by_hand ON invoices (tenant_id, created_at DESC)")
    (entry,) = _converge(run_operation, bloated_url, INDEX)
    assert (entry["found"], entry["action"], entry["same_as"]) == ("same_under_another_name", "rename", "by_hand")
    assert _definitions(bloated_url) == [("idx_list", True)]


def test_a_constraint_with_the_very_definition_is_enough(run_operation: RunOperation, bloated_url: str) -> None:
    """Renaming it would rename the constraint, which migrations know by its name."""
    declared = {"name": "idx_id", "table": "invoices", "columns": ["id"], "unique": True}
    (entry,) = _converge(run_operation, bloated_url, declared)
    assert (entry["action"], entry["same_as"]) == ("none", "invoices_pkey")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("ALTER TABLE invoices ADD CONSTRAINT mine UNIQUE (id, tenant_id)", "DROP CONSTRAINT mine"),
        (
            "CREATE UNIQUE INDEX mine ON invoices (id); ALTER TABLE invoices REPLICA IDENTITY USING INDEX mine",
            "REPLICA IDENTITY",
        ),
        ("CREATE INDEX mine ON invoices (note); CLUSTER invoices USING mine", "SET WITHOUT CLUSTER"),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_something_else_needs_is_not_dropped(
    operation_error: Callable[..., str], bloated_url: str, statement: str, why: str, state: str
) -> None:
    """A constraint or a replica identity that goes with its index loses data later."""
    sql(bloated_url, "ALTER TABLE invoices ALTER tenant_id SET NOT NULL", *statement.split("; "))
    declared = {"name": "mine", "table": "invoices", "columns": ["tenant_id"], "state": state}
    message = operation_error("pg_index", {"indexes": [declared], "database_url": bloated_url})
    assert why in message
    assert ("mine", True) in _definitions(bloated_url)


def test_declared_absent_it_goes(run_operation: RunOperation, bloated_url: str) -> None:
    """What was declared by an earlier plan must not stay for ever."""
    sql(bloated_url, "CREATE INDEX idx_list ON invoices (note)")
    _converge(run_operation, bloated_url, {**INDEX, "state": "absent"})
    assert _definitions(bloated_url) == []


def test_duplicate_keys_are_counted_in_the_evidence_and_shown_on_the_screen(
    run_operation: RunOperation, bloated_url: str, run: Run
) -> None:
    """Whoever has to mend the data needs the keys; evidence is handed on, so customers' data must not be in it."""
    sql(bloated_url, "UPDATE invoices SET note = 'RFC-XAXX010101000' WHERE id IN (10, 20)")
    unique = {"name": "one", "table": "invoices", "columns": ["note"], "where": "id <= 20", "unique": True}
    options = {"indexes": [unique], "database_url": bloated_url, "evidence": "indexes"}
    performed = run_operation("pg_index", options, run=run)
    assert "1 keys of (note) occur in 2 rows" in performed.message
    assert any("RFC-XAXX010101000" in line for line in performed.lines)
    assert "RFC-XAXX" not in (run.directory / "indexes.json").read_text()
    assert _definitions(bloated_url) == []


def test_unused_and_redundant_indexes_are_reported_and_stay(run_operation: RunOperation, bloated_url: str) -> None:
    """Nobody may drop what somebody else made; but nobody would look without being told."""
    sql(bloated_url, "CREATE INDEX short ON invoices (tenant_id)", "CREATE INDEX idle ON invoices (note)")
    options = {"indexes": [INDEX], "database_url": bloated_url, "unused_min_days": 0}
    result = run_operation("pg_index", options).result
    assert [(one["name"], one["same_as"]) for one in result["redundant"]] == [("short", "idx_list")]
    assert {one["name"] for one in result["unused"]} == {"short", "idle"}
    assert [name for name, _ in _definitions(bloated_url)] == ["idle", "idx_list", "short"]


TREE = (
    "CREATE TABLE events (id int, region text, at date NOT NULL) PARTITION BY RANGE (at)",
    "CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "CREATE TABLE events_2026 (id int, region text, at date NOT NULL) PARTITION BY LIST (region)",
    "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "CREATE TABLE events_2026_mx PARTITION OF events_2026 FOR VALUES IN ('mx')",
    'CREATE TABLE "events 2026 other" PARTITION OF events_2026 DEFAULT',
    "INSERT INTO events SELECT i, 'mx', date '2025-06-01' + i FROM generate_series(1, 500) i",
)
EVENTS = {"name": "idx_events", "table": "events", "columns": ["region", "at DESC"]}
TREE_SQL = """
SELECT count(*), bool_and(i.indisvalid) FROM pg_partition_tree('idx_events') t JOIN pg_index i ON i.indexrelid = t.relid
"""


def test_a_partitioned_table_gets_all_of_its_indexes(run_operation: RunOperation, every_major_owner_url: str) -> None:
    """CREATE INDEX on the parent blocks writes to every partition for the whole build."""
    url = every_major_owner_url
    sql(url, *TREE)
    (entry,) = _converge(run_operation, url, EVENTS)
    assert sum("CONCURRENTLY" in statement for statement in entry["statements"]) == 3
    assert sql(url, TREE_SQL) == [(5, True)]
    (entry,) = _converge(run_operation, url, {**EVENTS, "columns": ["region"]})
    assert entry["action"] == "replace"
    assert sql(url, TREE_SQL) == [(5, True)]
    assert sql(url, "SELECT count(*) FROM pg_class WHERE relname ~ '_pitstop_'") == [(0,)]
    _converge(run_operation, url, {**EVENTS, "state": "absent"})
    assert sql(url, "SELECT count(*) FROM pg_class WHERE relkind IN ('i', 'I') AND relname ~ 'events'") == [(0,)]


def test_an_interrupted_partitioned_index_is_completed(run_operation: RunOperation, database_url: str) -> None:
    """A hundred leaves that are built already must not be built again."""
    sql(database_url, *TREE)
    planned = run_operation("pg_index", {"indexes": [EVENTS], "database_url": database_url}, check=True)
    statements = planned.result["indexes"][0]["statements"]
    sql(database_url, *statements[:4])
    (entry,) = _converge(run_operation, database_url, EVENTS)
    assert entry["found"] == "incomplete"
    assert entry["statements"] == statements[4:] or set(entry["statements"]) <= set(statements[3:])
    assert sql(database_url, TREE_SQL) == [(5, True)]


def test_every_major_builds_replaces_and_tells(run_operation: RunOperation, every_major_owner_url: str) -> None:
    """A catalogue column that a major lacks would end the phase there."""
    url = every_major_owner_url
    sql(
        url,
        'CREATE SCHEMA "Sales"',
        'CREATE TABLE "Sales"."Invoices" ("Tenant" int, note text, two int GENERATED ALWAYS AS ("Tenant" * 2) STORED)',
        'CREATE MATERIALIZED VIEW "Sales".totals AS SELECT "Tenant", count(*) AS n FROM "Sales"."Invoices" GROUP BY 1',
    )
    quoted = {"name": "Idx Note", "table": '"Sales"."Invoices"', "columns": ['"Tenant" DESC', "lower(note)", "two"]}
    totals = {"name": "idx_totals", "table": '"Sales".totals', "columns": ['"Tenant"'], "unique": True}
    _converge(run_operation, url, quoted, totals)
    (entry, _) = _converge(run_operation, url, {**quoted, "where": "note <> ''"}, totals)
    assert entry["differences"] == ["predicate: none instead of (note <> ''::text)"]


def test_leftovers_of_ours_go_and_others_stay(run_operation: RunOperation, bloated_url: str, postgres_url: str) -> None:
    """An invalid leftover is written to at every insert; somebody else's may be under construction."""
    names = ("idx_list", "idx_list_ccnew", "idx_list_ccold1", "idx_list_pitstop_old", "other_ccnew")
    sql(
        bloated_url,
        f"CREATE INDEX {names[0]} ON invoices (tenant_id, created_at DESC)",
        *(f"CREATE INDEX {name} ON invoices (note)" for name in names[1:]),
    )
    there = urlsplit(postgres_url)._replace(path=urlsplit(bloated_url).path).geturl()
    sql(there, r"UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text ~ '_cc(new|old)'")
    _converge(run_operation, bloated_url, INDEX)
    assert [name for name, _ in _definitions(bloated_url)] == ["idx_list", "other_ccnew"]


@pytest.mark.parametrize("ours", [True, False])
def test_somebody_elses_build_is_waited_for_then_named(
    run_operation: RunOperation, bloated_url: str, ours: bool
) -> None:
    """Two builds on a table wait for each other; dropping what another builds throws away their hour of work."""
    name = "pitstop:killed" if ours else "migration"
    options = {"indexes": [INDEX], "database_url": bloated_url, "wait_seconds": 1, "max_transaction_seconds": 600}
    with closing(psycopg2.connect(bloated_url)) as writer, ThreadPoolExecutor() as pool:
        writer.cursor().execute("UPDATE invoices SET note = 'z' WHERE id = 10")
        create = "CREATE INDEX CONCURRENTLY idx_list ON invoices (tenant_id, created_at DESC)"
        building = pool.submit(sql, f"{bloated_url}?application_name={name}", create)
        _until(lambda: _definitions(bloated_url) == [("idx_list", False)])
        performed = run_operation("pg_index", options)
        (entry,) = performed.result["indexes"]
        assert entry["found"] == ("building_by_us" if ours else "building")
        assert entry["outcome"] == "postponed"
        assert name in entry["blocker"]
        assert performed.failed
        writer.rollback()
        building.result()
    assert run_operation("pg_index", options).result["indexes"][0]["found"] == "valid_same"


@pytest.mark.parametrize("goes", ["client", "backend"])
def test_a_build_whose_end_nobody_saw_ends_as_one_valid_index(
    run_operation: RunOperation, bloated_url: str, goes: str
) -> None:
    """After a SIGKILL the server may go on alone, or leave an INVALID index: neither may end as two, or as none."""
    with closing(psycopg2.connect(bloated_url)) as writer:
        writer.cursor().execute("UPDATE invoices SET note = 'z' WHERE id = 10")
        ours = psycopg2.connect(f"{bloated_url}?application_name=pitstop:killed", async_=True)
        _until(lambda: ours.poll() == psycopg2.extensions.POLL_OK)
        ours.cursor().execute("CREATE INDEX CONCURRENTLY idx_list ON invoices (tenant_id, created_at DESC)")
        _until(lambda: _definitions(bloated_url) == [("idx_list", False)])
        if goes == "backend":
            sql(bloated_url, f"SELECT pg_terminate_backend({ours.info.backend_pid})")
        ours.close()
        writer.rollback()
    _converge(run_operation, bloated_url, INDEX)
    assert _definitions(bloated_url) == [("idx_list", True)]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def hypopg_url() -> Iterator[str]:
    """URL of a server of Debian that has HypoPG."""
    library = hypopg()
    assert library
    with running_server(Programs(Path(library).parents[1] / "bin")) as url:
        sql(url, "CREATE EXTENSION hypopg")
        yield url


@pytest.mark.needs("HypoPG")
def test_the_planner_is_asked_before_a_build(run_operation: RunOperation, hypopg_url: str) -> None:
    """An hour of building an index that no statement will use can be spared."""
    sql(hypopg_url, "CREATE TABLE invoices (id int, note text)")
    sql(hypopg_url, "INSERT INTO invoices SELECT i, 'n' || i FROM generate_series(1, 20000) i", "ANALYZE invoices")
    statements = [
        {"name": "by note", "sql": "SELECT * FROM invoices WHERE note = %s", "params": ["n7"]},
        {"name": "all", "sql": "SELECT * FROM invoices"},
    ]
    index = {"name": "idx_note", "table": "invoices", "columns": ["note"]}
    options = {"indexes": [index], "statements": statements, "database_url": hypopg_url}
    (entry,) = run_operation("pg_index", options, check=True).result["indexes"]
    assert [(one["statement"], one["uses"]) for one in entry["what_if"]] == [("by note", True), ("all", False)]
    assert entry["what_if"][0]["cost_after"] < entry["what_if"][0]["cost_before"]
    assert sql(hypopg_url, "SELECT to_regclass('idx_note')") == [(None,)]


def test_without_hypopg_nothing_is_imagined(run_operation: RunOperation, bloated_url: str) -> None:
    """Most servers do not have it, and must not be asked to."""
    statements = [{"name": "all", "sql": "SELECT * FROM invoices"}]
    (entry,) = _converge(run_operation, bloated_url, INDEX, statements=statements)
    assert entry["what_if"] == []


def test_the_rescue_leaves_only_what_the_next_run_completes(run_operation: RunOperation, bloated_url: str) -> None:
    """A rescue that fails for a misspelt table leaves the half-built index of another one in production."""
    sql(bloated_url, *TREE, "CREATE INDEX idx_events ON ONLY events (region, at DESC)")
    with pytest.raises(psycopg2.Error):
        sql(bloated_url, "CREATE UNIQUE INDEX CONCURRENTLY idx_list ON invoices (tenant_id)")
    options = {"tables": ["invoices", "events", "nowhere"], "names": ["idx_list", "idx_events"]}
    for check in (True, False):
        result = run_operation("pg_index_cleanup", {**options, "database_url": bloated_url}, check=check).result
        assert result["removed"] == ["public.idx_list"]
        assert len(result["left"]) == 1
        assert "public.idx_events" in result["left"][0]
    assert _definitions(bloated_url) == []
