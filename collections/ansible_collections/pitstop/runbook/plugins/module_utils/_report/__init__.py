# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's engine: a run's evidence in (``evidence``), a document out (``document``), no files, no templates."""
