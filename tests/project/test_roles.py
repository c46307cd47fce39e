# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's interface is written down twice, for Ansible and for its reader; the two have to say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import role_options

from .tree import ROLES

every_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def _options(role: Path) -> dict[str, list[dict[str, Any]]]:
    """Option -> what each entry point that has it says of it."""
    options: dict[str, list[dict[str, Any]]] = {}
    for declared in role_options.entry_points(role).values():
        for name, option in declared.items():
            options.setdefault(name, []).append(dict(option))
    return options


@every_role
def test_defaults_are_those_of_the_spec(role: Path) -> None:
    """Ansible applies defaults/main.yml and shows the spec: where they differ, the documentation lies."""
    text = (role / "defaults/main.yml").read_text(encoding="utf-8")
    options = _options(role)
    specified = {name: said[0]["default"] for name, said in options.items() if not said[0].get("required")}
    required = {name for name, said in options.items() if said[0].get("required")}
    assert (yaml.safe_load(text) or {}) == specified
    assert set(re.findall(rf"^# ({role.name}_\w+):", text, re.MULTILINE)) == required


@every_role
def test_entry_points_agree_about_an_option(role: Path) -> None:
    """An option that two entry points share has one default in reality, so it may have only one on paper."""
    keys = ("type", "elements", "default", "required", "choices")
    for name, said in _options(role).items():
        assert all([option.get(key) for key in keys] == [said[0].get(key) for key in keys] for option in said), name


@every_role
def test_options_carry_the_name_of_their_role(role: Path) -> None:
    """All roles share one namespace: without the prefix one role's option would become another's."""
    assert [name for name in _options(role) if not name.startswith(f"{role.name}_")] == []


@every_role
def test_something_reads_every_option(role: Path) -> None:
    """Somebody would set an option and wait for an effect that cannot come."""
    read = "\n".join(path.read_text(encoding="utf-8") for path in [*role.glob("tasks/*.yml"), *role.glob("vars/*.yml")])
    assert [name for name in _options(role) if not re.search(rf"\b{name}\b", read)] == []


@every_role
def test_every_task_file_is_an_entry_point_or_part_of_one(role: Path) -> None:
    """What no spec and no other file names is dead; what a spec names and is not there fails when it is needed."""
    files = {path.stem: path.read_text(encoding="utf-8") for path in role.glob("tasks/*.yml")}
    points = set(role_options.entry_points(role))
    assert points <= set(files)
    text = "\n".join(files.values())
    assert [name for name in files if name not in points and f"{name}.yml" not in text] == []


def test_the_option_tables_are_up_to_date() -> None:
    """The README is where an option is looked up. Next: make docs."""
    assert list(role_options.outdated()) == []
