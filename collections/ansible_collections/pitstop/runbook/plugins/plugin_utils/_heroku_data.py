# SPDX-License-Identifier: GPL-3.0-or-later
"""Heroku's data API: the database of an app and its backups.

It is not documented; its paths and fields have been the same since 2018 in every CLI. The verdict on a backup is read
here, never inferred: the CLI ends with exit 0 when it loses sight of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.pitstop.runbook.plugins.module_utils._backup import Transfer
from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted
from ansible_collections.pitstop.runbook.plugins.plugin_utils._heroku import HerokuClient, write_surely

INCLUSIONS = {"Accept-Inclusion": "addon:plan,config_vars"}


@dataclass(frozen=True)
class Addon:
    """A Heroku Postgres database. ``app`` is the one that pays for it: its backups are listed there."""

    id: str
    name: str
    app: str
    plan: str
    attachments: frozenset[str]


class HerokuDatabase:
    """The database behind one config var of an app."""

    def __init__(self, client: HerokuClient, addon: Addon) -> None:
        self._client = client
        self.addon = addon

    @classmethod
    def find(cls, client: HerokuClient, app: str, config_var: str) -> HerokuDatabase | None:
        """The add-on whose attachment sets ``config_var``; None when that is no Heroku Postgres database."""
        attachments = client.get(f"/apps/{app}/addon-attachments", INCLUSIONS)
        for attachment in attachments:
            addon = attachment["addon"]
            variables = attachment.get("config_vars") or [f"{attachment['name']}_URL"]
            plan = str((addon.get("plan") or {}).get("name", ""))
            if config_var in variables and (not plan or plan.startswith("heroku-postgresql")):
                names = frozenset(other["name"] for other in attachments if other["addon"]["id"] == addon["id"])
                return cls(client, Addon(addon["id"], addon["name"], addon["app"]["name"], plan, names))
        return None

    def info(self) -> dict[str, Any]:
        """What ``heroku pg:info`` shows. Holds a URL: never return it whole."""
        return dict(self._client.data_get(f"/client/v11/databases/{self.addon.id}"))

    def transfers(self) -> list[Transfer]:
        """The backups of this database, restores and other databases' left out."""
        rows = self._client.data_get(f"/client/v11/apps/{self.addon.app}/transfers")
        found = (Transfer.from_api(row) for row in rows)
        return [transfer for transfer in found if transfer.is_backup and transfer.from_name in self.addon.attachments]

    def transfer(self, uuid: str) -> Transfer:
        return Transfer.from_api(self._client.data_get(f"/client/v11/apps/{self.addon.app}/transfers/{uuid}"))

    def capture(self) -> Transfer:
        """Begin a backup. Sent once; UnknownOutcome when the answer is lost."""
        return Transfer.from_api(self._client.data_post(f"/client/v11/databases/{self.addon.id}/backups"))

    def last_log_lines(self, uuid: str, count: int) -> list[str]:
        """The end of what pg_dump said during a transfer, without secrets."""
        row = self._client.data_get(f"/client/v11/apps/{self.addon.app}/transfers/{uuid}?verbose=true")
        return [redacted(str(line["message"])) for line in row.get("logs") or []][-count:]

    def public_url(self, num: int) -> str:
        """A link to the file of a backup, good for an hour: a secret. Repeating this write is harmless."""
        path = f"/client/v11/apps/{self.addon.app}/transfers/{num}/actions/public-url"
        return str(write_surely(lambda: self._client.data_post(path), lambda: None)["url"])
