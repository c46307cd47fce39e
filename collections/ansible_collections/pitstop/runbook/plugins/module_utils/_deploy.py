# SPDX-License-Identifier: GPL-3.0-or-later
"""What releases, dynos and push outputs mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.pitstop.runbook.plugins.module_utils._errors import last_lines
from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run, read_json
from ansible_collections.pitstop.runbook.plugins.module_utils._run import deploy_of

Json = Mapping[str, Any]


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


def to_restore(releases: Iterable[tuple[Json, str | None]], noted: Json, ours: Collection[str]) -> Json:
    """The release that a rollback goes to: the newest of the old slug before the first of ours.

    That is the one ``noted`` before the deploy, unless somebody has set a config var between the note and our release.
    """
    restored = noted
    for release, commit in sorted(releases, key=lambda pair: int(pair[0]["version"])):
        if commit in ours:
            break
        same = slug_id(release) == slug_id(noted) and release["status"] == "succeeded"
        if same and release["version"] > noted["version"]:
            restored = release
    return restored


@dataclass(frozen=True)
class Shipment:
    """What a run has shipped, and what was done to take it back, as its evidence tells it."""

    before: dict[str, Any] | None
    """The release that was live before (version, id, commit). None when the run ended before it was known."""
    commit: str | None
    """The commit that was shipped, or would have been. None when the run did not come to that."""
    ours: frozenset[str]
    """All commits whose releases are this run's: those shipped, and the one that reverts them."""
    pushed: bool
    """Whether shipping left evidence. A run that was killed has none and may have shipped all the same."""
    promoted: bool
    """Whether it was promoted from another app: its commits are not this run's."""
    irreversible: tuple[str, ...]
    """What the old code may not live with once the release command has run, a sentence each."""
    reverted_by: str | None
    """The commit that took it back."""
    restored_as: int | None
    """The version that serves the old code again."""
    refused: bool
    """Whether the run's last start ended in its review: it shipped nothing, though an earlier start may have."""

    @property
    def shipped(self) -> frozenset[str]:
        """Of ``ours``, those that are to be taken back."""
        return self.ours - {self.reverted_by}

    @classmethod
    def of_run(cls, run: Run) -> Shipment:
        """The shipment of ``run``, or of the run before it when that was killed."""
        deploy, rollback = deploy_of(run), run.read("rollback") or {}
        if (owner := deploy.get("run_id", run.id)) != run.id:
            rollback = {**(read_json(run.directory.parent / owner / "rollback.json") or {}), **rollback}
        return cls.of(deploy, rollback)

    @classmethod
    def of(cls, deploy: Json | None, rollback: Json | None = None) -> Shipment:
        """The shipment in evidence ``deploy``, and in ``rollback`` what was done to take it back."""
        sections, undoing = deploy or {}, rollback or {}
        review = sections.get("review") or {}
        live, before = review.get("live"), review.get("restore") or review.get("live")
        earlier = live["commit"] if live and before and live["commit"] != before["commit"] else None
        built = [(sections.get(name) or {}).get("commit") for name in ("build", "promote")]
        promoted = review.get("method", "promote" if sections.get("promote") else "") == "promote"
        if promoted:  # a killed promotion has left nothing but the intention
            commit = review.get("ships") or built[1] or earlier
        else:
            commit = (sections.get("commit") or {}).get("commit") or earlier
        revert, release = undoing.get("revert") or {}, undoing.get("release") or {}
        reverted = revert.get("reverted") and not revert.get("failed") and revert.get("commit") != commit
        reverted_by = revert.get("commit") if reverted else None
        return cls(
            before=dict(before) if before else None,
            commit=commit,
            ours=frozenset(str(found) for found in (commit, earlier, reverted_by, *built) if found),
            pushed=any(sections.get(name) for name in ("push_heroku", "build", "promote")),
            promoted=promoted,
            irreversible=tuple(review.get("irreversible") or ()) if review.get("release_command") else (),
            reverted_by=reverted_by,
            restored_as=release.get("version") if release.get("serves_old") else None,
            refused=bool(review.get("failed")),
        )

    def is_old(self, commit: str | None) -> bool:
        """Whether a release of ``commit`` serves the old content: that of the old commit, or of the revert."""
        return commit is not None and self.before is not None and commit in (self.before["commit"], self.reverted_by)


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


_BY_PULL_REQUEST = "git push {remote} {commit}:refs/heads/{topic}, then open a pull request from it into {branch}"
_PUSH_PROBLEMS = (
    # The words of Heroku, git (2.39 to 2.5x), GitHub, GitLab, Bitbucket and Azure DevOps; the first that fits counts.
    (
        r"Push rejected|Push failed",
        "the build failed on Heroku; nothing was released",
        "mend the build (its output is above), then run again",
    ),
    (
        r"\[(remote )?rejected\].*\((non-fast-forward|fetch first|needs force|stale info)",
        "the remote branch has commits that this one lacks, and force would lose them",
        "git pull --rebase {remote} {branch}, look at what came in, then run again",
    ),
    (r"cannot lock ref|failed to (lock|update ref)", "somebody else pushed at the same moment", "run again"),
    (
        r"GH009|PUSH PROTECTION|cannot contain secrets|[Ss]ecrets? (was |were )?detected",
        "the remote has found a secret in the commits",
        "make the secret invalid, take it out of the commits, then run again",
    ),
    (
        r"GH001|exceeds .*file size limit|is larger than the maximum",
        "the remote takes no file of this size",
        "take the file out of the commits (git lfs keeps large ones), then run again",
    ),
    (
        (
            r"GH006|GH013|[Pp]rotected branch|repository rule violations|TF402455"
            r"|only be modified through pull requests|Permission denied to update branch"
        ),
        "the branch is protected",
        _BY_PULL_REQUEST,
    ),
    (
        (
            r"Authentication failed|could not read (Username|Password)|Invalid (username|credentials)"
            r"|returned error: 401|Permission denied \(|Host key verification failed"
        ),
        "the remote did not accept the credential",
        "try git push --dry-run {remote} {commit}:refs/heads/{branch} by hand until it is let in, then run again",
    ),
    (
        r"denied to |not allowed to push|[Ww]rite access .*not granted|marked as read only|returned error: 403",
        "this account may not push there",
        "give it the right to push, then run again; or " + _BY_PULL_REQUEST,
    ),
    (
        r"[Rr]epository .*not found|does not appear to be a git repository|returned error: 404|No such app",
        "the remote repository is not there, or this account may not see it",
        "check git remote -v and pitstop_heroku_app, then run again",
    ),
    (r"shallow update not allowed", "this clone is shallow", "git fetch --unshallow, then run again"),
    (
        (
            r"Could not resolve host|Failed to connect|[Tt]imed out|Connection (refused|reset|closed)"
            r"|hung up unexpectedly|RPC failed|early EOF|unexpected disconnect|returned error: 5\d\d"
        ),
        "the connection to the remote failed",
        "look at its status page, then run again: it is asked first what it has",
    ),
    (r"hook declined", "a hook of the remote declined it", "mend what it names, then run again"),
)


def push_problem(output: str, remote: str, commit: str, branch: str, topic: str) -> tuple[str, str]:
    """Why the push of ``commit`` to ``branch`` of ``remote`` was refused and what to do next, from what git printed.

    ``topic`` is the name of a branch for a pull request. The remote's own words are part of the reason.
    """
    said = [without_sideband(line) for line in output.splitlines() if line.startswith("remote:")]
    words = last_lines("\n".join(line for line in said if line))
    for pattern, why, next_step in _PUSH_PROBLEMS:
        if re.search(pattern, output):
            step = next_step.format(remote=remote, commit=commit[:12], branch=branch, topic=topic)
            return f"{why} ({words})" if words else why, step
    return last_lines(output), f"git push {remote} {commit[:12]}:refs/heads/{branch} by hand, to see more"


def without_sideband(line: str) -> str:
    """A line of a push, without git's ``remote:`` and the blanks that it pads with."""
    return line.removeprefix("remote:").strip()
