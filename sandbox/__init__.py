# SPDX-License-Identifier: GPL-3.0-or-later
"""A small production in a folder: PostgreSQL, a Heroku on loopback, the invoice bot and its git history."""
