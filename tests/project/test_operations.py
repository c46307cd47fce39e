# SPDX-License-Identifier: GPL-3.0-or-later
"""An operation is two files, its action and its documentation; ansible-doc and the options must say what is done."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from typing import Any

import pytest
import yaml

from ansible_collections.pitstop.runbook.plugins.module_utils._args import RUN
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import PHASE_OF

from .tree import OPERATIONS, PLUGINS, ROLES, ansible

PACKAGE = "ansible_collections.pitstop.runbook.plugins"
every_operation = pytest.mark.parametrize("operation", OPERATIONS)

Options = dict[str, dict[str, Any]]


@cache
def _documentation() -> dict[str, dict[str, Any]]:
    """Operation -> what ansible-doc knows of it, its fragments included."""
    names = [f"pitstop.runbook.{operation}" for operation in OPERATIONS]
    documented = json.loads(ansible("ansible-doc", "--type=module", "--json", *names))
    return {name.rpartition(".")[2]: entry for name, entry in documented.items()}


def _shape(options: Options, suboptions: str) -> Options:
    """Options as they are compared: what is not said is written out."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": list(option.get("choices") or []),
            "suboptions": _shape(option.get(suboptions) or {}, suboptions),
        }
        for name, option in options.items()
    }


def test_every_operation_has_an_action_and_its_documentation() -> None:
    """An action without documentation cannot be looked up; documentation without an action fails on the host."""
    assert sorted(path.stem for path in PLUGINS.glob("action/*.py") if path.stem != "__init__") == OPERATIONS


@every_operation
def test_documented_options_are_those_that_are_taken(operation: str) -> None:
    """Names, types, defaults, choices: what ansible-doc promises is what the operation validates."""
    spec = {**RUN, **import_module(f"{PACKAGE}.modules.{operation}").ARGUMENT_SPEC}
    documented = _documentation()[operation]["doc"]["options"]
    assert _shape(documented, "suboptions") == _shape(spec, "options")


@every_operation
def test_the_action_takes_the_documented_options(operation: str) -> None:
    action = import_module(f"{PACKAGE}.action.{operation}").ActionModule
    assert action.spec is import_module(f"{PACKAGE}.modules.{operation}").ARGUMENT_SPEC


@every_operation
def test_it_says_what_check_mode_does(operation: str) -> None:
    """`--check` on a production database is a matter of trust."""
    assert _documentation()[operation]["doc"]["attributes"]["check_mode"]["support"] in {"full", "partial", "none"}


@every_operation
def test_examples_can_be_copied(operation: str) -> None:
    """An example with an option that is not there is worse than none."""
    entry = _documentation()[operation]
    uses = [task[key] for task in yaml.safe_load(entry["examples"]) for key in task if key.endswith(f".{operation}")]
    assert uses
    for use in uses:
        assert set(use or {}) <= set(entry["doc"]["options"])


@every_operation
def test_what_it_returns_is_documented(operation: str) -> None:
    returned = _documentation()[operation]["return"] or {}
    assert all(value.get("description") and value.get("type") for value in returned.values())


def test_ansible_doc_shows_each() -> None:
    shown = ansible("ansible-doc", "--type=module", *(f"pitstop.runbook.{operation}" for operation in OPERATIONS))
    assert all(f"pitstop.runbook.{operation}" in shown for operation in OPERATIONS)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_roles_keep_evidence_under_names_that_there_are(role: Any) -> None:
    """An unknown name fails at the end of the step, when its work is done."""
    names = [
        task["evidence"] for path in role.glob("tasks/*.yml") for task in _arguments(yaml.safe_load(path.read_text()))
    ]
    assert [name for name in names if "{" not in name and name.partition(".")[0] not in PHASE_OF] == []


def _arguments(node: Any) -> list[dict[str, Any]]:
    """Every mapping in a task file that has the key ``evidence``."""
    if isinstance(node, list):
        return [found for item in node for found in _arguments(item)]
    if isinstance(node, dict):
        return ([node] if "evidence" in node else []) + [found for item in node.values() for found in _arguments(item)]
    return []
