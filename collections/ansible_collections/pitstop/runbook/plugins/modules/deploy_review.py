# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation and options of the operation; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_review
short_description: Look at what a deploy would ship, and refuse what must not be shipped
description:
  - Reads the live release and the work tree, and shows everything between what is live and what would be shipped,
    commits that are not deployed yet as well as declared changes.
  - Refuses what would lose a commit that is live or on the team's remote, changes that are not declared, an unfinished
    merge or rebase, a shallow clone, and a maintenance mode that this run has not turned on.
  - Refuses secrets and conflict markers in added lines, also in commits that are not pushed yet, large files, new Git
    LFS pointers, and submodules where a tarball is built. A line with C(gitleaks:allow) or C(pragma) C(allowlist
    secret) is taken to hold no secret.
  - Changes nothing in the repository; of the remote only objects are fetched.
author: The Pitstop maintainers (@pitstop)
options:
  repository:
    description: "The app's git checkout."
    type: path
    required: true
  branch:
    description: The branch that is deployed.
    type: str
    default: main
  paths:
    description: The paths that may have uncommitted changes; these are what M(pitstop.runbook.git_commit) commits.
    type: list
    elements: str
    default: []
  remote:
    description: The team's own remote.
    type: str
    default: origin
  method:
    description: How it will be shipped. With V(promote) nothing is committed, and the work tree is not shipped.
    type: str
    choices: [git, build, promote]
    default: git
  promote_from:
    description: The app whose slug is promoted.
    type: str
  pending:
    description: What to do while a build or release of somebody is going on.
    type: str
    choices: [wait, stop]
    default: wait
  pending_timeout:
    description: Seconds to wait for its end.
    type: int
    default: 1800
  max_file_bytes:
    description: The largest file that may be new or changed.
    type: int
    default: 5000000
  migration_paths:
    description:
      - Globs of the files in which statements that cannot be taken back are looked for; C(*) also matches a slash.
      - Each added line is read by itself. A comment, or the section that leads back, counts as well.
    type: list
    elements: str
    default: ["migrations/**", "db/migrate/**", "prisma/migrations/**", "alembic/versions/**"]
  irreversible:
    description: Whether what is shipped cannot be taken back for another reason.
    type: bool
    default: false
  maintenance_mode:
    description: Whether maintenance mode will be on meanwhile.
    type: bool
    default: false
extends_documentation_fragment:
  - pitstop.runbook.heroku
  - pitstop.runbook.run
attributes:
  check_mode:
    support: full
    description: Reads only, so it does the same in check mode.
  diff_mode:
    support: full
    description: Shows the diff that would be shipped.
"""

EXAMPLES = r"""
- name: Show what will be shipped
  pitstop.runbook.deploy_review:
    repository: /srv/invoice-bot
    paths: [lib/folios.js]
    evidence: deploy.review
"""

RETURN = r"""
live:
  description: The live release.
  returned: always
  type: dict
  sample:
    version: 5
    id: 01234567-89ab-cdef-0123-456789abcdef
    commit: 1f4c892e…
    created_at: "2026-11-24T06:58:38Z"
    status: succeeded
    description: Deploy 1f4c892e
restore:
  description:
    - The release that a rollback of this run brings back, keys as in RV(live). A run that is started again keeps what
      it found first, as long as what is live is its own.
  returned: always
  type: dict
base_commit:
  description: HEAD before the deploy.
  returned: always
  type: str
method:
  description: How it will be shipped.
  returned: always
  type: str
ships:
  description: The commit that will be shipped, or null when it is still to be committed.
  returned: always
  type: str
files:
  description: The declared paths that have changes.
  returned: always
  type: list
  elements: str
commits:
  description: Commits that are not deployed yet, C(id) and C(subject).
  returned: always
  type: list
  elements: dict
needed:
  description: Whether there is anything to deploy.
  returned: always
  type: bool
patch:
  description: The diff between what is live and what will be shipped; of a long one the first million characters.
  returned: always
  type: str
release_command:
  description: Whether the Procfile declares a release command.
  returned: always
  type: bool
preboot:
  description: Whether the app has preboot.
  returned: always
  type: bool
maintenance:
  description: Whether maintenance mode is on; then it was an earlier start of this run that turned it on.
  returned: always
  type: bool
irreversible:
  description: What migrations do that cannot be taken back, a sentence each.
  returned: always
  type: list
  elements: str
  sample: ["db/migrate/3.sql:4 DROP COLUMN"]
plan:
  description: What will happen, a sentence each.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.pitstop.runbook.plugins.module_utils._args import HEROKU, Spec
from ansible_collections.pitstop.runbook.plugins.module_utils._documented import action_only

ARGUMENT_SPEC: Spec = {
    **HEROKU,
    "repository": {"type": "path", "required": True},
    "branch": {"type": "str", "default": "main"},
    "paths": {"type": "list", "elements": "str", "default": []},
    "remote": {"type": "str", "default": "origin"},
    "method": {"type": "str", "choices": ["git", "build", "promote"], "default": "git"},
    "promote_from": {"type": "str"},
    "pending": {"type": "str", "choices": ["wait", "stop"], "default": "wait"},
    "pending_timeout": {"type": "int", "default": 1800},
    "max_file_bytes": {"type": "int", "default": 5_000_000},
    "migration_paths": {
        "type": "list",
        "elements": "str",
        "default": ["migrations/**", "db/migrate/**", "prisma/migrations/**", "alembic/versions/**"],
    },
    "irreversible": {"type": "bool", "default": False},
    "maintenance_mode": {"type": "bool", "default": False},
}


if __name__ == "__main__":
    action_only(ARGUMENT_SPEC)
