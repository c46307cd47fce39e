# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Heroku Postgres plan allows, read out of the sentences that the data API gives to people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SIZE = re.compile(r"([\d.,]+)\s*(bytes|B|kB|KB|MB|GB|TB)", re.IGNORECASE)
_POWER = {"BYTES": 0, "B": 0, "KB": 1, "MB": 2, "GB": 3, "TB": 4}


def sizes(text: str) -> list[int]:
    """All sizes in a text, in bytes: ``25.6 MB / 10 GB (0.25%)`` has two. Units are binary, as PostgreSQL's are."""
    return [
        round(float(number.replace(",", "")) * 1024 ** _POWER[unit.upper()]) for number, unit in _SIZE.findall(text)
    ]


def plan_facts(database: Mapping[str, Any]) -> dict[str, Any]:
    """Name and limits of the plan, from ``GET /client/v11/databases/D``; None where it does not say.

    >>> plan_facts({"info": [{"name": "Data Size", "values": ["25 MB / 10 GB"]}]})["limit_bytes"]
    10737418240
    """
    said = {item["name"]: str(item["values"][0]) for item in database.get("info", []) if item.get("values")}
    bytes_ = sizes(said.get("Data Size", ""))
    connections = [int(number) for number in re.findall(r"\d+", said.get("Connections", ""))]
    return {
        "name": said.get("Plan") or database.get("plan"),
        "used_bytes": database.get("num_bytes") or (bytes_[0] if bytes_ else None),
        "limit_bytes": bytes_[1] if len(bytes_) > 1 else None,
        "connections_limit": connections[1] if len(connections) > 1 else None,
        "continuous_protection": said.get("Continuous Protection"),
        "server_version": said.get("PG Version"),
    }
