# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's sections on the deploy, on its undoing, and on the backup."""

from __future__ import annotations

from typing import Final

from ansible_collections.pitstop.runbook.plugins.module_utils._report.cells import (
    bytes_cell,
    code_cell,
    failure_of,
    seconds_cell,
    term_cell,
)
from ansible_collections.pitstop.runbook.plugins.module_utils._report.evidence import Evidence, Fact
from ansible_collections.pitstop.runbook.plugins.module_utils._report.language import Language
from ansible_collections.pitstop.runbook.plugins.module_utils._report.view import (
    EMPTY,
    Block,
    Cell,
    Facts,
    Listing,
    Paragraph,
    Section,
    Tone,
)

BACKUP_TAKEN: Final = "succeeded"
BACKUP_WAIVED: Final = "waived"
_STATUS_TONES: Final[dict[str, Tone]] = {"succeeded": "good", "failed": "bad", "pending": "warn"}
_BACKUP_TONES: Final[dict[str, Tone]] = {"succeeded": "good", "failed": "bad", "waived": "warn"}
_PROOF_TONES: Final[dict[str, Tone]] = {"restore": "good", "list": "good", "none": "warn"}
_LOG_TONES: Final[dict[str, Tone]] = {"quiet": "good", "worse": "bad", "unknown": "warn"}
_COMMIT_SHOWN: Final = 12
_SHIPPED_BY: Final = ("push_heroku", "build", "promote")


def release_is_up(evidence: Evidence) -> bool:
    """Whether the new release succeeded, the app answered as it, and no step of the deploy failed."""
    deploy = evidence["deploy"]
    healthy = bool(deploy["health"]) and deploy["health"]["failed"].flag is not True
    return evidence.whole("deploy") and deploy["release"]["status"].text == "succeeded" and healthy


def nothing_to_deploy(evidence: Evidence) -> bool:
    """Whether what is live already was what would have been deployed."""
    deploy = evidence["deploy"]
    return deploy["review"]["needed"].flag is False and not any(deploy[way] for way in _SHIPPED_BY)


def deploy_undone(evidence: Evidence) -> bool:
    """Whether a release was rolled back, or deployed commits were reverted."""
    undoing = [part for name, part in evidence["rollback"].items() if name in ("release", "revert")]
    return any(part["undone"].texts for part in undoing)


def deploy(evidence: Evidence, say: Language) -> Section | None:
    """What was deployed, as which release, how long it took, and whether the app answers as it."""
    found = evidence["deploy"]
    if not found:
        return None
    pairs = [
        ("deploy.release", _release(found, say)),
        ("deploy.status", term_cell("release_status", found["release"]["status"].text, _STATUS_TONES, say)),
        ("deploy.commit", code_cell(_commit(found)[:_COMMIT_SHOWN])),
        ("deploy.seconds", seconds_cell(found["release"]["seconds"].number, say)),
        ("deploy.health", _health(found["health"], say)),
        ("deploy.log", _log(found["log"], say)),
    ]
    blocks: list[Block] = [Facts(tuple((say(key), cell) for key, cell in pairs if cell != EMPTY))]
    if nothing_to_deploy(evidence):
        blocks = [Paragraph(Cell(say("deploy.nothing")))]
    files = [code_cell(file) for file in found["review"]["files"].texts]
    no_way_back = [say.quote(sentence, tone="warn") for sentence in found["review"]["irreversible"].texts]
    listed = {"deploy.commits": _commits(found), "deploy.files": files, "deploy.irreversible": no_way_back}
    blocks += [Listing(say(key), tuple(items)) for key, items in listed.items() if items]
    blocks += failure_of(evidence, "deploy", say)
    if deploy_undone(evidence):
        blocks.append(Paragraph(Cell(say("deploy.undone"), tone="warn")))
    return Section("deploy", say("deploy"), tuple(blocks))


def backup(evidence: Evidence, say: Language) -> Section | None:
    """How the backup was taken, how big it is, and what proves it."""
    found = evidence["backup"]
    if not found:
        return None
    taken = found["taken_at"].moment
    pairs = [
        ("backup.method", term_cell("backup_method", found["method"].text, {"waived": "warn"}, say)),
        ("backup.id", code_cell(found["id"].text)),
        ("backup.file", code_cell(found["file"].text)),
        ("backup.taken", Cell(say.date(taken)) if taken and found["method"].text != BACKUP_WAIVED else EMPTY),
        ("backup.seconds", seconds_cell(found["seconds"].number or None, say)),
        ("backup.size", bytes_cell(found["size_bytes"].number, say)),
        ("backup.verdict", term_cell("backup_verdict", found["verdict"].text, _BACKUP_TONES, say)),
        ("backup.proof", _proof(found, say) if found["method"].text != BACKUP_WAIVED else EMPTY),
    ]
    facts = Facts(tuple((say(key), cell) for key, cell in pairs if cell != EMPTY))
    return Section("backup", say("backup"), (facts, *failure_of(evidence, "backup", say)))


def _proof(found: Fact, say: Language) -> Cell:
    entries = found["entries"].number
    notes = () if entries is None else (Cell(say("proof.entries", n=say.number(entries)), tone="quiet"),)
    return term_cell("proof", found["proof"].text, _PROOF_TONES, say, notes)


def _release(found: Fact, say: Language) -> Cell:
    before, after = (_version(part["version"]) for part in (found["review"]["live"], found["release"]))
    if before and after:
        return Cell(say("deploy.versions", before=before, after=after))
    return Cell(after) if after else EMPTY


def _version(value: Fact) -> str:
    """A release's number as Heroku shows it: v42."""
    text = value.text
    return text if not text or text.startswith("v") else f"v{text}"


def _commit(found: Fact) -> str:
    return found["release"]["commit"].text or found["commit"]["commit"].text


def _health(health: Fact, say: Language) -> Cell:
    if not health["url"]:
        return EMPTY
    if health["failed"].flag or not health["passes"]:
        last = (say.quote(health["last"].text, tone="bad"),) if health["last"] else ()
        return Cell(health["url"].text, code=True, notes=last)
    passes = say.number(health["passes"].number or 0)
    return Cell(say("deploy.health_passes", url=health["url"].text, n=passes), tone="good")


def _log(log: Fact, say: Language) -> Cell:
    """What the app's log said after the deploy, where it was read."""
    if not log["verdict"]:
        return EMPTY
    tone = _LOG_TONES.get(log["verdict"].text, "")
    findings = tuple(
        say.quote(sentence, tone="bad" if tone == "bad" else "quiet") for sentence in log["findings"].texts
    )
    requests, seconds = say.number(log["requests"].number or 0), say.duration(log["seconds"].number or 0)
    return Cell(say(f"deploy.log_{log['verdict'].text}", n=requests, seconds=seconds), tone=tone, notes=findings)


def _commits(found: Fact) -> list[Cell]:
    """The commits that were not deployed yet when the deploy began."""
    reviewed = [(commit["id"].text, commit["subject"].text) for commit in found["review"]["commits"].records()]
    return [Cell(f"{commit[:_COMMIT_SHOWN]} {subject}".strip()) for commit, subject in reviewed if commit or subject]
