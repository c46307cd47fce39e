# SPDX-License-Identifier: GPL-3.0-or-later
"""How the report looks to a browser, to Markdown and to somebody who would misuse it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ansible_collections.pitstop.runbook.plugins.module_utils._report.document import report
from ansible_collections.pitstop.runbook.plugins.plugin_utils._report_files import (
    markdown_block,
    markdown_code,
    markdown_text,
    read_evidence,
    render,
)
from ansible_collections.pitstop.runbook.tests.unit import report_runs
from ansible_collections.pitstop.runbook.tests.unit.report_runs import CONTACTS, Files, write_run

VOID = {"meta", "br", "img", "link", "hr", "input"}
RUNS = list(report_runs.everything())
PASSWORD = "hunter2-and-more"
EVIL = "x|`y``z`</td></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&lt;*_[a](javascript:b)\n# h\\"

Attributes = dict[str, str | None]


@dataclass
class Element:
    tag: str
    attributes: Attributes
    text: str = ""
    parents: tuple[str, ...] = ()


@dataclass
class Page(HTMLParser):
    """A page's elements in their order; refuses one whose tags do not close in order."""

    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of <{tag}> is there twice"
        element = Element(tag, dict(attrs), parents=tuple(parent.tag for parent in self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert not page.open, f"never closed: {[element.tag for element in page.open]}"
    return page


def rendered(files: Files, tmp_path: Path, language: str = "en", **options: Any) -> tuple[str, str]:
    """HTML and Markdown of a run's files."""
    evidence = read_evidence(write_run(tmp_path, files))
    texts = render(report(evidence, language=language, **{"contacts": CONTACTS, **options}))
    return texts["report.html"], texts["report.md"]


@pytest.fixture(params=RUNS)
def files(request: pytest.FixtureRequest) -> Files:
    return report_runs.everything()[request.param]


@pytest.fixture(params=["en", "es"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_page_is_well_formed_and_names_its_language(files: Files, language: str, tmp_path: Path) -> None:
    """A screen reader needs the language to pronounce, a browser the structure to show."""
    page = parsed(rendered(files, tmp_path, language)[0])
    assert page.all("html")[0].attributes["lang"] == language
    assert page.all("title")[0].text
    assert len(page.all("h1")) == len(page.all("main")) == 1


def test_headings_descend_one_level_at_a_time(files: Files, tmp_path: Path) -> None:
    """Who reads by headings must not wonder what was skipped."""
    page = parsed(rendered(files, tmp_path)[0])
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_table_says_what_it_is_and_which_cells_head_it(files: Files, tmp_path: Path) -> None:
    page = parsed(rendered(files, tmp_path)[0])
    assert page.all("table")
    assert len(page.all("caption")) == len(page.all("table"))
    assert {th.attributes["scope"] for th in page.all("th")} == {"col", "row"}
    assert all(td.attributes["data-label"] for td in page.all("td"))


def test_every_link_leads_somewhere_in_the_folder_or_on_the_page(files: Files, tmp_path: Path) -> None:
    page = parsed(rendered(files, tmp_path)[0])
    anchors = {str(element.attributes["id"]) for element in page.elements if element.attributes.get("id")}
    for link in page.all("a"):
        target = str(link.attributes["href"])
        known = target.removeprefix("#") in anchors if target.startswith("#") else target.removesuffix(".json") in files
        assert known or target == "report.html"


def test_ids_are_unique(files: Files, tmp_path: Path) -> None:
    page = parsed(rendered(files, tmp_path)[0])
    found = [element.attributes["id"] for element in page.elements if element.attributes.get("id")]
    assert len(found) == len(set(found))


def test_the_page_needs_no_network_and_no_script(files: Files, tmp_path: Path) -> None:
    """It is opened years later, from an archive, by somebody without our servers."""
    page = parsed(rendered(files, tmp_path)[0])
    assert not {"script", "link", "img", "iframe", "object"} & {element.tag for element in page.elements}
    assert "url(" not in page.all("style")[0].text
    policy = next(meta for meta in page.all("meta") if meta.attributes.get("http-equiv"))
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def poisoned(value: Any) -> Any:
    """``value`` with EVIL at the end of every text that decides nothing."""
    if isinstance(value, dict):
        return {key: value[key] if key in _KEPT else poisoned(value[key]) for key in value}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return value + EVIL if isinstance(value, str) else value


_KEPT = {"remedy", "outcome", "method", "verdict", "estimator", "run_id", "app", "state", "tags"} | {
    "started_at",
    "finished_at",
    "taken_at",
    "at",
}


def test_evidence_cannot_inject_markup_into_the_page(files: Files, tmp_path: Path) -> None:
    """Names and messages come from a database and from other people's programs."""
    clean, evil = (parsed(rendered(each, tmp_path)[0]) for each in (files, poisoned(files)))
    title = f"<script>{EVIL}"
    evil_title = parsed(rendered(poisoned(files), tmp_path, title=title, contacts={EVIL: EVIL})[0])
    assert {element.tag for element in evil.elements} <= {element.tag for element in clean.elements} | {"small"}
    assert not evil_title.all("script")
    assert not evil_title.all("img")
    assert title in evil_title.all("h1")[0].text
    assert all(not name.startswith("on") for element in evil_title.elements for name in element.attributes)


def test_an_app_called_script_stays_a_name(tmp_path: Path) -> None:
    evidence = read_evidence(write_run(tmp_path, report_runs.improved()))
    run = {**evidence.run, "app": "<script>alert(1)</script>|x"}
    texts = render(report(type(evidence)(run, evidence.outcome, evidence.files), language="en", contacts={}))
    page = parsed(texts["report.html"])
    assert not page.all("script")
    assert "<script>alert(1)</script>|x" in page.all("h1")[0].text
    assert "script" not in [token.tag for token in tokens(texts["report.md"])]
    assert "<script>" not in MarkdownIt("gfm-like", {"linkify": False}).render(texts["report.md"])


def tokens(markdown: str) -> list[Token]:
    """What Markdown as GitHub reads it makes of a text, inline parts included."""
    found = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    return [part for token in found for part in (token, *(token.children or []))]


def tables(markdown: str) -> list[list[int]]:
    """The number of cells in each row of each table."""
    found: list[list[int]] = []
    for token in tokens(markdown):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append(0)
        elif token.type in ("td_open", "th_open"):
            found[-1][-1] += 1
    return found


def test_evidence_cannot_break_the_markdown(files: Files, tmp_path: Path) -> None:
    """A pipe or a newline in a name must not shift figures into other columns, nor a backtick open a code block."""
    clean, evil = (rendered(each, tmp_path)[1] for each in (files, poisoned(files)))
    assert tables(clean)
    assert tables(evil) == tables(clean)
    structure = ("heading_open", "fence", "list_item_open", "blockquote_open")
    for kind in structure:
        assert [t.tag for t in tokens(evil) if t.type == kind] == [t.tag for t in tokens(clean) if t.type == kind]
    html = {token.content for token in tokens(evil) if token.type.startswith("html")}
    assert all(re.fullmatch("<br>|</?code>", part) for part in html)
    links = {str(token.attrs["href"]) for token in tokens(evil) if token.type == "link_open"}
    assert all(re.fullmatch(r"[a-z-]+\.(json|html)", link) for link in links)


def visible(markdown: str) -> str:
    """The text that a reader of one inline Markdown text sees."""
    kinds = ("text", "code_inline", "text_special", "softbreak")
    return "".join(token.content for token in tokens(markdown) if token.type in kinds)


@given(st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1))
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    assert visible(markdown_text(text)) == " ".join(text.split())


@given(st.text(alphabet="ab`\\|*_ ", min_size=1).filter(str.strip))
def test_markdown_shows_code_as_it_is(text: str) -> None:
    assert visible(f"x {markdown_code(text)} y") == f"x {' '.join(text.split())} y"


@given(st.text(alphabet="a`~\n", min_size=1))
def test_a_block_of_code_cannot_be_closed_from_within(text: str) -> None:
    fences = [token for token in tokens(markdown_block(text, "sql") + "\n\nafter") if token.type == "fence"]
    assert [fence.content for fence in fences] == [text + "\n"]


def test_no_secret_of_the_evidence_comes_out(tmp_path: Path) -> None:
    """A driver's message may hold the whole connection string."""
    files = report_runs.partly_undone()
    message = f"no route to postgres://owner:{PASSWORD}@db/x with Authorization: Bearer {PASSWORD} and HRKU-{PASSWORD}"
    files["run"]["failure"]["message"] = message
    files["rollback"]["revert"].update(error=message, left=[message])
    files["deploy"]["health"]["error"] = message
    files["maintenance"]["tables"]["tables"][0]["reason"] = message
    assert PASSWORD in json.dumps(files)
    html, markdown = rendered(files, tmp_path)
    assert "postgres://owner:***@db/x" in html
    assert PASSWORD not in html
    assert PASSWORD not in markdown


def page_cells(page: Page) -> list[str]:
    """The text of each cell but those that are pictures, without white space."""
    cells = [element for element in page.elements if element.tag in ("th", "td")]
    pictured = ("Course", "Curso")
    shown = [
        cell.text for cell in cells if cell.attributes.get("data-label") not in pictured and cell.text not in pictured
    ]
    return ["".join(text.split()) for text in shown]


def markdown_cells(markdown: str) -> list[str]:
    """The same of Markdown; ``<code>`` is read as HTML."""
    found: list[str] = []
    inside = False
    for token in tokens(markdown):
        if token.type in ("td_open", "th_open"):
            inside = True
            found.append("")
        elif token.type in ("td_close", "th_close"):
            inside = False
        elif inside and token.type in ("text", "code_inline", "text_special"):
            found[-1] += "".join(token.content.split())
    return found


@pytest.mark.parametrize("hostile", [False, True])
def test_markdown_and_page_say_the_same(files: Files, hostile: bool, tmp_path: Path) -> None:
    """A pull request and an archive must not disagree, nor may a pipe in a name cut a row short."""
    html, markdown = rendered(poisoned(files) if hostile else files, tmp_path)
    page = parsed(html)
    headings = [element.text for element in page.elements if element.tag in ("h2", "h3", "summary")]
    assert re.findall(r"^###? (.*)$", markdown, flags=re.MULTILINE) == headings
    assert markdown_cells(markdown) == page_cells(page)
    assert markdown.count("- [x]") == html.count('<li class="done">')


def test_statements_can_be_copied_from_both(tmp_path: Path) -> None:
    """Quotes and ampersands that come out escaped make SQL that does something else."""
    files = report_runs.improved()
    statement = """VACUUM "public"."it's <a> & b\""""
    files["maintenance"]["tables"]["tables"][0]["statements"] = [statement]
    html, markdown = rendered(files, tmp_path)
    fence = next(token for token in tokens(markdown) if token.type == "fence")
    assert fence.content.splitlines()[0] == f"{statement};"
    assert parsed(html).all("pre")[0].text.splitlines()[0] == f"{statement};"
