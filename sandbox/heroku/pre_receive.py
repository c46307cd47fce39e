# SPDX-License-Identifier: GPL-3.0-or-later
"""The pre-receive hook: sends the pushed commit to the server, shows its build, rejects the push if that fails.

Runs alone (``python -I``) inside ``git receive-pack``, so it uses the standard library only. The commit is still in
quarantine then, and git in this process is the only one that sees it.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile

DEPLOYED = ("refs/heads/main", "refs/heads/master")
NOTHING = "0" * 40


def main() -> int:
    """Build what is pushed to the main branch; exit 0 to accept the push. [GUESS] the words for other branches."""
    for line in sys.stdin:
        _, commit, reference = line.split()
        if reference not in DEPLOYED:
            print("Pushed to non-main branch, skipping build.", flush=True)
        elif commit != NOTHING and not deploy(commit):
            return 1
    return 0


def deploy(commit: str) -> bool:
    """Have the server build and release a commit, and copy its words to the sideband."""
    server, app = os.environ["SANDBOX_HEROKU_SERVER"], os.environ["SANDBOX_HEROKU_APP"]
    headers = {"Authorization": f"Bearer {os.environ['SANDBOX_HEROKU_TOKEN']}"}
    connection = http.client.HTTPConnection(server)
    with tempfile.TemporaryFile() as tarball:
        subprocess.run(["git", "archive", "--format=tar", commit], stdout=tarball, check=True)
        tarball.seek(0)
        connection.request("POST", f"/pushes/{app}/{commit}", body=tarball, headers=headers)
        response = connection.getresponse()
        while chunk := response.read1(65536):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    connection.request("GET", f"/pushes/{app}/{response.headers['Build-Id']}", headers=headers)
    return connection.getresponse().read() == b"succeeded"


if __name__ == "__main__":
    sys.exit(main())
