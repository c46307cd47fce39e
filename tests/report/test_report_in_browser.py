# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a browser shows it. If these fail, somebody on a phone, in the dark, or on paper cannot read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ansible_collections.pitstop.runbook.plugins.module_utils._report.document import report
from ansible_collections.pitstop.runbook.plugins.plugin_utils._report_files import read_evidence, render
from ansible_collections.pitstop.runbook.tests.unit import report_runs
from tests import machine

pytestmark = pytest.mark.needs("browser")

PHONE, DESK = 390, 1280
QUIET = (
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LONG_NAME = (
    "a_schema_with_a_name_as_long_as_postgresql_allows_which_is_63.a_table_with_a_name_as_long_as_postgresql_allows_it"
)

CUT_OFF = """
() => [...document.querySelectorAll("body *")].filter(element => {
    const box = element.getBoundingClientRect();
    const hidden = element.closest("caption, thead, .skip, style");
    return !hidden && box.width && (box.left < 0 || box.right > document.documentElement.clientWidth + 0.5
        || (element.children.length === 0 && element.scrollWidth > element.clientWidth + 1 && element.clientWidth));
}).map(element => element.outerHTML.slice(0, 120))
"""
CONTRASTS = """
() => {
    const parse = color => color.match(/[\\d.]+/g).map(Number);
    const luminance = color => parse(color).slice(0, 3).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const ground = element => {
        for (; element; element = element.parentElement) {
            const color = getComputedStyle(element).backgroundColor;
            if (parse(color)[3] !== 0) return color;
        }
        return "rgb(255, 255, 255)";
    };
    const found = {};
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || element.tagName === "STYLE") continue;
        const colors = [getComputedStyle(element).color, ground(element)];
        const [light, dark] = colors.map(luminance).sort((a, b) => b - a);
        found[colors.join(" on ")] = (light + 0.05) / (dark + 0.05);
    }
    return found;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=machine.browser(), args=list(QUIET))
        yield chromium
        chromium.close()


def files_of(name: str) -> report_runs.Files:
    """A run of report_runs; ``long names`` is a good one whose first table has the longest name there can be."""
    if name != "long names":
        return report_runs.everything()[name]
    files = report_runs.improved()
    files["maintenance"]["tables"]["tables"][0].update(name=LONG_NAME, reason=LONG_NAME)
    files["indexes"]["indexes"][0].update(name=LONG_NAME, table=LONG_NAME)
    files["comparison"]["metrics"][0]["name"] = LONG_NAME
    return files


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """``shown(run, language, width, scheme)`` opens a run's report and gives the page."""
    pages: list[Page] = []

    def show(name: str, language: str = "en", width: int = DESK, scheme: Any = "light") -> Page:
        evidence = read_evidence(report_runs.write_run(tmp_path / name / language, files_of(name)))
        html = render(report(evidence, language=language, contacts=report_runs.CONTACTS))["report.html"]
        file = tmp_path / f"{name}-{language}.html"
        file.write_text(html, encoding="utf-8")
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("request", lambda request: pages_requests.append(request.url))
        pages.append(page)
        page.goto(file.as_uri())
        return page

    pages_requests: list[str] = []
    yield show
    for page in pages:
        page.close()
    assert all(url.startswith("file://") for url in pages_requests), "the report asked the network for something"


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", [*report_runs.everything(), "long names"])
def test_nothing_is_cut_off_and_the_page_does_not_scroll_sideways(
    shown: Any, name: str, language: str, width: int
) -> None:
    page = shown(name, language, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT_OFF) == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_section_can_be_seen_and_reached(shown: Any, width: int) -> None:
    page = shown("improved", width=width)
    sections = page.locator("main > section").all()
    assert len(sections) == page.locator("nav a").count() > 10
    assert all(section.is_visible() and section.bounding_box()["height"] > 40 for section in sections)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", ["improved", "deploy_failed", "partly_undone", "database_only"])
def test_all_text_stands_out_from_its_ground(shown: Any, name: str, width: int, scheme: str) -> None:
    """WCAG AA wants 4.5 to 1; less is lost on a tired eye and in the sun."""
    contrasts = shown(name, width=width, scheme=scheme).evaluate(CONTRASTS)
    assert len(contrasts) > 4
    assert {colors: ratio for colors, ratio in contrasts.items() if ratio < 4.5} == {}


def test_dark_mode_is_dark(shown: Any) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light, dark = (shown("improved", scheme=scheme).evaluate(ground) for scheme in ("light", "dark"))
    assert light == "rgb(255, 255, 255)"
    assert sum(int(part) for part in dark.removeprefix("rgb(").removesuffix(")").split(",")) < 120


def test_a_phone_shows_each_value_with_its_columns_name(shown: Any) -> None:
    """Rows become cards there, and a figure without its column's name means nothing."""
    page = shown("improved", width=PHONE)
    cell = page.locator("#results td").first
    assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == '"Before"'


def test_a_screen_reader_still_finds_tables_on_a_phone(shown: Any) -> None:
    """Cards are made with display: block, which takes a table's meaning away unless roles keep it."""
    page = shown("improved", width=PHONE)
    open_all(page)
    assert page.get_by_role("table").count() == page.locator("table").count()
    results = page.locator("#results")
    assert results.get_by_role("columnheader", name="Verdict").count() == 1
    assert results.get_by_role("rowheader", name="getNextFolio").count() == 1


def open_all(page: Page) -> None:
    """Show what is only shown on request."""
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")


def test_remedies_that_were_not_chosen_are_shown_on_request_and_on_paper(shown: Any) -> None:
    """They would drown the decision; and paper cannot be clicked."""
    page = shown("improved")
    verdict = page.get_by_text("VACUUM FULL is over sooner and writes less")
    assert not verdict.is_visible()
    page.emulate_media(media="print")
    assert verdict.is_visible()
    page.emulate_media(media="screen")
    page.get_by_text("All remedies that were considered").first.click()
    assert verdict.is_visible()


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_nothing_that_is_shown_on_request_is_cut_off(shown: Any, width: int) -> None:
    page = shown("long names", width=width)
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT_OFF) == []


def test_the_keyboard_reaches_the_report_first(shown: Any) -> None:
    page = shown("improved")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#report"


def test_it_prints_in_full_on_white_paper(shown: Any) -> None:
    """Also from a screen in dark mode."""
    page = shown("improved", scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert all(section.is_visible() for section in page.locator("main > section").all())
    assert page.pdf(format="A4").startswith(b"%PDF")
