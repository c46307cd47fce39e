# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of operations that speak with Heroku."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  app:
    description: The Heroku app's name. Defaults to the variable C(pitstop_heroku_app).
    type: str
  api_url:
    description: The Platform API. The variable C(pitstop_heroku_api_url) overrides the default.
    type: str
    default: https://api.heroku.com
  data_url:
    description: The data API, which has the backups. The variable C(pitstop_heroku_data_url) overrides the default.
    type: str
    default: https://api.data.heroku.com
  git_url:
    description:
      - The app's repository on Heroku. Defaults to the variable C(pitstop_heroku_git_url),
        else to C(https://git.heroku.com/APP.git).
    type: str
  api_key:
    description:
      - The API key. Defaults to the variable C(pitstop_heroku_api_key), else to the environment's E(HEROKU_API_KEY),
        else to what C(~/.netrc) has for the API's host.
    type: str
"""
