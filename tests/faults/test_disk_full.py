# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk fills up in the middle of the work."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.conftest import RunOperation
from tests.operations.postgres_server import execute, ordinary_user

from . import acts
from .acts import assert_intact, value
from .conftest import Place

SPARE_BYTES = 4_000_000


@pytest.fixture
def full(postgres_url: str, database_url: str) -> Iterator[Place]:
    """The place, with its table on a file system that has no room for a second copy."""
    acts.bloat(database_url)
    size = value(database_url, "SELECT pg_total_relation_size('orders')") + SPARE_BYTES
    folder = Path(tempfile.mkdtemp(prefix="pitstop-small-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", folder], check=True)
    try:
        shutil.chown(folder, ordinary_user() or "root")
        name = folder.name.replace("-", "_")
        role = value(database_url, "SELECT current_user")
        execute(
            postgres_url,
            f"CREATE TABLESPACE {name} LOCATION '{folder}'",
            f"GRANT CREATE ON TABLESPACE {name} TO {role}",
        )
        execute(database_url, f"ALTER TABLE orders SET TABLESPACE {name}")
        for index in ("orders_pkey", "orders_tenant"):
            execute(database_url, f"ALTER INDEX {index} SET TABLESPACE {name}")
        execute(postgres_url, "CHECKPOINT")  # the files that were left go only now
        yield Place(database_url, postgres_url)
        execute(database_url, "DROP TABLE orders")
        execute(postgres_url, "CHECKPOINT", f"DROP TABLESPACE {name}")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def used_bytes(place: Place) -> int:
    """What the tablespace's files take on the disk."""
    execute(place.superuser_url, "CHECKPOINT")
    return int(value(place.url, "SELECT pg_tablespace_size(reltablespace) FROM pg_class WHERE relname = 'orders'"))


@pytest.mark.needs("small file system")
def test_a_rewrite_without_room_changes_nothing(run_operation: RunOperation, full: Place) -> None:
    """Half a copy that stays on a full disk makes a bad night worse."""
    before = value(full.url, "SELECT pg_relation_filenode('orders')"), used_bytes(full)
    options = {"database_url": full.url, "tables": ["orders"], "remedies": {"orders": "vacuum_full"}}
    performed = run_operation("pg_repair", options)
    outcomes = [table.get("outcome") for table in performed.result.get("tables", [])]
    assert performed.failed or outcomes == ["postponed"]
    if performed.failed:
        assert "could not extend file" in performed.message
    assert (value(full.url, "SELECT pg_relation_filenode('orders')"), used_bytes(full)) == before
    assert_intact(full.url)


@pytest.mark.needs("small file system")
def test_compact_needs_no_room(run_operation: RunOperation, full: Place) -> None:
    """On a full disk, the remedy that needs no second copy is the only one that helps."""
    before = value(full.url, "SELECT pg_relation_size('orders')")
    performed = run_operation(
        "pg_repair", {"database_url": full.url, "tables": ["orders"], "remedies": {"orders": "compact"}}
    )
    assert not performed.failed, performed.message
    assert value(full.url, "SELECT pg_relation_size('orders')") < before * 0.8
    assert_intact(full.url)
