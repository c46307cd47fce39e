# SPDX-License-Identifier: GPL-3.0-or-later
"""The graph of master.yml: what its tags select, and what reaches the plays beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.vars.manager import VariableManager

from .tree import ROOT, ansible

TAGS = (
    ["preflight", "backup", "baseline", "db", "maintenance", "indexes", "deploy", "verify", "report"]
    + [f"phase{number}" for number in range(6)]
)  # fmt: skip
LISTED_TASK = re.compile(r"\tTAGS: \[.*\]$", re.MULTILINE)


@cache
def _tasks() -> list[tuple[str, frozenset[str]]]:
    """Every task of a run that meets no failure, with its tags. `--list-tasks` shows no `always:` sections."""
    loader = DataLoader()
    manager = VariableManager(loader=loader, inventory=InventoryManager(loader=loader, sources=["app,"]))
    runbook = Playbook.load(str(ROOT / "master.yml"), variable_manager=manager, loader=loader)
    return [task for play in runbook.get_plays() for block in play.compile() for task in _walk(block)]


def _walk(node: Any) -> Iterator[tuple[str, frozenset[str]]]:
    if isinstance(node, Block):
        for child in [*node.block, *node.always]:
            yield from _walk(child)
    elif node.action != "meta":
        yield node.get_name(), frozenset(node.tags)


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_selects_work_of_its_own(tag: str) -> None:
    """`--tags TAG` that selects nothing would open a run, close it, and look like a success."""
    assert [name for name, tags in _tasks() if tag in tags and "Validating arguments" not in name]


def test_every_task_belongs_to_a_phase() -> None:
    """A task without tags is in no part of the runbook that is run alone."""
    assert [name for name, tags in _tasks() if not tags & {"always", *TAGS}] == []


def test_the_run_is_opened_first_and_closed_last() -> None:
    """Whatever else is selected: without a run there is no evidence, and without its end no exit code."""
    tasks = _tasks()
    assert tasks[0][0].startswith("run : ")
    assert tasks[-1][0].startswith("run : close")
    assert "always" in tasks[0][1] & tasks[-1][1]


@pytest.mark.parametrize("folder", [".", "playbooks"])
def test_project_variables_reach_the_plays_of(folder: str) -> None:
    """Ansible looks beside the playbook: without the link in playbooks/ its plays would know no project variable."""
    hostvars = json.loads(
        ansible("ansible-inventory", "-i", "app,", "--playbook-dir", str(ROOT / folder), "--host=app")
    )
    assert hostvars["pitstop_database_config_var"] == "DATABASE_URL"


@pytest.mark.parametrize("playbook", sorted(path.name for path in ROOT.glob("playbooks/*.yml")))
def test_a_playbook_beside_the_runbook_can_be_run(playbook: str) -> None:
    """A playbook that is for emergencies must not fail on a role or an operation that it does not find."""
    assert LISTED_TASK.search(ansible("ansible-playbook", "-i", "app,", f"playbooks/{playbook}", "--list-tasks"))
