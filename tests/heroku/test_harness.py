# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests must never show a token to the real Heroku: the CLI starts only if it can reach nothing but loopback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox.node import PROGRAMS
from tests.heroku.cli import GUARD, NEEDED, Cli, LeavesLoopback, settings


@pytest.fixture
def good(tmp_path: Path) -> dict[str, str]:
    """Settings that stay on loopback."""
    return settings(18080, "not-a-real-token", tmp_path / "ca.pem", tmp_path, tmp_path)


def test_good_settings_are_accepted(good: dict[str, str]) -> None:
    """Else the refusals below would prove nothing."""
    assert Cli(Path("heroku"), good).environment == good


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_setting_is_refused(good: dict[str, str], name: str) -> None:
    """One forgotten setting sends the CLI to a host of Heroku's, with the token."""
    del good[name]
    with pytest.raises(LeavesLoopback, match=name):
        Cli(Path("heroku"), good)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEROKU_HOST", "heroku.com"),
        ("HEROKU_HOST", "localhost"),
        ("HEROKU_HOST", "https://api.heroku.com:443"),
        ("HEROKU_HOST", "http://localhost.example.com:80"),
        ("HEROKU_HOST", "http://example.com:80/localhost"),
        ("HEROKU_DATA_HOST", "api.data.heroku.com"),
        ("HEROKU_DATA_HOST", "localhost:18080"),
        ("HEROKU_GIT_HOST", "git.heroku.com"),
        ("HEROKU_PARTICLEBOARD_URL", "https://particleboard.heroku.com"),
        ("PGDIAGNOSE_URL", "pgdiagnose.herokai.com"),
        ("DISABLE_TELEMETRY", "1"),
        ("HEROKU_DISABLE_AUTOUPDATE", "0"),
        ("NODE_OPTIONS", "--require=other.cjs"),
        ("HTTPS_PROXY", "http://localhost:3128"),
        ("https_proxy", "http://localhost:3128"),
    ],
)
def test_a_setting_that_leads_elsewhere_is_refused(good: dict[str, str], name: str, value: str) -> None:
    """The CLI itself takes any HEROKU_HOST that contains ``localhost``, and falls back to api.heroku.com."""
    with pytest.raises(LeavesLoopback, match=name):
        Cli(Path("heroku"), good | {name: value})


@pytest.mark.parametrize(
    "call",
    [
        "require('node:net').connect(443, 'stranger.example')",
        "require('node:tls').connect({host: 'stranger.example', port: 443})",
        "require('node:https').get('https://stranger.example/')",
        "fetch('https://stranger.example/')",
    ],
)
def test_node_cannot_connect_to_a_stranger(good: dict[str, str], call: str) -> None:
    """A host that no setting names, such as that of telemetry, is refused before its name is looked up."""
    done = subprocess.run([str(PROGRAMS["node"]), "-e", call], env=good, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "may not connect to stranger.example:443" in done.stderr
    with pytest.raises(AssertionError, match=r"stranger\.example:443"):
        Cli(Path("heroku"), good).assert_stayed()


def test_node_can_connect_to_this_machine(good: dict[str, str]) -> None:
    """Else a CLI that fails for another reason would look as if it had stayed."""
    call = "const s = require('node:net').createServer(c => c.end()).listen(0, '127.0.0.1', () => "
    call += "require('node:net').connect(s.address().port, '127.0.0.1').on('close', () => s.close()).resume())"
    subprocess.run([str(PROGRAMS["node"]), "-e", call], env=good, check=True, timeout=60)
    Cli(Path("heroku"), good).assert_stayed()
    assert str(GUARD) in good["NODE_OPTIONS"]
