# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes as an inventory would give them."""

from __future__ import annotations

import sys
from typing import Any


def command(**options: Any) -> dict[str, Any]:
    return {"name": "team", "provider": "command", "argv": [sys.executable, "benchmark.py", "--{phase}"], **options}


def statement(sql: str, params: Any = None, **options: Any) -> dict[str, Any]:
    statements = [{"name": "folio", "sql": sql, "params": params}]
    return {"name": "db", "provider": "sql", "statements": statements, "iterations": 6, "warmup": 1, **options}


def http(*steps: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"name": "bot", "provider": "http", "steps": list(steps), "iterations": 3, "warmup": 1, **options}
