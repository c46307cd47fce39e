# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several operations share, and the project variable each falls back to.

Their documentation is in plugins/doc_fragments/; a unit test keeps the two in step.
"""

from __future__ import annotations

from typing import Any

Spec = dict[str, dict[str, Any]]

RUN: Spec = {"evidence": {"type": "str"}}

HEROKU: Spec = {
    "app": {"type": "str"},
    "api_url": {"type": "str", "default": "https://api.heroku.com"},
    "data_url": {"type": "str", "default": "https://api.data.heroku.com"},
    "git_url": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
}

DATABASE: Spec = {
    **HEROKU,
    "database_url": {"type": "str", "no_log": True},
    "database_config_var": {"type": "str", "default": "DATABASE_URL"},
}

FALLBACK_VARIABLES = {
    "app": "pitstop_heroku_app",
    "api_url": "pitstop_heroku_api_url",
    "data_url": "pitstop_heroku_data_url",
    "git_url": "pitstop_heroku_git_url",
    "api_key": "pitstop_heroku_api_key",
    "database_url": "pitstop_database_url",
    "database_config_var": "pitstop_database_config_var",
}
"""Option -> variable of the host that is used when the task does not give the option."""
