# SPDX-License-Identifier: GPL-3.0-or-later
"""What releases, dynos, diffs and push outputs mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import last_lines

Json = Mapping[str, Any]

_SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Heroku API key": re.compile(r"\bHRKU-[0-9A-Za-z_-]{20,}"),
    "an AWS access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    # ${PASSWORD}, <password>, *** and the like stand for one, and stop nobody.
    "a URL with a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@]+:[^\s:/@${}<>*]{4,}@"),
    "a token of a chat bot": re.compile(r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b"),
}
_CONFLICT = re.compile(r"^\+(<{7} |>{7} |={7}$)")


def findings(diff: str) -> list[str]:
    """What must not be shipped in the added lines of a diff: ``file: kind`` each. The secret itself is not repeated."""
    found: list[str] = []
    file = "?"
    for line in diff.splitlines():
        if line.startswith("+++ "):
            file = line[4:].removeprefix("b/")
        elif line.startswith("+"):
            if _CONFLICT.match(line):
                found.append(f"{file}: a conflict marker")
            found += [f"{file}: {kind}" for kind, pattern in _SECRETS.items() if pattern.search(line)]
    return list(dict.fromkeys(found))


def live_release(releases: Sequence[Json]) -> Json | None:
    """The release that is current, of a list in any order."""
    return next((release for release in releases if release.get("current")), None)


def slug_id(release: Json) -> str | None:
    slug = release.get("slug")
    return str(slug["id"]) if slug else None


def newer_than(releases: Iterable[Json], version: int) -> list[Json]:
    """Releases after ``version``, newest first."""
    return sorted((r for r in releases if r["version"] > version), key=lambda r: int(r["version"]), reverse=True)


def foreign_releases(
    releases: Iterable[tuple[Json, str | None]], after: int, ours: Collection[str], restored_slug: str | None
) -> list[Json]:
    """Of ``releases`` with their commits: those after version ``after`` that this run did not make, oldest first.

    A run releases each of its commits once: what releases the same slug again is somebody's change of config vars,
    which a rollback would take away too. What has ``restored_slug`` is a rollback; a failed release changes nothing.
    """
    foreign: list[Json] = []
    seen: set[str | None] = set()
    for release, commit in sorted(releases, key=lambda pair: int(pair[0]["version"])):
        slug = slug_id(release)
        if release["version"] <= after or release["status"] == "failed" or slug == restored_slug:
            continue
        if commit not in ours or slug in seen:
            foreign.append(release)
        seen.add(slug)
    return foreign


@dataclass(frozen=True)
class Shipment:
    """What a run has shipped, as its evidence tells it."""

    before: dict[str, Any] | None
    """The release that was live before (version, id, commit). None when the run ended before it was known."""
    commit: str | None
    """The commit that was shipped, or would have been. None when the run did not come to that."""
    ours: frozenset[str]
    """All commits whose releases are this run's: those shipped, and the one that reverts them."""
    pushed: bool
    """Whether the push to Heroku left evidence. A run that was killed has none and may have pushed all the same."""
    reverted_by: str | None
    """The commit that took it back."""
    refused: bool
    """Whether the run's last start ended in its review: it shipped nothing, though an earlier start may have."""

    @classmethod
    def of(cls, deploy: Json | None, rollback: Json | None = None) -> Shipment:
        """The shipment in evidence ``deploy``, and in ``rollback`` what was done to take it back."""
        sections = deploy or {}
        review = sections.get("review") or {}
        live, before = review.get("live"), review.get("restore") or review.get("live")
        earlier = live["commit"] if live and before and live["commit"] != before["commit"] else None
        commit = (sections.get("commit") or {}).get("commit") or earlier
        revert = (rollback or {}).get("revert") or {}
        # A repeated revert has nothing left to revert; the commit it found is still the one that took all back.
        reverted_by = None if revert.get("failed") or revert.get("commit") == commit else revert.get("commit")
        ours = frozenset(str(found) for found in (commit, earlier, reverted_by) if found)
        return cls(
            before=dict(before) if before else None,
            commit=commit,
            ours=ours,
            pushed=bool(sections.get("push_heroku")),
            reverted_by=reverted_by,
            refused=bool(review.get("failed")),
        )


DynoState = Literal["up", "waiting", "crashed"]


def dyno_state(dynos: Sequence[Json], wanted: int, version: int) -> tuple[DynoState, str]:
    """Whether all ``wanted`` web dynos are up on release ``version``, and what was seen.

    No dyno at all is not up when the formation wants some; a crashed one is the end at once.
    """
    web = [dyno for dyno in dynos if dyno["type"] == "web"]
    seen = ", ".join(f"{d['name']} {d['state']} on v{d['release']['version']}" for d in web) or "no web dyno"
    ours = [dyno for dyno in web if dyno["release"]["version"] >= version]
    if any(dyno["state"] == "crashed" for dyno in ours):
        return "crashed", seen
    up = [dyno for dyno in ours if dyno["state"] in ("up", "idle")]
    return ("up", seen) if len(up) >= wanted and len(up) == len(web) else ("waiting", seen)


def push_problem(output: str) -> tuple[str, str]:
    """Why a push was refused and what to do next, from what git printed."""
    if "pre-receive hook declined" in output:
        return (
            "the build failed on Heroku; nothing was released",
            "mend the build (its output is above), then run again",
        )
    if "non-fast-forward" in output or "fetch first" in output:
        return (
            "the remote branch has commits that this one lacks, and force would lose them",
            "git pull --rebase, look at what came in, then run again",
        )
    if "protected branch" in output:
        return "the branch is protected", "open a pull request, or allow this account to push"
    if re.search(r"Authentication failed|could not read Username|401|403", output):
        return "the remote did not accept the credential", "check the key, and its right to push to this repository"
    if re.search(r"not found|does not appear to be a git repository|404", output):
        return "the remote repository is not there", "check `git remote -v` and pitstop_heroku_app"
    return last_lines(output), "push it by hand to see more"


def without_sideband(line: str) -> str:
    """A line of a push, without git's ``remote:`` and the blanks that it pads with."""
    return line.removeprefix("remote:").strip()
