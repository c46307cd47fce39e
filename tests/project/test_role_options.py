# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator of the roles' option tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.role_options import BEGIN, END, Options, entry_points, outdated, table, with_table

README = f"# db\n\nBy hand.\n\n{BEGIN}\nold\n{END}\n\nBy hand too.\n"
OPTIONS: Options = {
    "db_tables": {"type": "list", "elements": "str", "required": True, "description": ["Names,", "as C(schema.name)."]},
    "db_mode": {"default": "fast", "choices": ["fast", "slow"], "description": "How, a|b."},
}


def test_a_table_says_type_default_and_meaning() -> None:
    assert table({"main": OPTIONS}).splitlines() == [
        "| Option | Type | Default | Meaning |",
        "| --- | --- | --- | --- |",
        "| `db_tables` | list of str | **required** | Names, as `schema.name`. |",
        r"| `db_mode` | str | `fast` | How, a\|b. One of `fast`, `slow`. |",
    ]


def test_with_several_entry_points_it_says_whose_an_option_is() -> None:
    lines = table({"main": OPTIONS, "undo": {"db_mode": OPTIONS["db_mode"], "db_age": {"type": "int"}}}).splitlines()
    assert [line.split(" | ")[3] for line in lines[2:]] == ["`main`", "`main`, `undo`", "`undo`"]


def test_nested_options_have_rows_of_their_own() -> None:
    nested: Options = {"db_index": {"type": "dict", "options": {"name": {"type": "str", "required": True}}}}
    assert "| `db_index.name` | str | **required** |  |" in table({"main": nested})


def test_only_what_is_between_the_marks_changes() -> None:
    after = with_table(README, {"main": {}})
    assert after == README.replace("old", "No options.")


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="put <!-- options:begin -->"):
        with_table("# db\n", {"main": OPTIONS})


def test_a_readme_is_outdated_until_it_is_written(tmp_path: Path) -> None:
    """The check in make test relies on it."""
    (tmp_path / "db/meta").mkdir(parents=True)
    spec = {"argument_specs": {"main": {"options": OPTIONS}, "undo": {"short_description": "Nothing to set"}}}
    (tmp_path / "db/meta/argument_specs.yml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    readme = tmp_path / "db/README.md"
    readme.write_text(README, encoding="utf-8")
    assert set(entry_points(tmp_path / "db")) == {"main", "undo"}
    wanted = outdated(tmp_path)
    assert list(wanted) == [readme]
    readme.write_text(wanted[readme], encoding="utf-8")
    assert outdated(tmp_path) == {}
