# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m sandbox <command>`: a small production on this machine."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from sandbox import faults, status
from sandbox.errors import SandboxError
from sandbox.lifecycle import Sandbox
from sandbox.lock import exclusive
from sandbox.paths import Paths

LARGEST_DISTANCE = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        options.run(options, Paths.from_environment())
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsandbox: interrupted. Run the command again: it goes on from here.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A small production on this machine.")
    commands = parser.add_subparsers(title="commands", required=True)
    up = commands.add_parser("up", help="make and start everything that is missing")
    up.add_argument("--fresh", action="store_true", help="database, repository and Heroku as on the first day")
    up.add_argument("--fault", metavar="NAME", help="set this fault, too")
    up.add_argument("--round-trip-ms", type=_distance, metavar="MS", help="distance to the database (10)")
    up.set_defaults(run=_up)
    commands.add_parser("down", help="stop everything, keep the data").set_defaults(run=_down)
    commands.add_parser("clean", help="stop everything and remove it").set_defaults(run=_clean)
    commands.add_parser("status", help="what runs, where, in which release").set_defaults(run=_status)
    fault = commands.add_parser("fault", help="set, unset or list faults")
    fault.add_argument("name", metavar="NAME|none|list")
    fault.set_defaults(run=_fault)
    return parser


def _up(options: argparse.Namespace, paths: Paths) -> None:
    if options.fault is not None:
        faults.check_name(options.fault)
    with exclusive(paths):
        sandbox = Sandbox.open(paths, options.round_trip_ms)
        print(f"sandbox in {paths.root}")
        sandbox.up(fresh=options.fresh)
        if options.fault is not None:
            faults.set_fault(paths, options.fault)
        print(status.table(sandbox))


def _down(_: argparse.Namespace, paths: Paths) -> None:
    with exclusive(paths):
        _existing(paths).down()


def _clean(_: argparse.Namespace, paths: Paths) -> None:
    if paths.root.exists():
        with exclusive(paths):
            Sandbox.open(paths).clean()


def _status(_: argparse.Namespace, paths: Paths) -> None:
    print(status.table(_existing(paths)))


def _fault(options: argparse.Namespace, paths: Paths) -> None:
    if options.name == "list":
        width = max(map(len, faults.DESCRIPTIONS))
        print("\n".join(f"{name:<{width}}  {text}" for name, text in faults.DESCRIPTIONS.items()))
        return
    if not paths.state.exists():
        raise SandboxError(f"no sandbox runs in {paths.root}. Start it: python -m sandbox up")
    if options.name == "none":
        faults.unset_all(paths)
    else:
        faults.set_fault(paths, options.name)


def _existing(paths: Paths) -> Sandbox:
    if not paths.settings.exists():
        raise SandboxError(f"there is no sandbox in {paths.root}. Make one: python -m sandbox up")
    return Sandbox.open(paths)


def _distance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LARGEST_DISTANCE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds from 0 to {LARGEST_DISTANCE}")
    return value


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
