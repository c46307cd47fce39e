# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a run: opened, joined, failed, closed. Its state is in ``run.json`` of its evidence folder."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import PitstopError
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import (
    SCHEMA_VERSION,
    Run,
    now,
    read_json,
    to_json,
    write_whole,
)

SEAL = "SHA256SUMS"
"""The file with the hashes of all others."""
SHIPPING_PHASES = (3, 4)
"""Whose rescue takes the deploy back."""
PHASES = ("prepare", "baseline", "database", "deploy", "verify", "close")


def new_run_id() -> str:
    """Sortable by time (to the millisecond), unique, short enough for an application_name."""
    moment = datetime.now(UTC)
    return f"{moment:%Y%m%dT%H%M%S}-{moment.microsecond // 1000:03d}{secrets.token_hex(2)}"


def open_run(evidence_dir: Path, app: str, facts: Mapping[str, Any]) -> Run:
    """Begin a new run of ``app``; an older one that is still open is closed as abandoned."""
    for older in open_runs(evidence_dir, app):
        _update(older, state="abandoned", finished_at=now())
    run_id = new_run_id()
    run = Run(run_id, app, evidence_dir / app / run_id)
    _create(run, facts)
    return run


def open_check_run(app: str, facts: Mapping[str, Any]) -> Run:
    """Begin a run that changes nothing: its evidence is in a temporary folder, which close_run removes."""
    run = Run(new_run_id(), app, Path(tempfile.mkdtemp(prefix="pitstop-check-")), check=True)
    _create(run, facts)
    return run


def open_runs(evidence_dir: Path, app: str) -> list[Run]:
    """The app's runs that are not closed, oldest first."""
    return [run for run in all_runs(evidence_dir, app) if state_of(run).get("state") == "open"]


def all_runs(evidence_dir: Path, app: str) -> list[Run]:
    """The app's runs, oldest first."""
    folder = evidence_dir / app
    return [Run(path.parent.name, app, path.parent) for path in sorted(folder.glob("*/run.json"))]


def rejoin(evidence_dir: Path, app: str, run_id: str) -> Run:
    """An earlier run by its id, or with ``last`` the newest. Raises PitstopError when there is none."""
    runs = all_runs(evidence_dir, app)
    found = [run for run in runs if run_id in (run.id, "last")]
    if found:
        return found[-1]
    raise PitstopError(
        f"The app {app} has no run {run_id} in {evidence_dir}",
        next_step=f"use one of {', '.join(run.id for run in runs[-5:])}" if runs else "run master.yml first",
    )


def unfinished(run: Run) -> Iterator[Run]:
    """``run``, then those right before it that never ended, newest first.

    A run that was killed may have shipped: the next one has to know what was live before, and what is left on.
    """
    yield run
    for earlier in reversed(all_runs(run.directory.parent.parent, run.app)):
        if earlier.id < run.id:
            if state_of(earlier).get("state") not in ("open", "abandoned"):
                return
            yield earlier


def deploy_of(run: Run) -> dict[str, Any]:
    """The evidence of the run's deploy; without one, that of the newest unfinished run before it which has one."""
    return next((deploy for each in unfinished(run) if (deploy := each.read("deploy"))), {})


def check_copy(run: Run) -> Run:
    """``run`` for a check run: its evidence as a copy in a temporary folder, which close_run removes."""
    folder = Path(tempfile.mkdtemp(prefix="pitstop-check-"))
    shutil.copytree(run.directory, folder, dirs_exist_ok=True)
    return Run(run.id, run.app, folder, check=True)


def state_of(run: Run) -> dict[str, Any]:
    """What ``run.json`` says; empty when it is not there."""
    return read_json(run.directory / "run.json") or {}


def keep_capabilities(run: Run, capabilities: Mapping[str, Any]) -> None:
    """Note what the server and the role can do, for the operations to come."""
    _update(run, capabilities=capabilities)


def record_failure(run: Run, *, phase: int, task: str, message: str) -> bool:
    """Note why the run will not reach its goal, unless that is on record: later failures follow from the first."""
    if "failure" in state_of(run):
        return False
    _update(run, failure={"phase": phase, "task": task, "message": message, "at": now()})
    return True


@dataclass(frozen=True)
class Outcome:
    """How a run ended, for the last lines on the screen and for the report."""

    state: str  # open | succeeded | failed | undone | partly undone | taken back
    failure: dict[str, Any] | None = None
    undone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def reached_goal(self) -> bool:
        return self.failure is None and not self.left


def outcome_of(run: Run, *, complete: bool) -> Outcome:
    """Derive the outcome from the evidence. ``complete`` is false while only some phases were asked for.

    Evidence of undoing carries ``undone`` and ``left`` (lists of sentences), at the top or in its sections.
    """
    failure = state_of(run).get("failure")
    undone: list[str] = []
    left: list[str] = []
    for part in _parts(run.read("rollback") or {}):
        undone += _sentences(part, "undone")
        left += _sentences(part, "left")
        if part.get("failed"):
            left.append(str(part.get("error", "a step of the undoing failed")))
    if failure and failure["phase"] in SHIPPING_PHASES and _is_in_git(run):
        left.append("the deployed commits are not reverted. Next: playbooks/rollback.yml goes on from here")
    if left:
        state = "partly undone"
    elif undone:
        state = "undone" if failure else "taken back"
    elif failure:
        state = "failed"
    else:
        state = "succeeded" if complete else "open"
    return Outcome(state, failure, undone, left)


def close_run(run: Run, outcome: Outcome) -> None:
    """Write the final state and the hashes of all evidence. A check run's folder is removed."""
    if run.check:
        shutil.rmtree(run.directory)
        return
    if outcome.state != "open":
        _update(run, state=outcome.state, finished_at=now(), undone=outcome.undone, left=outcome.left)
    write_whole(run.directory / SEAL, "".join(hash_line(path) for path in evidence_files(run)))


def evidence_files(run: Run) -> list[Path]:
    """All files of the run but its hashes, in the order of their names."""
    return sorted(
        path for path in run.directory.iterdir() if path.is_file() and path.name != SEAL and path.name[0] != "."
    )


def _create(run: Run, facts: Mapping[str, Any]) -> None:
    header = {"schema_version": SCHEMA_VERSION, "run_id": run.id, "app": run.app, "state": "open", "started_at": now()}
    write_whole(run.directory / "run.json", to_json({**header, **facts}))


def _update(run: Run, **changes: Any) -> None:
    write_whole(run.directory / "run.json", to_json({**state_of(run), **changes}))


def _is_in_git(run: Run) -> bool:
    """Whether the run made a commit, and its undoing never came to revert it, for whatever reason."""
    made = ((run.read("deploy") or {}).get("commit") or {}).get("changed")
    return bool(made) and "revert" not in (run.read("rollback") or {})


def _parts(evidence: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [evidence, *(value for value in evidence.values() if isinstance(value, Mapping))]


def _sentences(part: Mapping[str, Any], key: str) -> list[str]:
    value = part.get(key, [])
    return [str(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else []


def hash_line(path: Path) -> str:
    """A file's line in the seal, as sha256sum writes it."""
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
