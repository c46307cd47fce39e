# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as they end in life, as the evidence they leave: file name without .json to content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import PHASE_OF, Run, to_json, write_whole

Files = dict[str, dict[str, Any]]

CONTACTS = {
    "DBA": "Ada Lorenzo, +00 000 001",
    "DevOps": "Brook Ito, +00 000 002",
    "Lead developer": "Cruz Vega, +00 000 003",
}
_START = datetime(2026, 11, 24, 6, 5, 35, tzinfo=UTC)
_MINUTES = {
    "preflight": (0, 0.1),
    "backup": (0.1, 1.4),
    "bloat-before": (1.4, 1.5),
    "plans-before": (1.5, 1.6),
    "benchmark-before": (1.6, 5.8),
    "maintenance": (5.8, 7.1),
    "indexes": (7.1, 8.3),
    "bloat-after": (8.3, 8.4),
    "plans-after": (8.4, 8.5),
    "benchmark-after-db": (8.5, 12.4),
    "comparison-after-db": (12.38, 12.4),
    "deploy": (12.4, 14.2),
    "benchmark-after": (14.2, 18.3),
    "comparison": (18.3, 18.32),
    "rollback": (18.4, 19.9),
}


def improved() -> Files:
    """All phases went through, and it became faster; one table was postponed."""
    return _run(
        preflight=_preflight(),
        backup=_backup(),
        **_database(),
        **_benchmarks(),
        comparison=_comparison(),
        deploy=_deploy(),
    )


def deploy_failed() -> Files:
    """The release did not become healthy; it was rolled back and reverted, and all of that held."""
    message = (
        "Release v43 does not answer as itself. https://invoice-bot.example/health says commit 1f2e3d4 after 120 s. "
        "Next: heroku logs --app invoice-bot --num 200"
    )
    deploy = _deploy()
    deploy["health"] = {"failed": True, "error": message, "url": "https://invoice-bot.example/health", "passes": 0}
    undoing = {
        "release": {"undone": ["Release v42 is live again, as v44"], "left": [], "failed": False},
        "revert": {
            "undone": ["Commit 9c1d2e3 is reverted by 77aa10b, on origin and on Heroku"],
            "left": [],
            "failed": False,
        },
    }
    files = _run(
        preflight=_preflight(), backup=_backup(), **_database(), **_benchmarks(), deploy=deploy, rollback=undoing
    )
    del files["benchmark-after"]
    return _failed(files, 3, "health | Wait until the app answers as the new release", message, 14.2)


def taken_back() -> Files:
    """The release was healthy but slower: a gate failed, and the deploy was taken back."""
    files = improved()
    error = "The benchmark says that the app got worse. findCustomer: 88.1 → 140 ms. Next: undo the deploy"
    files["comparison"].update(verdict="worse", gates=["findCustomer: 88.1 → 140 ms"], failed=True, error=error)
    files["comparison"]["metrics"][2].update(_judged(92.4, 140.0, "worse", "beyond 10 %"))
    files["rollback"] = {**deploy_failed()["rollback"]}
    return _failed(files, 4, "compare | Judge", error, 18.3)


def partly_undone() -> Files:
    """As deploy_failed, but the revert could not be pushed."""
    files = deploy_failed()
    files["rollback"]["revert"] = {
        "undone": [],
        "left": [
            "Commit 9c1d2e3 is still on origin/main: somebody pushed after it. Next: git revert 9c1d2e3 && git push"
        ],
        "failed": True,
        "error": "origin refused the push of 77aa10b",
    }
    return files


def aborted() -> Files:
    """Preflight found that the database is not to be reached."""
    message = (
        "PostgreSQL at owner@db.example:5432/invoices cannot be reached. connection to server failed: timeout expired. "
        "Next: try it by hand: psql -h db.example -p 5432"
    )
    files = _run(preflight={"failed": True, "error": message})
    return _failed(files, 0, "Prove access to PostgreSQL by using it", message, 0.1)


def database_only() -> Files:
    """``--tags db``, without a backup, with a waiver; nothing was measured or deployed."""
    database = _database()
    files = _run(backup=_waived(), **database)
    files["run"]["tags"] = ["db"]
    return files


def database_slow() -> Files:
    """The database work made a statement slow: its plan got worse, its indexes were rebuilt, no deploy was begun."""
    files = _run(preflight=_preflight(), backup=_backup(), **_database(), **_benchmarks())
    del files["benchmark-after"]
    slow = _plan(False, "reads all of public.tenant_invoices", ["Limit", "Sort", "Seq Scan"], [], 9120)
    why = "no longer uses idx_tenant_invoice_list; now reads all of public.tenant_invoices; cost 12.4 → 9,418.0"
    message = (
        f"1 of 1 plans are worse than before: the plan of next_folio is worse: {why}. Next: look at plans-after.json"
    )
    files["plans-after"].update(
        statements=[{**slow, "change": {"verdict": "worse", "why": why}}], failed=True, error=message
    )
    files["comparison-after-db"] = {
        **_header(),
        **_times("comparison-after-db"),
        "phase": 2,
        "failed": False,
        "metrics": [
            {"name": "findCustomer", "probe": "team", "before": _point(92.4), "after": _point(140.0)}
            | _judged(92.4, 140.0, "worse", "beyond 10 %")
        ],
        "totals": [],
        "verdict": "worse",
        "gates": ["findCustomer 92.4 → 140 ms (+52 %), where 20 % is the limit"],
    }
    files["rollback"] = {
        **_header(),
        **_times("rollback"),
        "reindex": {
            "undone": ["the indexes of public.tenant_invoices were rebuilt concurrently, and it was analyzed"],
            "left": [],
            "failed": False,
        },
        "plans": {"failed": True, "error": message},
    }
    return _failed(files, 2, "verify | Assert the plans of the named statements", message, 12.4)


def everything() -> dict[str, Files]:
    """All of them, by name."""
    makers = (improved, deploy_failed, taken_back, partly_undone, aborted, database_only, database_slow)
    return {maker.__name__: maker() for maker in makers}


def write_run(evidence_dir: Path, files: Files) -> Run:
    """Put the files where a run's evidence lies."""
    run = Run(files["run"]["run_id"], files["run"]["app"], evidence_dir / files["run"]["app"] / files["run"]["run_id"])
    for name, content in files.items():
        write_whole(run.directory / f"{name}.json", to_json(content))
    return run


def _run(**files: dict[str, Any]) -> Files:
    named = {name.replace("_", "-"): content for name, content in files.items()}
    header = _header()
    run = {
        **header,
        "state": "open",
        "started_at": _at(0),
        "by": "ada",
        "on": "ops-1",
        "tags": ["all"],
        "versions": {"ansible_core": "2.21.5", "python": "3.12.1"},
        "labels": {"round_trip_ms": 10.2},
    }
    dated = {
        name: {**content, **header, "phase": PHASE_OF[name], **_times(name), "failed": content.get("failed", False)}
        for name, content in named.items()
    }
    return {"run": run, **dated}


def _header() -> dict[str, Any]:
    return {"schema_version": 1, "run_id": "20261124T060535-9f3a", "app": "invoice-bot"}


def _failed(files: Files, phase: int, task: str, message: str, minute: float) -> Files:
    files["run"]["failure"] = {"phase": phase, "task": task, "message": message, "at": _at(minute)}
    return files


def _at(minutes: float) -> str:
    return (_START + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")


def _times(name: str) -> dict[str, str]:
    start, end = _MINUTES[name]
    return {"started_at": _at(start), "finished_at": _at(end)}


def _preflight() -> dict[str, Any]:
    return {
        "database": {
            "server_version": "18.1",
            "role": "owner",
            "size_bytes": 812_000_000,
            "extensions": ["pgstattuple"],
        }
    }


def _backup() -> dict[str, Any]:
    return {
        "method": "heroku",
        "id": "b012",
        "taken_at": _at(0.1),
        "file": "/srv/pitstop/backups/invoice-bot/b012.dump",
        "size_bytes": 143_818_752,
        "seconds": 71.3,
        "verdict": "succeeded",
        "proof": "list",
        "entries": 214,
        "waiver": None,
    }


def _waived() -> dict[str, Any]:
    waiver = "a fresh copy of production, made this morning"
    return {
        "method": "waived",
        "id": None,
        "taken_at": _at(0.1),
        "verdict": "waived",
        "proof": "none",
        "waiver": waiver,
    }


def _bloat(name: str, total: int, wasted: int, method: str = "pgstattuple", scanned: float = 100.0) -> dict[str, Any]:
    waste = {"wasted_bytes": wasted, "wasted_percent": round(100 * wasted / total, 1)}
    index = _file(f"{name}_pkey", "index", total // 20, wasted // 30, "pgstatindex")
    unread = _file(f"{name}_old_idx", "index", total // 50, 0, "unknown", 0.0)
    files = {
        "toast": _file(f"pg_toast.pg_toast_{total % 9973}", "toast", total // 10, wasted // 20, "estimate", 12.5),
        "indexes": [index, {**unread, "why_unknown": "not analyzed yet"}],
    }
    return {"name": name, "total_bytes": total, **waste, "method": method, "scanned_percent": scanned, **files}


def _file(name: str, kind: str, size: int, wasted: int, method: str, scanned: float = 100.0) -> dict[str, Any]:
    percent = round(100 * wasted / size, 1)
    measured = {"method": method, "scanned_percent": scanned, "why_unknown": ""}
    return {
        "name": name,
        "kind": kind,
        "size_bytes": size,
        "wasted_bytes": wasted,
        "wasted_percent": percent,
        **measured,
    }


def _considered(chosen: str) -> list[dict[str, Any]]:
    """What was weighed for a table, the mildest first."""
    lock, disk = {"lock_seconds": 0.14}, {"disk_bytes": 300_732_416}
    return [
        {"remedy": "vacuum", "verdict": "gives back nothing of the heap: the waste is spread over it"},
        {"remedy": "compact", "verdict": "VACUUM FULL is over sooner and writes less", "expected_bytes": 120_000_000},
        {"remedy": "vacuum_full", "verdict": chosen, "expected_bytes": 122_683_392, **lock, **disk},
    ]


def _repair(name: str, remedy: str, reason: str, before: int, after: int, **more: Any) -> dict[str, Any]:
    base = {"name": name, "remedy": remedy, "reason": reason, "size_before_bytes": before, "size_after_bytes": after}
    measured = {
        "got_back_bytes": before - after,
        "seconds": 0.0,
        "longest_stall_ms": 0.0,
        "attempts": 1,
        "blocker": None,
    }
    return {**base, **measured, "statements": [], **more}


def _database() -> dict[str, dict[str, Any]]:
    mib = 2**20
    repairs = [
        _repair(
            "public.tenant_folios",
            "vacuum_full",
            "118.0 MiB of 119.5 MiB is waste (99 %, pgstattuple); a rewrite locks it for about 0.1 s",
            125_304_832,
            1_572_864,
            outcome="done",
            expected_bytes=122_683_392,
            indexes=["public.tenant_folios_pkey"],
            considered=_considered("chosen: the mildest that gives back all that pays"),
            waited_for=[{"what": "transaction of pid 311", "seconds": 4.2}],
            seconds=0.41,
            longest_stall_ms=38.2,
            statements=["VACUUM (FULL, ANALYZE) public.tenant_folios", "VACUUM public.tenant_folios"],
        ),
        _repair(
            "public.user_sessions",
            "compact",
            "88.4 MiB of 190.0 MiB is waste (46 %, pgstattuple); a rewrite would lock it for about 3.1 s",
            190 * mib,
            104 * mib,
            outcome="done",
            expected_bytes=88 * mib,
            compaction=_compaction(),
            seconds=12.86,
            longest_stall_ms=44.0,
            statements=["VACUUM (ANALYZE, TRUNCATE false) public.user_sessions"],
        ),
        _repair(
            "public.tenant_invoices",
            "vacuum_full",
            "a transaction of 312 s is open, so a rewrite would copy the dead rows as well",
            402 * mib,
            402 * mib,
            outcome="postponed",
            expected_bytes=160 * mib,
            attempts=30,
            blocker="pid 4711, report@analytics, idle in transaction",
        ),
        _repair(
            "public.tenant_customers",
            "nothing",
            "waste of 0.2 MiB is below 1.0 MiB",
            12 * mib,
            12 * mib,
            outcome="nothing",
        ),
    ]
    before = [_bloat(r["name"], r["size_before_bytes"], r["got_back_bytes"] or 210_000) for r in repairs]
    after = [_bloat(r["name"], r["size_after_bytes"], 120_000, "pgstattuple_approx") for r in repairs]
    changes = [
        {
            "table": "public.tenant_folios",
            "parameter": "autovacuum_vacuum_scale_factor",
            "before": None,
            "after": "0.01",
        },
        {
            "table": "public.tenant_folios",
            "parameter": "autovacuum_analyze_scale_factor",
            "before": "0.1",
            "after": "0.005",
        },
    ]
    return {
        "bloat_before": {"tables": before},
        "bloat_after": {"tables": after},
        "maintenance": {"tables": {"tables": repairs}, "parameters": {"changes": changes}},
        "indexes": {"indexes": _indexes(), **_needless()},
        "plans_before": {"statements": [_plan(False, "it reads the table sequentially", ["Seq Scan"], [], 5210)]},
        "plans_after": {
            "statements": [
                {
                    **_plan(True, "", ["Update", "Index Scan"], ["tenant_folios_pkey"], 4),
                    "change": {"verdict": "better", "why": "now uses tenant_folios_pkey; buffers 5,210 → 4"},
                }
            ]
        },
    }


def _compaction() -> dict[str, Any]:
    moved = {"moved_rows": 48_210, "batches": 311, "wal_bytes": 222_717_542}
    return {**moved, "longest_batch_ms": 41.7, "longest_stall_ms": 44.0, "stopped": "reached the goal"}


def _needless() -> dict[str, Any]:
    table = {"table": "public.tenant_invoices", "size_bytes": 18_874_368}
    return {
        "unused": [{"name": "idx_old", **table, "reason": "no scan in 90 days"}],
        "redundant": [{"name": "idx_tenant", **table, "reason": "a prefix of idx_tenant_invoice_list"}],
    }


def _indexes() -> list[dict[str, Any]]:
    columns = "(tenant_id, legal_name text_pattern_ops)"
    search = f"CREATE INDEX CONCURRENTLY idx_tenant_customer_search ON public.tenant_customers {columns}"
    return [
        {
            "name": "idx_tenant_customer_search",
            "table": "public.tenant_customers",
            "found": "invalid",
            "action": "create",
            "reason": "an invalid one is left of a failed build",
            "statements": ["DROP INDEX CONCURRENTLY public.idx_tenant_customer_search", search],
            "same_as": None,
            "seconds": 12.4,
        },
        {
            "name": "idx_tenant_invoice_list",
            "table": "public.tenant_invoices",
            "found": "valid_same",
            "action": "none",
            "reason": "is there, valid and as declared",
            "statements": [],
            "same_as": None,
            "seconds": 0.0,
        },
        {
            "name": "idx_tenant_invoice_recent",
            "table": "public.tenant_invoices",
            "found": "valid_different",
            "action": "replace",
            "reason": "is there with another definition",
            "differences": ["order: created_at ASC, wanted DESC"],
            "statements": [],
            "same_as": None,
            "seconds": 3.1,
        },
    ]


def _plan(met: bool, why: str, nodes: list[str], indexes: list[str], buffers: int) -> dict[str, Any]:
    expectation = "uses an index of tenant_folios"
    used = {
        "nodes": nodes,
        "indexes": indexes,
        "shared_buffers": buffers,
        "cost": 8.3,
        "row_error": 40 if buffers > 9 else 1,
    }
    return {"name": "next_folio", "expectation": expectation, "met": met, "why": why, **used}


_MEDIANS = {
    "getNextFolio": (3412.0, 61.2, 48.7),
    "getUserState_cold": (912.0, 655.0, 402.0),
    "findCustomer": (1480.0, 92.4, 88.1),
    "getFacturapiClient": (640.2, 633.0, 645.9),
}


def _point(median: float, duplicates: int = 0) -> dict[str, Any]:
    spread = {"mean": median * 1.02, "median": median, "p95": median * 1.31}
    return {**spread, "iterations": 40, "failed": 0, "duplicates": duplicates}


def _benchmarks() -> dict[str, dict[str, Any]]:
    names = ("benchmark_before", "benchmark_after_db", "benchmark_after")
    return {
        name: {
            "metrics": [{"name": metric, "probe": "team", **_point(times[place])} for metric, times in _MEDIANS.items()]
        }
        for place, name in enumerate(names)
    }


def _judged(before: float, after: float, verdict: str, why: str = "") -> dict[str, Any]:
    change = 100 * (after / before - 1)
    interval = [100 * (factor * after / before - 1) for factor in (0.97, 1.03)]
    return {
        "verdict": verdict,
        "why": why,
        "change_percent": change,
        "interval_percent": interval,
        "estimator": "median",
    }


def _comparison() -> dict[str, Any]:
    inconclusive = "the change is -1 to +3 % with 95 % certainty; chance and this machine's noise of 5 % may explain it"
    metrics = []
    for name, (before, after_db, after) in _MEDIANS.items():
        verdict = "inconclusive" if name == "getFacturapiClient" else "improved"
        found = "improved" if name == "getNextFolio" else None
        why = "duplicates 9 → 0" if found else inconclusive
        points = {"before": _point(before, 9 if found else 0), "after_db": _point(after_db), "after": _point(after)}
        metrics.append(
            {"name": name, "probe": "team", **points, **_judged(before, after, verdict, why), "correctness": found}
        )
    before, after_db, after = (sum(times[place] for times in _MEDIANS.values()) for place in range(3))
    parts = {"by_database": _judged(before, after_db, "improved"), "by_deploy": _judged(after_db, after, "improved")}
    total = {
        "probe": "team",
        "before": before,
        "after_db": after_db,
        "after": after,
        **_judged(before, after, "improved"),
        **parts,
    }
    goals = [
        {
            "metric": "getNextFolio",
            "probe": "team",
            "goal": "at most 50.0 ms",
            "max_ms": 50.0,
            "value": 48.7,
            "reached": "48.7 ms",
            "met": True,
        },
        {
            "metric": "total",
            "probe": "team",
            "goal": "at most 1,000 ms",
            "value": after,
            "reached": "1,185 ms",
            "met": False,
        },
    ]
    return {"metrics": metrics, "totals": [total], "goals": goals, "verdict": "improved", "gates": [], "notes": []}


def _deploy() -> dict[str, Any]:
    return {
        "review": {
            "live": {"version": 42, "commit": "1f2e3d4c5b6a"},
            "files": ["src/folios.js", "src/session-cache.js"],
            "commits": [{"id": "5b0f9a7c3d21", "subject": "Take the next folio in one statement"}],
            "needed": True,
            "irreversible": ["migrations/0042.sql:3 DROP COLUMN"],
        },
        "commit": {"commit": "9c1d2e3f4a5b6c7d"},
        "push_heroku": {"changed": True},
        "release": {"version": 43, "status": "succeeded", "seconds": 64.0},
        "health": {"url": "https://invoice-bot.example/health", "passes": 3, "seconds": 9.1},
        "log": {"verdict": "quiet", "requests": 118, "seconds": 60, "findings": []},
    }
