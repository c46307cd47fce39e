# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that says how far a statement is, and where it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._progress import Progress
from ansible_collections.pitstop.runbook.plugins.plugin_utils import _console
from ansible_collections.pitstop.runbook.plugins.plugin_utils._console import TO_THE_END, Console, Mode, mode

REWRITE = {"phase": "seq scanning heap", "heap_blks_total": 12_800, "heap_blks_scanned": 0}


class Screen:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.logged: list[str] = []

    def display(self, msg: str, color: str | None = None, *, screen_only: bool = False, newline: bool = True) -> None:
        self.shown.append(msg)
        if not screen_only:
            self.logged.append(msg)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _console_of(mode: Mode) -> tuple[Console, Screen, Clock]:
    screen, clock = Screen(), Clock()
    return Console(lambda: screen, "app | ", mode, clock=clock), screen, clock


def test_a_rewrite_says_phase_share_bytes_elapsed_and_what_is_left() -> None:
    """Without an estimate nobody knows whether to wait for a rewrite or to go home."""
    progress = Progress(0.0)
    progress.text(REWRITE, 0.0)
    text = progress.text({**REWRITE, "heap_blks_scanned": 5120}, 4.0)
    assert text == "seq scanning heap, 40 % of 100.0 MiB, 4.0 s so far, about 6.0 s left of this phase"


def test_no_estimate_before_there_is_enough_to_go_by() -> None:
    """The first hundredth of a second would promise hours, or nothing."""
    progress = Progress(0.0)
    progress.text(REWRITE, 0.0)
    assert "left" not in progress.text({**REWRITE, "heap_blks_scanned": 5120}, 0.5)
    assert "left" not in progress.text({**REWRITE, "heap_blks_scanned": 12}, 9.0)


def test_a_new_phase_has_an_estimate_of_its_own() -> None:
    """The pace of reading a heap says nothing of the pace of building an index."""
    progress = Progress(0.0)
    progress.text(REWRITE, 0.0)
    progress.text({**REWRITE, "heap_blks_scanned": 12_000}, 60.0)
    building = {"phase": "building index", "blocks_total": 100, "blocks_done": 10}
    assert "left" not in progress.text(building, 61.0)


def test_a_wait_names_who_is_waited_for() -> None:
    """A build that waits for somebody's transaction looks like a hang unless it says for whom."""
    text = Progress(0.0).text({"phase": "waiting for old snapshots", "lockers_total": 2}, 3.0, "pid 7 (report, ann)")
    assert "0 % of 2 transactions waited for" in text
    assert "waits for pid 7 (report, ann)" in text


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["blocks_done", "blocks_total", "heap_blks_scanned", "heap_blks_total", "tuples_done"]),
            st.none() | st.integers(0, 10**12),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_row_of_any_view_breaks_the_line(rows: list[dict[str, Any]]) -> None:
    """Majors differ in their columns; a repair must not die of its own progress."""
    progress = Progress(0.0)
    for second, row in enumerate(rows):
        text = progress.text(row, float(second))
        assert "\n" not in text
        assert "-" not in text


def test_a_terminal_sees_one_line_that_renews_itself() -> None:
    """A hundred lines of progress would push the decisions off the screen."""
    console, screen, clock = _console_of("renew")
    console.progress("t", "10 %")
    clock.now = 1.0
    console.progress("t", "20 %")
    console.say("t: done")
    console.done("t")
    ten, twenty = f"app | 10 %{TO_THE_END}", f"app | 20 %{TO_THE_END}"
    assert screen.shown == [ten, twenty, TO_THE_END, "app | t: done", twenty, TO_THE_END]
    assert screen.logged == ["app | t: done"]


def test_what_a_renewing_line_shows_cannot_move_the_cursor() -> None:
    """A table may be called anything: its name must not redraw the screen."""
    console, screen, _ = _console_of("renew")
    console.progress("t", "\x1b[2Jpaid\r\n")
    assert screen.shown == [f"app | ?[2Jpaid??{TO_THE_END}"]


def test_a_phase_is_not_counted_by_what_an_earlier_one_left() -> None:
    """A rewrite that builds its last index for minutes would say 100 % all the time."""
    row = {**REWRITE, "heap_blks_scanned": 12_800, "phase": "rebuilding index", "index_rebuild_count": 1}
    assert Progress(0.0).text(row, 4.0) == "rebuilding index, 1 indexes rebuilt, 4.0 s so far"
    vacuum = {"heap_blks_total": 100, "heap_blks_scanned": 100, "heap_blks_vacuumed": 25, "phase": "vacuuming heap"}
    assert "25 %" in Progress(0.0).text(vacuum, 4.0)


def test_a_log_gets_a_line_every_so_often() -> None:
    """AWX keeps every line for ever; a silent hour looks like a hang."""
    console, screen, clock = _console_of("lines")
    for tenth in range(121):
        clock.now = tenth / 10
        console.progress("t", f"{clock.now:.0f} s")
    assert screen.shown == ["app | 1 s", "app | 6 s", "app | 11 s"]


def test_json_and_quiet_get_nothing() -> None:
    """A line of progress in the middle of JSON makes it unreadable for the program behind it."""
    assert mode("auto", stdout_callback="ansible.posix.json", hosts=1) == "none"
    assert mode("none", stdout_callback="default", hosts=1) == "none"
    console, screen, _ = _console_of("none")
    console.progress("t", "10 %")
    assert screen.shown == []


def test_several_hosts_do_not_share_a_renewing_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """One host's line would erase the other's."""
    monkeypatch.setattr(_console, "ON_TERMINAL", True)
    assert mode("auto", stdout_callback="default", hosts=1) == "renew"
    assert mode("auto", stdout_callback="default", hosts=2) == "lines"


def test_awx_gets_lines_though_its_runner_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWX keeps what it is sent: a thousand renewals of a line would be its log."""
    monkeypatch.setattr(_console, "ON_TERMINAL", True)
    assert mode("auto", stdout_callback="awx_display", hosts=1) == "lines"


def test_an_unknown_choice_is_refused_with_the_known_ones() -> None:
    """A typing error would otherwise silence, or flood."""
    with pytest.raises(PitstopError, match="auto, lines, none"):
        mode("quiet", stdout_callback="default", hosts=1)
