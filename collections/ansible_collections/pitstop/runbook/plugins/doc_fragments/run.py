# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every operation."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  evidence:
    description:
      - Name under which the result is kept in the run's evidence folder, such as V(bloat-before);
        with V(deploy.push) as section C(push) of C(deploy.json).
      - Needs an open run (role C(run)).
    type: str
"""
