# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the option table of each role's README from its argument spec, or with --check say which are out of date.

A README says by two comments where the table belongs; what is outside of them is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[1] / "roles"
BEGIN, END = "<!-- options:begin -->", "<!-- options:end -->"
TABLE = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
MARKUP = re.compile(r"\b[CVOMPERU]\(([^()]*)\)")

Options = dict[str, Mapping[str, Any]]


def entry_points(role: Path) -> dict[str, Options]:
    """Entry point -> its options, as ``meta/argument_specs.yml`` has them."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    return {name: spec.get("options") or {} for name, spec in specs.items()}


def table(points: dict[str, Options]) -> str:
    """The Markdown table of all options; says to which entry points an option belongs where there are several."""
    # Backwards twice, so that the first entry point that has an option is the one that describes it.
    options = {name: option for declared in reversed(points.values()) for name, option in reversed(declared.items())}
    if not options:
        return "No options."
    several = len(points) > 1
    header = ["Option", "Type", "Default", *(["Entry points"] if several else []), "Meaning"]
    lines = [header, ["---"] * len(header)]
    for name, option in reversed(options.items()):
        used_by = ", ".join(f"`{point}`" for point, declared in points.items() if name in declared)
        lines += [[*row[:3], *([used_by] if several else []), row[3]] for row in _rows(name, option)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _rows(name: str, option: Mapping[str, Any]) -> Iterator[list[str]]:
    kind = option.get("type", "str") + (f" of {option['elements']}" if "elements" in option else "")
    yield [f"`{name}`", kind, _default(option), _meaning(option)]
    for child, suboption in (option.get("options") or {}).items():
        yield from _rows(f"{name}.{child}", suboption)


def _default(option: Mapping[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    if "default" not in option:
        return ""
    value = option["default"]
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`".replace("|", r"\|")


def _meaning(option: Mapping[str, Any]) -> str:
    description = option.get("description", [])
    sentences = [description] if isinstance(description, str) else [*description]
    if choices := option.get("choices"):
        sentences.append(f"One of {', '.join(f'`{choice}`' for choice in choices)}.")
    return MARKUP.sub(r"`\1`", " ".join(" ".join(sentences).split())).replace("|", r"\|")


def with_table(readme: str, points: dict[str, Options]) -> str:
    """``readme`` with its table anew. Raises ValueError when it does not say where the table belongs."""
    if not TABLE.search(readme):
        raise ValueError(f"the README has no place for its options: put {BEGIN} and {END} where they belong")
    return TABLE.sub(lambda _: f"{BEGIN}\n{table(points)}\n{END}", readme)


def outdated(roles: Path = ROLES) -> dict[Path, str]:
    """README -> its text as it should be, of those that are not."""
    wanted = {}
    for spec in sorted(roles.glob("*/meta/argument_specs.yml")):
        readme = spec.parents[1] / "README.md"
        before = readme.read_text(encoding="utf-8")
        after = with_table(before, entry_points(spec.parents[1]))
        if after != before:
            wanted[readme] = after
    return wanted


def main() -> int:
    """Write the tables; with --check write nothing, and return 1 when one is out of date."""
    parser = argparse.ArgumentParser(prog="python -m scripts.role_options", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a table is out of date")
    check = parser.parse_args().check
    wanted = outdated()
    for readme, text in wanted.items():
        print(f"{'out of date' if check else 'written'}: {readme}")
        if not check:
            readme.write_text(text, encoding="utf-8")
    if check and wanted:
        print("Next: make docs")
    return int(check and bool(wanted))


if __name__ == "__main__":
    sys.exit(main())
