# SPDX-License-Identifier: GPL-3.0-or-later
"""What a table wastes, estimated and measured on a live PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._bloat import Measure
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _bloat_readings
from ansible_collections.pitstop.runbook.plugins.plugin_utils._bloat_readings import estimate_table, measure_table
from ansible_collections.pitstop.runbook.plugins.plugin_utils._capabilities import probe
from ansible_collections.pitstop.runbook.plugins.plugin_utils._postgresql import Database
from ansible_collections.pitstop.runbook.plugins.plugin_utils._tables import expand, read_table

from .conftest import RunOperation
from .database_helpers import sql

SHAPES = (
    "CREATE TABLE narrow (id int PRIMARY KEY, a smallint, b bigint)",
    "INSERT INTO narrow SELECT i, i % 100, i FROM generate_series(1, 40000) i",
    "CREATE TABLE sparse (id int, a text, b int, c int, d int, e int, f int, g int, h int, i int) WITH (fillfactor=70)",
    "INSERT INTO sparse SELECT n, repeat('x', n % 90), n, NULL, nullif(n % 3, 0) FROM generate_series(1, 20000) n",
    "ALTER TABLE sparse DROP COLUMN f",
    "CREATE TABLE keys (state text, tenant int, amount numeric, token uuid)",
    "INSERT INTO keys SELECT 'state' || i % 4, i % 50, i % 90, md5(i::text)::uuid FROM generate_series(1, 40000) i",
    "CREATE INDEX ON keys (state)",
    "CREATE INDEX ON keys (tenant) WITH (deduplicate_items = off)",
    "CREATE INDEX ON keys (amount)",
    "CREATE INDEX ON keys (token)",
    "CREATE INDEX ON keys ((tenant % 7)) WHERE tenant < 25",
    "CREATE INDEX ON keys (tenant) INCLUDE (state)",
)


@contextmanager
def session(url: str) -> Iterator[Database]:
    with Database(url, "pitstop") as database:
        yield database


def measured(database: Database, name: str) -> Measure:
    return measure_table(database, name, probe(database, None))


def test_the_estimate_of_fresh_files_is_their_size_on_each_major(every_major_owner_url: str) -> None:
    """An estimate that ignores padding, fillfactor or deduplication sends people after waste that is not there."""
    sql(every_major_owner_url, *SHAPES)
    with session(every_major_owner_url) as database:
        for name in ("narrow", "sparse", "keys"):
            sql(every_major_owner_url, f"VACUUM FULL {name}", f"VACUUM ANALYZE {name}")
            for file in estimate_table(database, name).files:
                assert file.method == "estimate", file
                assert abs(file.expected_bytes - file.size_bytes) <= max(2 * 8192, 0.08 * file.size_bytes), file
            for file in measured(database, name).files:
                assert file.method in ("pgstattuple", "pgstatindex")
                assert file.wasted_bytes <= max(2 * 8192, 0.04 * file.size_bytes), file


def test_what_is_measured_comes_back_by_a_rewrite_on_each_major(every_major_owner_url: str) -> None:
    """The decision to lock a table rests on this figure: it has to be what VACUUM FULL then gives back."""
    sql(every_major_owner_url, *SHAPES, "DELETE FROM keys WHERE tenant % 2 = 0", "VACUUM ANALYZE keys")
    with session(every_major_owner_url) as database:
        before, estimated = measured(database, "keys"), estimate_table(database, "keys")
        sql(every_major_owner_url, "VACUUM FULL keys")
        after = measured(database, "keys")
    for old, guessed, new in zip(before.files, estimated.files, after.files, strict=True):
        given_back = old.size_bytes - new.size_bytes
        assert abs(old.wasted_bytes - given_back) <= max(3 * 8192, 0.08 * old.size_bytes), old
        assert abs(guessed.wasted_bytes - given_back) <= max(3 * 8192, 0.12 * old.size_bytes), guessed


def test_bloat_is_measured_in_bytes_although_a_vacuum_hid_it(run_operation: RunOperation, bloated_url: str) -> None:
    """After a plain VACUUM the dead-tuple percentage is 0; a user who trusts it would leave the air in place."""
    sql(bloated_url, "VACUUM invoices")
    result = run_operation("pg_bloat", {"tables": ["invoices"], "database_url": bloated_url}).result
    (table,) = result["tables"]
    assert table["method"] == "pgstattuple"
    assert table["dead_rows"] == 0
    assert 85 < table["wasted_percent"] < 95
    assert table["indexes"][0]["wasted_percent"] > 80
    assert not result["changed"]


def test_a_toast_table_is_measured_for_itself(run_operation: RunOperation, bloated_url: str) -> None:
    """Long values live apart: a heap without waste may have a TOAST table that is nearly all waste."""
    sql(
        bloated_url,
        "CREATE TABLE files (id int, body text)",
        "ALTER TABLE files ALTER body SET STORAGE EXTERNAL",
        "INSERT INTO files SELECT i, repeat('x', 4000) FROM generate_series(1, 500) i",
        "UPDATE files SET body = repeat('y', 4000)",
        "VACUUM ANALYZE files",
    )
    (table,) = run_operation("pg_bloat", {"tables": ["files"], "database_url": bloated_url}).result["tables"]
    assert table["toast"]["method"] == "pgstattuple"
    assert 45 < table["toast"]["wasted_percent"] < 55


def test_never_analyzed_is_unknown_and_gets_an_analyze_but_not_in_check_mode(
    run_operation: RunOperation, database_url: str
) -> None:
    """A restored database has no statistics: a guess would be wrong, and a dry run must not change plans."""
    sql(database_url, "CREATE TABLE t (a int)", "INSERT INTO t SELECT generate_series(1, 9000)")
    planned = run_operation("pg_bloat", {"tables": ["t"], "database_url": database_url}, check=True)
    assert planned.result["tables"][0]["method"] == "unknown"
    assert "never analyzed" in planned.result["tables"][0]["why_unknown"]
    assert any("would: ANALYZE (SKIP_LOCKED) public.t" in line for line in planned.lines)
    done = run_operation("pg_bloat", {"tables": ["t"], "database_url": database_url}).result
    assert done["statements"] == planned.result["statements"] == ["ANALYZE (SKIP_LOCKED) public.t"]
    assert (done["tables"][0]["method"], done["tables"][0]["wasted_bytes"]) == ("estimate", 0)
    assert not run_operation("pg_bloat", {"tables": ["t"], "database_url": database_url}).result["changed"]


def test_columns_that_the_role_may_not_see_make_it_unknown(every_major_url: str, every_major_owner_url: str) -> None:
    """pg_stats leaves hidden columns out without a word, and the rows look shorter than they are: a false waste."""
    role = urlsplit(every_major_owner_url).username
    there = urlsplit(every_major_url)._replace(path=urlsplit(every_major_owner_url).path).geturl()
    sql(
        there,
        "CREATE TABLE hidden (id int, secret text)",
        "INSERT INTO hidden SELECT i, repeat('x', 500) FROM generate_series(1, 2000) i",
        "ANALYZE hidden",
        f"GRANT SELECT (id) ON hidden TO {role}",
    )
    with session(every_major_owner_url) as database:
        heap = estimate_table(database, "hidden").heap
        assert (heap.method, heap.wasted_bytes) == ("unknown", 0)
        assert "may not see" in heap.why_unknown
        assert "secret" in heap.why_unknown
        row = read_table(database, "hidden")
        assert (row["owned"], row["maintainable"]) == (False, False)
        if database.rows("SELECT FROM pg_roles WHERE rolname = 'pg_maintain'"):
            sql(there, f"GRANT MAINTAIN ON hidden TO {role}")
            row = read_table(database, "hidden")
            assert (row["owned"], row["maintainable"]) == (False, True)


def test_partitions_and_materialized_views_are_measured(run_operation: RunOperation, bloated_url: str) -> None:
    """The parent of a partitioned table has no file: to measure it, and find nothing, would hide all the waste."""
    sql(
        bloated_url,
        "CREATE TABLE logs (id int, day int) PARTITION BY RANGE (day)",
        "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10) PARTITION BY LIST (id)",
        "CREATE TABLE logs_1_all PARTITION OF logs_1 DEFAULT",
        "CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (10) TO (20)",
        "INSERT INTO logs SELECT i, i % 20 FROM generate_series(1, 5000) i",
        "CREATE MATERIALIZED VIEW totals AS SELECT day, count(*) FROM logs GROUP BY day",
    )
    with session(bloated_url) as database:
        assert expand(database, ["logs", "logs_2"]) == ["public.logs_1_all", "public.logs_2"]
    result = run_operation("pg_bloat", {"tables": ["logs", "totals"], "database_url": bloated_url}).result
    names = [(table["name"], table["method"]) for table in result["tables"]]
    assert names == [(f"public.{name}", "pgstattuple") for name in ("logs_1_all", "logs_2", "totals")]


def test_without_tables_all_are_ranked_and_the_worst_measured(run_operation: RunOperation, bloated_url: str) -> None:
    """On a database of a thousand tables nobody knows which to name, and scanning all of them would be a load."""
    sql(
        bloated_url,
        "CREATE TABLE tight (a int)",
        "INSERT INTO tight SELECT generate_series(1, 9000)",
        "ANALYZE tight",
        "ANALYZE invoices",
    )
    result = run_operation("pg_bloat", {"measured_tables": 1, "database_url": bloated_url}).result
    methods = {table["name"]: table["method"] for table in result["tables"]}
    assert methods == {"public.invoices": "pgstattuple", "public.tight": "estimate"}


@pytest.mark.parametrize("columns", ["a, b", "a, c"])
def test_extended_statistics_tell_how_many_keys_there_are(database_url: str, columns: str) -> None:
    """Two columns that go together have few combinations: without knowing it an index would seem to need more."""
    sql(
        database_url,
        "CREATE TABLE t (a int, b int, c int)",
        "INSERT INTO t SELECT i % 200, (i % 200) * 3, i % 199 FROM generate_series(1, 40000) i",
        f"CREATE INDEX i ON t ({columns})",
        f"CREATE STATISTICS s (ndistinct) ON {columns} FROM t",
        "ANALYZE t",
    )
    with session(database_url) as database:
        (index,) = estimate_table(database, "t").indexes
    assert abs(index.expected_bytes - index.size_bytes) <= 0.05 * index.size_bytes


def test_an_unknown_table_is_refused_with_the_nearest_name(
    operation_error: Callable[..., str], bloated_url: str
) -> None:
    """A typo must not cost a run: the error says what was meant."""
    message = operation_error("pg_bloat", {"tables": ["invoice"], "database_url": bloated_url})
    assert "did you mean invoices?" in message or "did you mean public.invoices?" in message


def test_what_a_dropped_column_left_in_the_rows_is_waste(database_url: str, postgres_url: str) -> None:
    """The rows keep its values until they are written anew: pgstattuple counts them as live, and the waste stays."""
    there = urlsplit(postgres_url)._replace(path=urlsplit(database_url).path).geturl()
    sql(
        there,
        "CREATE EXTENSION pgstattuple",
        "CREATE TABLE t (a int, old text)",
        "INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 9000) i",
        "ALTER TABLE t DROP COLUMN old",
        "VACUUM ANALYZE t",
    )
    with session(there) as database:
        before = measured(database, "t").heap
        sql(there, "VACUUM FULL t")
        after = measured(database, "t").heap
    assert before.method == "pgstattuple"
    assert abs(before.wasted_bytes - (before.size_bytes - after.size_bytes)) <= 2 * 8192


def test_large_files_are_not_read_whole_on_each_major(
    every_major_owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading hundreds of gigabytes in a maintenance window would cost more than the waste: pages are skipped."""
    sql(every_major_owner_url, *SHAPES, "DELETE FROM narrow WHERE id % 2 = 0", "VACUUM ANALYZE narrow")
    monkeypatch.setattr(_bloat_readings, "EXACT_MAX_BYTES", 0)
    monkeypatch.setattr(_bloat_readings, "INDEX_MAX_BYTES", 0)
    with session(every_major_owner_url) as database:
        measure = measured(database, "narrow")
    assert (measure.heap.method, measure.indexes[0].method) == ("pgstattuple_approx", "estimate")
    assert measure.heap.scanned_percent < 100
    assert 42 < measure.heap.wasted_percent < 55
    assert 45 < measure.indexes[0].wasted_percent < 55
