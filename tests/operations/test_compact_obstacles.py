# SPDX-License-Identifier: GPL-3.0-or-later
"""Where COMPACT would be wrong, on live servers, and where it is not."""

from __future__ import annotations

import pytest

from .compacting import compact, obstacles
from .database_helpers import sql
from .postgres_server import execute, running_server

FORBIDDEN = {
    "triggers would fire for every row moved (stamp)": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.n := 1; RETURN NEW; END'",
        "CREATE TRIGGER stamp BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ),
    "triggers would fire for every row moved (each_statement)": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER each_statement AFTER INSERT OR UPDATE ON t EXECUTE FUNCTION f()",
    ),
    "triggers would fire for every row moved (checked)": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER checked AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ),
    "rules rewrite updates of it (instead)": ("CREATE RULE instead AS ON UPDATE TO t DO INSTEAD NOTHING",),
    "row-level security hides rows": ("ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",),
    "constraints would check old rows that may break them (later)": (
        "INSERT INTO t (n) VALUES (-1)",
        "ALTER TABLE t ADD CONSTRAINT later CHECK (n > 0) NOT VALID",
    ),
    "constraints would check old rows that may break them (parent)": (
        "CREATE TABLE p (id int PRIMARY KEY)",
        "ALTER TABLE t ADD CONSTRAINT parent FOREIGN KEY (n) REFERENCES p NOT VALID",
    ),
    "subscribers would get every row moved as an update (changes publish it)": (
        "CREATE PUBLICATION changes FOR TABLE t",
    ),
    "this role may not read and update it": ("REVOKE UPDATE ON t FROM CURRENT_USER",),
    "no column can be set to itself": (
        "CREATE TABLE fixed (id int GENERATED ALWAYS AS IDENTITY)",
        "DROP TABLE t",
        "ALTER TABLE fixed RENAME TO t",
    ),
}


@pytest.mark.parametrize("reason", FORBIDDEN)
def test_it_refuses_where_it_would_be_wrong(every_major_owner_url: str, reason: str) -> None:
    """Each of these would change data, tell others of changes that are none, or fail half way."""
    sql(every_major_owner_url, "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, n int)", *FORBIDDEN[reason])
    (obstacle,) = obstacles(every_major_owner_url)
    assert reason in obstacle
    assert compact(every_major_owner_url, expected_bytes=0).stopped == obstacle


ALLOWED = {
    "a trigger that is switched off": (
        "CREATE TRIGGER stamp BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE t DISABLE TRIGGER stamp",
    ),
    "a trigger of inserts": ("CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",),
    "a trigger of another column": ("CREATE TRIGGER stamp BEFORE UPDATE OF n ON t FOR EACH ROW EXECUTE FUNCTION f()",),
    "foreign keys both ways": (
        "ALTER TABLE t ADD PRIMARY KEY (id)",
        "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES t (id)",
        "CREATE TABLE child (id int REFERENCES t (id))",
    ),
    "a publication of inserts": ("CREATE PUBLICATION changes FOR TABLE t WITH (publish = 'insert, delete')",),
    "row-level security of others": ("ALTER TABLE t ENABLE ROW LEVEL SECURITY",),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_it_does_not_refuse_without_reason(every_major_owner_url: str, case: str) -> None:
    """Too careful a check would leave people with VACUUM FULL."""
    function = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    sql(every_major_owner_url, "CREATE TABLE t (id int, n int, m int)", function, *ALLOWED[case])
    assert obstacles(every_major_owner_url) == ()


def test_a_partition_inherits_triggers_and_publications(every_major_owner_url: str) -> None:
    """A leaf has its parent's triggers, which some majors call internal, and is published through its parent."""
    sql(
        every_major_owner_url,
        "CREATE TABLE parent (id int, n int) PARTITION BY RANGE (id)",
        "CREATE TABLE t PARTITION OF parent FOR VALUES FROM (0) TO (10)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER stamp AFTER UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE PUBLICATION changes FOR TABLE parent WITH (publish_via_partition_root = true)",
    )
    triggers, publications = obstacles(every_major_owner_url)
    assert "(stamp)" in triggers
    assert "changes" in publications


def test_other_relations_and_other_peoples_tables_are_refused(postgres_url: str, database_url: str) -> None:
    """What VACUUM and UPDATE would refuse must be known before the decision, not in the middle of the work."""
    sql(database_url, "CREATE MATERIALIZED VIEW m AS SELECT 1", "CREATE TABLE p (id int) PARTITION BY RANGE (id)")
    assert "a materialized view cannot be compacted" in obstacles(database_url, "m")[0]
    assert "a partitioned table cannot be compacted" in obstacles(database_url, "p")[0]
    assert "a system table cannot be compacted" in obstacles(database_url, "pg_class")[0]
    theirs = database_url.rsplit("/", 1)[1]
    execute(f"{postgres_url.rsplit('/', 1)[0]}/{theirs}", "CREATE TABLE theirs (id int)")
    assert "this role is not its owner" in obstacles(database_url, "theirs")[0]


def test_a_logical_slot_forbids_it() -> None:
    """Debezium and its like would get every moved row as a change, once for each pass."""
    with running_server(None, "wal_level=logical") as url:
        sql(url, "CREATE TABLE t (id int)", "SELECT pg_create_logical_replication_slot('debezium', 'pgoutput')")
        (obstacle,) = obstacles(url)
        assert "logical slots would decode every row moved (debezium)" in obstacle
