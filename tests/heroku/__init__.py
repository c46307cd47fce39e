# SPDX-License-Identifier: GPL-3.0-or-later
"""What proves the local Heroku true: the real Heroku CLI, git, and plain HTTP against it."""
