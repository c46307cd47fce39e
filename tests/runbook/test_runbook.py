# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole runbook, end to end, on a real PostgreSQL, a real git and a local Heroku."""

from __future__ import annotations

import pytest

from .conftest import Production

INDEXES_SQL = """
SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relname LIKE 'idx%' ORDER BY 1
"""


def test_the_job_is_done_and_a_second_run_changes_nothing(production: Production) -> None:
    """The main job: faster and correct afterwards, with proof; and safe to start again."""
    old_size = production.sandbox.query("SELECT pg_total_relation_size('tenant_folios')")[0][0]
    ended = production.run()
    assert ended.exit_code == 0, ended.text
    assert production.sandbox.query("SELECT pg_total_relation_size('tenant_folios')")[0][0] < old_size
    assert production.sandbox.query(INDEXES_SQL) == [
        ("idx_tenant_customer_search", True),
        ("idx_tenant_invoice_list", True),
    ]
    head = production.git("rev-parse", "HEAD")
    assert production.git("rev-parse", "main", repository="origin") == head
    assert production.health()["commit"] == head
    metrics = {metric["name"]: metric for metric in ended.read("comparison.json")["metrics"]}
    assert metrics["getNextFolio"]["after"]["mean"] < metrics["getNextFolio"]["before"]["mean"]
    assert metrics["invoiceFromPdf"]["before"]["duplicates"] > 0
    assert metrics["invoiceFromPdf"]["after"]["duplicates"] == 0
    assert ended.read("backup.json")["entries"] > 0
    assert ended.read("run.json")["state"] == "succeeded"
    for report in ("report.html", "report.md"):
        assert "getNextFolio" in (ended.evidence / report).read_text()

    before = production.snapshot()
    again = production.run("--skip-tags", "backup,baseline,verify")
    assert again.exit_code == 0, again.text
    assert production.snapshot() == before


def test_check_mode_prints_the_plan_and_changes_nothing(production: Production) -> None:
    """What --check says is what users decide on; what it changed would be a lie."""
    before = production.snapshot(), production.folios()
    ended = production.run("--check", "--diff")
    assert ended.exit_code == 0, ended.text
    assert (production.snapshot(), production.folios()) == before
    for planned in (
        "VACUUM (FULL, SKIP_LOCKED)",
        "CREATE INDEX CONCURRENTLY",
        "git commit",
        "git push heroku",
        "ALTER TABLE",
    ):
        assert f"would: {planned}" in ended.text
    assert "+  const { rows }" in ended.text or "ON CONFLICT" in ended.text


def test_the_database_phase_alone(production: Production) -> None:
    """`--tags db` is safe by itself: refused without a backup, and it deploys nothing."""
    before = production.snapshot()
    refused = production.run("--tags", "db")
    assert refused.exit_code != 0
    assert "backup" in refused.text
    assert production.snapshot() == before

    assert production.run("--tags", "backup").exit_code == 0
    ended = production.run("--tags", "db")
    assert ended.exit_code == 0, ended.text
    assert [valid for _, valid in production.sandbox.query(INDEXES_SQL)] == [True, True]
    after = production.snapshot()
    assert (after["head"], after["releases"]) == (before["head"], before["releases"])


@pytest.mark.parametrize("fault", ["build_fails", "release_fails", "dyno_crashes", "health_wrong", "slower_code"])
def test_a_fix_that_goes_wrong_is_undone(production: Production, fault: str) -> None:
    """Whatever breaks: the old code serves again, the branch has the old content, and nobody calls it a success."""
    old_tree = production.git("rev-parse", "HEAD^{tree}")
    production.sandbox.fault(fault)
    ended = production.run(heroku_deploy_health_timeout=10)
    assert ended.exit_code != 0
    assert "undone: " in ended.text
    assert "NOT undone" not in ended.text
    assert production.git("rev-parse", "HEAD^{tree}") == old_tree
    assert production.git("rev-parse", "main^{tree}", repository="origin") == old_tree
    assert production.git("status", "--porcelain") == ""
    serving = production.health()["commit"]
    assert production.git("rev-parse", f"{serving}^{{tree}}") == old_tree
    assert ended.read("run.json")["state"] == "undone"
    assert (ended.evidence / "report.html").exists()


def test_an_index_that_cannot_be_built_leaves_none_behind(production: Production) -> None:
    """A failed unique build leaves an INVALID index that slows every write; and the deploy must not go on."""
    before = production.snapshot()
    unique = {"name": "idx_unique_tenant", "table": "tenant_invoices", "columns": ["tenant_id"], "unique": True}
    ended = production.run("--skip-tags", "baseline", index_creation_indexes=[unique])
    assert ended.exit_code != 0
    assert production.sandbox.query(INDEXES_SQL) == []
    assert production.snapshot()["releases"] == before["releases"]
    assert "call DBA" in ended.text


def test_a_database_that_became_slow_is_reindexed_and_the_deploy_not_begun(production: Production) -> None:
    """An index dropped by mistake makes a statement slow: the run stops, mends what it can, and says what it cannot."""
    production.sandbox.query("CREATE INDEX idx_tenant_invoice_list ON tenant_invoices (tenant_id, created_at DESC)")
    before = production.snapshot()
    ended = production.run(
        benchmark_probes=[],
        index_creation_indexes=[{"name": "idx_tenant_invoice_list", "table": "tenant_invoices", "state": "absent"}],
    )
    assert ended.exit_code == 2, ended.text
    assert production.snapshot()["releases"] == before["releases"]
    failure = ended.read("run.json")["failure"]
    assert failure["phase"] == 2
    assert "no longer uses idx_tenant_invoice_list" in failure["message"]
    undoing = ended.read("rollback.json")
    assert "public.tenant_invoices" in undoing["reindex"]["tables"]
    assert "the plan of invoice list is worse" in undoing["plans"]["error"]
    assert "undone: the indexes of public.tenant_invoices were rebuilt" in ended.text
    assert "NOT undone: " in ended.text
    assert "call DBA" in ended.text
    assert production.sandbox.query("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


def test_indexes_are_rebuilt_on_request(production: Production) -> None:
    """The database is slow now: one playbook, the app goes on meanwhile, and --check says what it would do."""
    files = "SELECT oid, pg_relation_filenode(oid) FROM pg_class WHERE relname = 'tenant_folios_pkey'"
    before = production.sandbox.query(files)
    planned = production.run("--check", playbook="playbooks/reindex.yml")
    assert "would: REINDEX INDEX CONCURRENTLY public.tenant_folios_pkey" in planned.text
    assert production.sandbox.query(files) == before
    ended = production.run(playbook="playbooks/reindex.yml", reindex_tables=["tenant_folios"])
    assert ended.exit_code == 0, ended.text
    assert production.sandbox.query(files) != before


def test_a_deploy_is_taken_back_on_request(production: Production) -> None:
    """The fix succeeded, and next day somebody wants the old code: one playbook, also when started twice."""
    old_tree = production.git("rev-parse", "HEAD^{tree}")
    assert production.run("--skip-tags", "baseline,db,verify").exit_code == 0
    for _ in range(2):
        ended = production.run(playbook="playbooks/rollback.yml")
        assert ended.exit_code == 0, ended.text
        serving = production.health()["commit"]
        assert production.git("rev-parse", f"{serving}^{{tree}}") == old_tree
        assert production.git("rev-parse", "main^{tree}", repository="origin") == old_tree
