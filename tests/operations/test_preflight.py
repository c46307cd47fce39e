# SPDX-License-Identifier: GPL-3.0-or-later
"""Access is proved by using it: a live PostgreSQL, a live local Heroku, real git repositories."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ansible_collections.pitstop.runbook.plugins.module_utils._evidence import Run

from .conftest import RunOperation
from .greeter import greeter
from .local_heroku import APP, LocalHeroku
from .postgres_server import execute


def as_superuser(postgres_url: str, database_url: str) -> str:
    """The superuser's URL of the test's own database."""
    return postgres_url.rpartition("/")[0] + urlsplit(database_url).path


class TestDatabase:
    def test_tells_what_can_be_done(
        self, run_operation: RunOperation, run: Run, database_url: str, postgres_url: str
    ) -> None:
        """Else later steps would guess from the version what the role may do."""
        role = urlsplit(database_url).username
        execute(database_url, "CREATE TABLE invoices (id int)")
        execute(as_superuser(postgres_url, database_url), "CREATE EXTENSION pgstattuple", f"GRANT pg_monitor TO {role}")
        args = {"database_url": database_url, "tables": ["invoices"], "evidence": "preflight.database"}
        done = run_operation("postgresql_probe", args, run=run)
        assert not done.failed, done.message
        facts = done.result
        assert facts["server_version_num"] >= 180000
        assert (facts["role"], facts["database"], facts["is_superuser"]) == (role, role, False)
        assert {"pg_monitor", "pg_read_all_stats"} <= set(facts["member_of"])
        assert facts["extensions"]["pgstattuple"]
        assert facts["functions"]["public.pgstattuple(regclass)"] is True
        assert facts["pgstattuple"] is True
        assert facts["settings"]["max_connections"] == "100"
        assert facts["available"]["pg_stat_statements"]["creatable"] is False
        assert facts["plan"] is None
        assert facts["tables"] == [{"name": "public.invoices", "owner": role, "owned": True, "maintainable": True}]
        assert (run.read("preflight") or {})["database"]["size_bytes"] > 0
        assert str(urlsplit(database_url).password) not in json.dumps(facts)

    def test_a_server_that_hides_its_catalogue_is_an_error_with_a_next_step(
        self, run_operation: RunOperation, database_url: str, postgres_url: str
    ) -> None:
        """A hardened server, or a session that is ended between two steps, must not look like a bug of Ansible."""
        execute(as_superuser(postgres_url, database_url), "REVOKE SELECT ON pg_replication_slots FROM PUBLIC")
        done = run_operation("postgresql_probe", {"database_url": database_url})
        assert done.failed
        assert (
            "postgresql_probe failed in the database: permission denied for view pg_replication_slots" in done.message
        )
        assert "Next: run the same command again" in done.message

    def test_an_extension_that_is_there_but_not_for_this_role(
        self, run_operation: RunOperation, database_url: str, postgres_url: str
    ) -> None:
        """Else the run would promise to measure bloat and fail at the first table."""
        execute(as_superuser(postgres_url, database_url), "CREATE EXTENSION pgstattuple")
        facts = run_operation("postgresql_probe", {"database_url": database_url}).result
        assert set(facts["functions"].values()) == {False}
        assert facts["pgstattuple"] is False

    def test_check_mode_reads_the_same(self, run_operation: RunOperation, database_url: str) -> None:
        """Else a rehearsal would go on from other facts than the run."""
        real = run_operation("postgresql_probe", {"database_url": database_url})
        rehearsed = run_operation("postgresql_probe", {"database_url": database_url}, check=True)
        assert set(rehearsed.result) == set(real.result)
        assert rehearsed.result["changed"] is False

    def test_a_missing_table_names_the_one_that_was_meant(self, run_operation: RunOperation, database_url: str) -> None:
        """Else a typing error would be found half way through the maintenance window."""
        execute(database_url, "CREATE TABLE tenant_folios (id int)")
        done = run_operation("postgresql_probe", {"database_url": database_url, "tables": ["tenant_folio"]})
        assert done.failed
        assert "did you mean" in done.message
        assert "tenant_folios" in done.message

    def test_tables_of_somebody_else_come_with_the_grants(
        self, run_operation: RunOperation, database_url: str, postgres_url: str
    ) -> None:
        """Else VACUUM would only warn, skip the table, and the run would look fine. The grant it names is the cure."""
        superuser, role = as_superuser(postgres_url, database_url), urlsplit(database_url).username
        execute(superuser, 'CREATE TABLE "Odd" (id int)', "CREATE TABLE other (id int)", "CREATE TABLE third (id int)")
        args = {"database_url": database_url, "tables": ['"Odd"', "other"]}
        done = run_operation("postgresql_probe", args)
        assert done.failed
        assert "owned by postgres" in done.message
        assert f"GRANT postgres TO {role};" in done.message
        grants = [f'GRANT MAINTAIN ON public."Odd" TO {role};', f"GRANT MAINTAIN ON public.other TO {role};"]
        assert all(grant in done.message for grant in grants)
        execute(superuser, *grants)
        cured = run_operation("postgresql_probe", args)
        assert not cured.failed, cured.message
        assert [(table["owned"], table["maintainable"]) for table in cured.result["tables"]] == [(False, True)] * 2

    @pytest.mark.parametrize("pooled", [True, False])
    def test_a_pooler_is_told_from_a_proxy(self, run_operation: RunOperation, database_url: str, pooled: bool) -> None:
        """Else locks, settings and cancelling would fail at random; or a tunnel to the database would be refused."""
        parts = urlsplit(database_url)
        with greeter(int(parts.port or 0), rewrite=pooled) as port:
            url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
            done = run_operation("postgresql_probe", {"database_url": url})
        assert done.failed is pooled
        assert ("pooler" in done.message) is pooled

    def test_the_pools_config_var_is_refused_unasked(self, run_operation: RunOperation) -> None:
        """Else the mistake that Heroku's own documentation invites would only be seen after a connection."""
        done = run_operation("postgresql_probe", {"app": APP, "database_config_var": "DATABASE_CONNECTION_POOL_URL"})
        assert done.failed
        assert "set pitstop_database_config_var to DATABASE_URL" in done.message

    def test_a_read_only_role_is_refused(self, run_operation: RunOperation, database_url: str) -> None:
        """Else the first repair would fail after the baseline was measured for a quarter of an hour."""
        execute(database_url, f"ALTER ROLE {urlsplit(database_url).username} SET default_transaction_read_only = on")
        done = run_operation("postgresql_probe", {"database_url": database_url})
        assert done.failed
        assert "read-only" in done.message

    def test_a_server_that_is_not_there(self, run_operation: RunOperation) -> None:
        """Else the error would show the password, or not the host."""
        done = run_operation("postgresql_probe", {"database_url": "postgres://me:hidden@127.0.0.1:1/app"})
        assert done.failed
        assert "127.0.0.1" in done.message
        assert "hidden" not in done.message


class TestHeroku:
    def test_tells_the_account_the_app_and_what_is_live(
        self, run_operation: RunOperation, run: Run, heroku: LocalHeroku
    ) -> None:
        """Else a run would begin that could neither deploy nor roll back."""
        done = run_operation("heroku_probe", {**heroku.options, "evidence": "preflight.heroku"}, run=run)
        assert not done.failed, done.message
        facts = done.result
        assert (facts["account"], facts["app"], facts["maintenance"]) == ("ada@example.com", APP, False)
        assert facts["formation"]["web"]["quantity"] == 1
        assert facts["live"]["status"] == "succeeded"
        assert facts["live"]["version"] == heroku.ask("GET", f"/apps/{APP}/releases")[-1]["version"]
        assert (facts["pending_releases"], facts["pending_builds"]) == ([], [])
        assert (run.read("preflight") or {})["heroku"]["app"] == APP

    def test_the_plans_limits_are_known(
        self, run_operation: RunOperation, heroku: LocalHeroku, database_url: str
    ) -> None:
        """Else nobody would know how much room a rewrite has: on Heroku there is no disk to look at."""
        facts = run_operation("postgresql_probe", {**heroku.options, "database_url": database_url}).result
        assert facts["plan"]["name"] == "standard-0"
        assert facts["plan"]["used_bytes"] > 0

    def test_an_unwilling_api_is_asked_again(self, run_operation: RunOperation, heroku: LocalHeroku) -> None:
        """Else a hiccup of the API would end a run before it began."""
        heroku.faults("api_503")
        assert not run_operation("heroku_probe", heroku.options).failed

    def test_a_wrong_key_is_told(self, run_operation: RunOperation, heroku: LocalHeroku) -> None:
        """Else it would be found out at the push, after the database was rebuilt."""
        done = run_operation("heroku_probe", {**heroku.options, "api_key": "another"})
        assert done.failed
        assert "401" in done.message
        assert "HEROKU_API_KEY" in done.message

    def test_an_unknown_app_names_the_one_that_was_meant(
        self, run_operation: RunOperation, heroku: LocalHeroku
    ) -> None:
        """Else a typing error would read like a missing right."""
        done = run_operation("heroku_probe", {**heroku.options, "app": "invoce-bot"})
        assert done.failed
        assert f"set pitstop_heroku_app to {APP!r}" in done.message


class TestGit:
    @pytest.fixture
    def checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A work tree on main, with a bare origin that has its commit; no other git settings than its own."""
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
        work, origin = tmp_path / "work", tmp_path / "origin.git"
        git(tmp_path, "init", "-q", "--bare", "-b", "main", str(origin))
        git(tmp_path, "clone", "-q", str(origin), str(work))
        git(work, "config", "user.name", "Ada")
        git(work, "config", "user.email", "ada@example.com")
        git(work, "commit", "-q", "--allow-empty", "-m", "first")
        git(work, "push", "-q", "origin", "main")
        return work

    @pytest.fixture
    def options(self, checkout: Path) -> dict[str, Any]:
        return {"repository": str(checkout), "evidence": "preflight.git"}

    def test_tells_who_commits_where(
        self, run_operation: RunOperation, run: Run, checkout: Path, options: dict[str, Any]
    ) -> None:
        """Else the deploy would fail at its commit or at its push."""
        (checkout / "new file.js").write_text("")
        done = run_operation("git_probe", options, run=run)
        assert not done.failed, done.message
        head = git(checkout, "rev-parse", "HEAD")
        assert done.result["identity"] == "Ada <ada@example.com>"
        assert (done.result["branch"], done.result["head"]) == ("main", head)
        assert done.result["remotes"] == {"origin": head}
        assert done.result["dirty"] == ["new file.js"]
        assert (run.read("preflight") or {})["git"]["head"] == head

    def test_heroku_lets_the_key_in_and_nobody_sees_it(
        self, run_operation: RunOperation, run: Run, options: dict[str, Any], heroku: LocalHeroku
    ) -> None:
        """Else the push to Heroku would be the first to find out that the key does not open the repository."""
        given = {**options, **heroku.options, "git_url": f"{heroku.url}/{APP}.git"}
        done = run_operation("git_probe", given, run=run)
        assert not done.failed, done.message
        assert done.result["remotes"]["heroku"] is None
        refused = run_operation("git_probe", {**given, "api_key": "another"}, run=run)
        assert refused.failed
        assert "HEROKU_API_KEY" in refused.message

    @pytest.mark.parametrize(
        ("command", "what", "cure"),
        [
            (["config", "--unset", "user.email"], "who you are", "user.email"),
            (["switch", "-q", "-c", "try"], "on branch try", "switch main"),
            (["switch", "-q", "--detach"], "HEAD is detached", "switch main"),
            (["remote", "remove", "origin"], "has no remote origin", "remote add origin"),
            (["remote", "set-url", "origin", "/nonexistent.git"], "does not answer", "fetch origin"),
        ],
    )
    def test_what_would_stop_the_deploy_stops_the_run_now(
        self,
        run_operation: RunOperation,
        run: Run,
        checkout: Path,
        options: dict[str, Any],
        command: list[str],
        what: str,
        cure: str,
    ) -> None:
        """Else the database would be rebuilt for a deploy that cannot happen."""
        git(checkout, *command)
        done = run_operation("git_probe", options, run=run)
        assert done.failed
        assert what in done.message
        assert cure in done.message

    def test_a_folder_that_is_no_work_tree(self, run_operation: RunOperation, tmp_path: Path) -> None:
        """Else git would take the repository of some folder above for the app's."""
        done = run_operation("git_probe", {"repository": str(tmp_path)})
        assert done.failed
        assert "no git work tree" in done.message


def git(folder: Path, *arguments: str) -> str:
    """What git prints, run past Pitstop's own wire."""
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
