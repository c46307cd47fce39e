# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of operations that speak with the app's PostgreSQL."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  database_url:
    description:
      - The database as a C(postgres://) URL, direct and not through a pooler. Defaults to the variable
        C(pitstop_database_url); without one, the app's config var O(database_config_var) is asked for.
    type: str
  database_config_var:
    description: The config var with the database's URL. The variable C(pitstop_database_config_var) overrides it.
    type: str
    default: DATABASE_URL
"""
