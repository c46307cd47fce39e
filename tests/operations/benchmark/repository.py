# SPDX-License-Identifier: GPL-3.0-or-later
"""A team's repository with an app whose speed is a constant, and a benchmark script that measures it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

APP = "SECONDS = {seconds}\nDUPLICATES = {duplicates}\n"
"""The app: a folio takes so long, and so many are given twice."""

SCRIPT = """
import json, os, pathlib, statistics, sys, time
import psycopg2
import app

phase = sys.argv[1].removeprefix("--")
connection = psycopg2.connect(os.environ["DATABASE_URL"])
cursor = connection.cursor()
samples = []
for _ in range(20):
    began = time.perf_counter()
    cursor.execute("SELECT pg_sleep(%s)", (app.SECONDS,))
    samples.append(1000 * (time.perf_counter() - began))
result = {
    "operation": "getNextFolio", "iterations": 20, "successful": 20, "failed": 0, "min": min(samples),
    "max": max(samples), "avg": statistics.fmean(samples), "median": statistics.median(samples),
    "p95": sorted(samples)[18], "stdDev": statistics.stdev(samples), "duplicates": app.DUPLICATES,
}
document = {"phase": phase.upper(), "modules": os.path.exists("node_modules/pg/index.js"), "folder": os.getcwd(),
            "seconds": app.SECONDS, "results": [result]}
pathlib.Path(f"benchmark-results-{phase}-{time.time_ns()}.json").write_text(json.dumps(document))
"""


class Repository:
    """The team's repository, with the script and an earlier result committed, as teams do."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        (folder / ".gitignore").write_text("node_modules\n__pycache__\n")
        (folder / "node_modules" / "pg").mkdir(parents=True)
        (folder / "node_modules" / "pg" / "index.js").write_text("")
        (folder / "benchmark-results-before-1.json").write_text("{}")
        (folder / "benchmark.py").write_text(SCRIPT)
        self.app(seconds=0.02, duplicates=7)
        self.commit()

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"]
        command = ["git", "-C", str(self.path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def app(self, *, seconds: float, duplicates: int = 0) -> None:
        (self.path / "app.py").write_text(APP.format(seconds=seconds, duplicates=duplicates))

    def script(self, text: str) -> None:
        (self.path / "benchmark.py").write_text(text)
        self.commit()

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "x")

    @property
    def is_clean(self) -> bool:
        """Whether nothing of a checkout is left, neither for git nor on the disk."""
        trees = self.git("worktree", "list", "--porcelain").count("worktree ")
        return trees == 1 and not list(Path(tempfile.gettempdir()).glob(f"pitstop-benchmark-{os.getpid()}-*"))
