# SPDX-License-Identifier: GPL-3.0-or-later
"""A local Heroku: Platform API, data API, git over HTTP, logs and backups on one loopback port, with real state."""
