# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the database operations share."""

from __future__ import annotations

from typing import Any

import psycopg2


def sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in autocommit on a session of their own; the rows of the last one."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows
