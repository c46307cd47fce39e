# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of maintenance. Names come qualified and quoted."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.pitstop.runbook.plugins.module_utils._remedies import Remedy


def vacuum(table: str) -> str:
    """VACUUM and ANALYZE without waiting: TRUNCATE would take an exclusive lock at the end."""
    return f"VACUUM (ANALYZE, TRUNCATE false, SKIP_LOCKED) {table}"


def analyze(table: str) -> str:
    return f"ANALYZE (SKIP_LOCKED) {table}"


def rebuild(index: str) -> str:
    return f"REINDEX INDEX CONCURRENTLY {index}"


REWRITE: Mapping[Remedy, str] = {
    "vacuum_full": "VACUUM (FULL, SKIP_LOCKED) {table}",
    "repack": "REPACK (CONCURRENTLY) {table}",
}
