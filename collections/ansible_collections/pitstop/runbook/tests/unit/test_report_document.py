# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of runs as they end in life. If these fail, somebody acts on a report that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import PHASE_OF
from ansible_collections.pitstop.runbook.plugins.module_utils._report.document import report
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    Cell,
    Checklist,
    Code,
    Details,
    Document,
    Facts,
    Listing,
    Paragraph,
    Section,
    Table,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._run import Outcome
from ansible_collections.pitstop.runbook.plugins.plugin_utils._report_files import read_evidence
from ansible_collections.pitstop.runbook.tests.unit import report_runs
from ansible_collections.pitstop.runbook.tests.unit.report_runs import CONTACTS, Files, write_run

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
DAMAGED: dict[str, tuple[tuple[str, str], Any]] = {
    name: (path, value)
    for name, path, value in (
        ("a metric without times", ("comparison", "metrics"), [{"name": "x", "before": None, "after": []}]),
        ("totals of text", ("comparison", "totals"), [{"before": "fast", "after": "faster"}]),
        ("not a number", ("comparison", "totals"), [{"before": float("nan"), "after": float("inf")}]),
        ("tables that are no list", ("maintenance", "tables"), {"tables": {"public.x": "repaired"}}),
        ("a moment that is none", ("deploy", "started_at"), "yesterday"),
        ("a phase that is none", ("run", "failure"), {"phase": "six", "message": None}),
    )
}


def made(files: Files, tmp_path: Path, language: str = "en") -> Document:
    """The document of a run's files."""
    return report(read_evidence(write_run(tmp_path, files)), language=language, contacts=CONTACTS)


def section(document: Document, wanted: str) -> Section:
    return next(section for section in document.sections if section.id == wanted)


def ids(document: Document) -> list[str]:
    return [section.id for section in document.sections]


def states(document: Document) -> dict[str, str]:
    return {check.key: check.state for check in document.checks}


def texts(part: Document | Section) -> str:
    """All that can be read in it."""
    sections = part.sections if isinstance(part, Document) else (part,)
    return "\n".join(text for section in sections for block in section.blocks for text in _block_texts(block))


def _block_texts(block: object) -> Iterator[str]:
    match block:
        case Table():
            yield from (column.label for column in block.columns)
            yield from (text for row in block.rows for cell in row.cells for text in _cell_texts(cell))
        case Facts():
            yield from (text for label, cell in block.pairs for text in (label, *_cell_texts(cell)))
        case Paragraph():
            yield from _cell_texts(block.cell)
        case Listing():
            yield block.heading
            yield from (text for item in block.items for text in _cell_texts(item))
        case Code():
            yield block.text
        case Details():
            yield block.summary
            yield from (text for inner in block.blocks for text in _block_texts(inner))
        case Checklist():
            yield from (f"{check.label}: {check.state_label}" for check in block.checks)


def _cell_texts(cell: Cell) -> list[str]:
    return [cell.text.replace("\N{NO-BREAK SPACE}", " "), *(text for note in cell.notes for text in _cell_texts(note))]


def test_a_good_run_gives_its_verdict_with_the_figures(tmp_path: Path) -> None:
    document = made(report_runs.improved(), tmp_path)
    sentence = document.verdict.sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert document.verdict.tone == "good"
    assert "6,444 ms to 1,185 ms (−81.6%)" in sentence
    share = document.verdict.details[0].text.replace("\N{NO-BREAK SPACE}", " ")
    assert share == "Database work: 6,444 ms → 1,442 ms (−77.6%). Deploy: 1,442 ms → 1,185 ms (−17.8%)."


def test_a_good_run_has_its_sections_in_the_order_a_reader_wants(tmp_path: Path) -> None:
    assert ids(made(report_runs.improved(), tmp_path)) == [
        "results",
        "tables",
        "indexes",
        "parameters",
        "plans",
        "deploy",
        "backup",
        "timeline",
        "checklist",
        "goals",
        "contacts",
        "next",
        "provenance",
    ]


def test_the_comparison_shows_every_point_and_every_doubt(tmp_path: Path) -> None:
    """Without them one cannot tell what brought the change, or whether it was chance, or bought with wrong results."""
    said = texts(section(made(report_runs.improved(), tmp_path), "results"))
    for expected in ("3,412 ms", "61.2 ms", "48.7 ms", "−98.6% to −98.5%", "9 duplicates", "duplicates 9 → 0"):
        assert expected in said
    assert "this machine's noise of 5 % may explain it" in said


def test_a_repair_is_told_with_reason_sizes_and_harm(tmp_path: Path) -> None:
    said = texts(section(made(report_runs.improved(), tmp_path), "tables"))
    for expected in ("VACUUM FULL", "118.0 MiB of 119.5 MiB is waste", "119.5 MiB → 1.5 MiB", "38.2 ms", "30 tries"):
        assert expected in said
    assert "blocked by pid 4711" in said
    for expected in ("expected 117.0 MiB", "and 1 of its indexes", "waited for transaction of pid 311 (4.2 s)"):
        assert expected in said
    assert "VACUUM (FULL, ANALYZE) public.tenant_folios;" in said


def test_every_remedy_that_was_considered_is_told_with_its_verdict(tmp_path: Path) -> None:
    """Whoever wonders why a table was not simply rewritten finds the answer without asking the tool's authors."""
    said = texts(section(made(report_runs.improved(), tmp_path), "tables"))
    for expected in ("All remedies that were considered", "gives back nothing of the heap", "286.8 MiB", "0.1 s"):
        assert expected in said


def test_a_compaction_is_told_with_what_it_cost(tmp_path: Path) -> None:
    """Compacting writes WAL for every row it moves: who pays for a replica's disk wants to know."""
    said = texts(section(made(report_runs.improved(), tmp_path), "tables"))
    for expected in ("COMPACT", "48,210", "212.4 MiB", "41.7 ms", "reached the goal"):
        assert expected in said


def test_waste_is_told_of_each_file_with_how_it_was_measured(tmp_path: Path) -> None:
    """An estimate and a measurement read the same otherwise; and a TOAST table hides in its table's size."""
    said = texts(section(made(report_runs.improved(), tmp_path), "tables"))
    for expected in ("TOAST table", "pgstatindex", "estimate", "12.5% read", "not analyzed yet"):
        assert expected in said


def test_indexes_are_told_with_differences_and_with_those_that_nobody_needs(tmp_path: Path) -> None:
    """What differs is why it was replaced; and an unused index costs every write."""
    said = texts(section(made(report_runs.improved(), tmp_path), "indexes"))
    for expected in ("order: created_at ASC, wanted DESC", "idx_old", "unused", "no scan in 90 days", "redundant"):
        assert expected in said


def test_an_index_that_is_declared_absent_is_not_called_different(tmp_path: Path) -> None:
    """Nobody wrote down what it should be instead, so there is no difference to look for."""
    files = report_runs.improved()
    files["indexes"]["indexes"][2].update(action="drop", reason="declared absent", differences=[])
    said = texts(section(made(files, tmp_path), "indexes"))
    assert "there, declared absent" in said
    assert "valid, but different" not in said


def test_plans_are_told_with_what_became_of_them(tmp_path: Path) -> None:
    """Better or worse, and by which figures."""
    said = texts(section(made(report_runs.improved(), tmp_path), "plans"))
    for expected in (
        "better",
        "now uses tenant_folios_pkey",
        "5,210 buffers",
        "rows misestimated 40 times",
        "cost 8.3",
    ):
        assert expected in said


def test_a_met_plan_that_reads_a_whole_table_says_why(tmp_path: Path) -> None:
    """`No sequential scan: met` beside `Seq Scan` would make a reader doubt the report."""
    files = report_runs.improved()
    why = "could use i; the planner prefers a sequential scan of public.t, being 1 page, 40 rows"
    files["plans-after"]["statements"][0].update(why=why, sequential_scans=["public.t"])
    assert why in texts(section(made(files, tmp_path), "plans"))


def test_an_empty_toast_table_is_not_listed(tmp_path: Path) -> None:
    """Every table with a text column has one; lines without content hide the others."""
    files = report_runs.improved()
    for name in ("bloat-before", "bloat-after"):
        for table in files[name]["tables"]:
            table["toast"]["size_bytes"] = 0
    assert "TOAST table of" not in texts(section(made(files, tmp_path), "tables"))


def test_a_database_that_became_slow_is_told_with_what_was_reindexed(tmp_path: Path) -> None:
    """The run stopped in phase 2: the figures of the database work alone are the ones that tell why."""
    document = made(report_runs.database_slow(), tmp_path)
    said = texts(document)
    assert "the indexes of public.tenant_invoices were rebuilt concurrently" in said
    assert "now reads all of public.tenant_invoices" in said
    results = section(document, "results")
    assert "After the database" in texts(results)
    assert "After the deploy" not in texts(results)
    assert states(document)["deploy"] == "not_done"


def test_a_rescue_that_had_nothing_to_do_says_why(tmp_path: Path) -> None:
    """After a failed VACUUM FULL nothing is broken: who reads the report at night may go back to bed."""
    files = report_runs.database_slow()
    note = "a rewrite that failed has rolled itself back"
    files["rollback"] = {"reindex": {"undone": [], "left": [], "note": note, "failed": False}}
    assert note in texts(section(made(files, tmp_path), "outcome"))


def test_the_checklist_is_ticked_from_evidence_and_names_it(tmp_path: Path) -> None:
    """A postponed table means that the database is not repaired, however well the rest went."""
    document = made(report_runs.improved(), tmp_path)
    assert states(document) == {
        "backup": "done",
        "before": "done",
        "database": "not_done",
        "indexes": "done",
        "deploy": "done",
        "after": "done",
        "improvement": "done",
        "report": "done",
    }
    for check in document.checks:
        assert check.key == "report" or (tmp_path / "invoice-bot" / "20261124T060535-9f3a" / check.evidence).is_file()


def test_a_deploy_is_told_with_releases_commits_and_files(tmp_path: Path) -> None:
    said = texts(section(made(report_runs.improved(), tmp_path), "deploy"))
    seen = (
        "v42 → v43",
        "5b0f9a7c3d21 Take the next folio",
        "src/folios.js",
        "3 times in a row",
        "118 requests in 1 min",
    )
    for expected in (*seen, "migrations/0042.sql:3 DROP COLUMN"):
        assert expected in said


def test_a_run_with_nothing_to_deploy_is_not_said_to_have_deployed(tmp_path: Path) -> None:
    files = report_runs.improved()
    files["deploy"]["review"].update(needed=False, files=[], commits=[])
    for name in ("push_heroku", "commit", "log"):
        del files["deploy"][name]
    document = made(files, tmp_path)
    assert states(document)["deploy"] == "not_asked"
    assert "already" in texts(section(document, "deploy"))


def test_next_steps_come_from_findings(tmp_path: Path) -> None:
    said = texts(section(made(report_runs.improved(), tmp_path), "next"))
    for expected in ("getFacturapiClient with more iterations", "goal for total", "public.tenant_invoices", "idx_old"):
        assert expected in said


def test_a_deploy_that_failed_and_was_undone_says_so_first(tmp_path: Path) -> None:
    document = made(report_runs.deploy_failed(), tmp_path)
    assert document.verdict.tone == "warn"
    assert "failed in phase 3, deploy" in document.verdict.sentence
    assert document.sections[0].id == "outcome"
    said = texts(document.sections[0])
    for expected in ("heroku logs --app invoice-bot", "v42 is live again", "Nothing is left", "Ada Lorenzo"):
        assert expected in said
    assert "Next:" not in said


def test_a_deploy_that_was_undone_is_not_ticked(tmp_path: Path) -> None:
    found = states(made(report_runs.deploy_failed(), tmp_path))
    assert found["deploy"] == found["improvement"] == found["after"] == "not_done"
    assert found["indexes"] == "done"


def test_a_healthy_release_that_was_taken_back_is_not_ticked(tmp_path: Path) -> None:
    """It was up for a while; what counts is what is live."""
    document = made(report_runs.taken_back(), tmp_path)
    assert states(document)["deploy"] == states(document)["improvement"] == "not_done"
    assert states(document)["after"] == "done"
    assert "Change of the total" not in dict(document.verdict.figures)
    assert "Change of the total" in dict(made(report_runs.improved(), tmp_path / "good").verdict.figures)
    assert "rolled back" in texts(section(document, "deploy"))
    assert "findCustomer: 88.1 → 140 ms" in texts(section(document, "results"))
    assert "v42 is live again" in texts(document.sections[0])


def test_what_could_not_be_undone_asks_for_a_person(tmp_path: Path) -> None:
    document = made(report_runs.partly_undone(), tmp_path)
    assert document.verdict.tone == "bad"
    assert "a person has to step in" in document.verdict.sentence
    said = texts(document.sections[0])
    assert "still on origin/main" in said
    assert "origin refused the push" in said
    assert "Nothing is left" not in said
    assert "by hand" in texts(section(document, "next"))


def test_a_run_that_stopped_at_once_says_that_nothing_was_changed(tmp_path: Path) -> None:
    document = made(report_runs.aborted(), tmp_path)
    assert "before anything was changed" in document.verdict.sentence
    assert ids(document) == ["outcome", "timeline", "checklist", "next", "provenance"]
    assert set(states(document).values()) == {"not_done", "done"}
    assert states(document)["report"] == "done"


def test_a_part_of_the_runbook_is_not_blamed_for_the_rest(tmp_path: Path) -> None:
    """``--tags db`` was not asked to deploy; and what it did without a backup must stand out."""
    document = made(report_runs.database_only(), tmp_path)
    found = states(document)
    assert found["deploy"] == found["after"] == found["improvement"] == found["before"] == "not_asked"
    assert found["backup"] == "not_done"
    assert "the run stays open" in document.verdict.sentence
    assert "not reached" not in texts(section(document, "timeline"))
    assert "made this morning" in texts(section(document, "waivers"))
    assert "Take a backup" in texts(section(document, "next"))


def test_an_abandoned_run_is_not_called_a_success(tmp_path: Path) -> None:
    files = report_runs.improved()
    del files["comparison"]
    files["run"]["state"] = "abandoned"
    document = made(files, tmp_path)
    assert document.verdict.label == "Abandoned"
    assert "phase 4, verify" in document.verdict.sentence


def test_a_run_that_did_not_do_all_is_not_called_done(tmp_path: Path) -> None:
    """Its controller died, or a step was skipped: no failure is on record, and still it is not a success."""
    files = report_runs.improved()
    for name in ("comparison", "benchmark-after", "deploy"):
        del files[name]
    document = made(files, tmp_path)
    assert document.verdict.tone == "warn"
    assert "code deployed, after measured and improvement verified" in document.verdict.sentence


def test_a_run_that_measures_nothing_is_not_called_inconclusive(tmp_path: Path) -> None:
    """It was not asked to measure (benchmark_probes is empty)."""
    files = report_runs.improved()
    files["comparison"].update(metrics=[], totals=[], goals=[], verdict="inconclusive")
    for name in ("benchmark-before", "benchmark-after-db", "benchmark-after"):
        files[name]["metrics"] = []
    document = made(files, tmp_path)
    assert states(document)["improvement"] == states(document)["before"] == "not_asked"
    assert document.verdict.sentence == "All went through; before and after were not compared."


@pytest.mark.parametrize("verdict", ["unchanged", "inconclusive", "worse"])
def test_a_verdict_that_is_no_improvement_is_not_dressed_up(verdict: str, tmp_path: Path) -> None:
    files = report_runs.improved()
    files["comparison"]["verdict"] = verdict
    document = made(files, tmp_path)
    assert "The fix works" not in document.verdict.sentence
    assert document.verdict.tone != "good"
    assert states(document)["improvement"] == "not_done"


def test_a_check_run_ticks_nothing(tmp_path: Path) -> None:
    """Check mode leaves the same evidence; a tick from it would be a lie."""
    files = report_runs.improved()
    for name, content in files.items():
        if name != "run":
            content["check_mode"] = True
    assert {state for key, state in states(made(files, tmp_path)).items() if key != "report"} == {"not_done"}


def test_what_operations_said_is_marked_as_english_in_a_spanish_report(tmp_path: Path) -> None:
    """A screen reader pronounces it as what it is."""
    tables = section(made(report_runs.improved(), tmp_path, "es"), "tables").blocks[1]
    assert isinstance(tables, Table)
    assert tables.rows[0].cells[2].lang == "en"
    assert tables.rows[0].cells[1].lang == ""


def test_both_languages_tell_the_same(tmp_path: Path) -> None:
    """Sections, rows and ticks must not depend on the reader's language."""
    for name, files in report_runs.everything().items():
        english, spanish = (made(files, tmp_path / name, language) for language in ("en", "es"))
        assert ids(english) == ids(spanish)
        assert states(english) == states(spanish)


def test_figures_in_a_spanish_report_are_written_in_spanish(tmp_path: Path) -> None:
    document = made(report_runs.improved(), tmp_path, "es")
    assert "6444 ms a 1185 ms (−81,6 %)" in document.verdict.sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert "como mucho 50,0 ms" in texts(section(document, "goals"))


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_evidence_does_not_cost_the_report(damage: str, tmp_path: Path) -> None:
    (name, key), value = DAMAGED[damage]
    files = report_runs.improved()
    files[name][key] = value
    document = made(files, tmp_path)
    assert "nan" not in texts(document).lower().split()
    assert "checklist" in ids(document)


def test_a_file_that_is_cut_off_is_named_and_the_rest_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path, report_runs.improved())
    run.path("deploy").write_text('{"release": {"version": 4')
    run.path("rollback").write_text("")
    document = report(read_evidence(run), language="en", contacts={})
    assert "deploy.json" in texts(section(document, "provenance"))
    assert "rollback.json" in texts(section(document, "provenance"))
    assert states(document)["deploy"] == "not_done"
    assert states(document)["indexes"] == "done"


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=st.dictionaries(st.sampled_from(list(PHASE_OF)), st.dictionaries(st.text(max_size=8), JSON, max_size=4)),
    run=st.dictionaries(st.sampled_from(["state", "tags", "failure", "labels", "versions", "by"]), JSON),
    language=st.sampled_from(["en", "es"]),
)
def test_there_is_a_report_whatever_the_evidence_holds(
    files: dict[str, dict[str, Any]], run: dict[str, Any], language: str
) -> None:
    """The run that went most wrong is the one whose report is needed most."""
    evidence = Evidence(run, Outcome("failed", {"phase": 2}), files)
    assert "checklist" in ids(report(evidence, language=language, contacts={}))


@settings(max_examples=60)
@given(data=st.data())
def test_any_one_value_of_a_good_run_may_be_anything(data: st.DataObject) -> None:
    """Another version's evidence, or a broken provider's, must not cost the report."""
    files = report_runs.improved()
    place: Any = files[data.draw(st.sampled_from([name for name in files if name != "run"]))]
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    run = files.pop("run")
    report(Evidence(run, Outcome("succeeded"), files), language="en", contacts={})


def test_an_own_title_replaces_the_default(tmp_path: Path) -> None:
    evidence = read_evidence(write_run(tmp_path, report_runs.improved()))
    assert report(evidence, language="en", contacts={}, title="Window of May").title == "Window of May"
    assert "invoice-bot" in report(evidence, language="en", contacts={}).title
