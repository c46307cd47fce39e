# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of indexes: within PostgreSQL's 63 bytes, the same at each run, and told apart from other people's."""

from __future__ import annotations

import hashlib
import re

MAX_NAME_BYTES = 63
NEW_SUFFIX = "_pitstop_new"
OLD_SUFFIX = "_pitstop_old"
DIGITS = 8
_CONCURRENT_LEFTOVER = re.compile(r"_cc(?:new|old)[0-9]*$")
_FINGERPRINT = re.compile(rf"_[0-9a-f]{{{DIGITS}}}$")


def cut(name: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """``name`` as PostgreSQL would cut it: no character in halves."""
    return name.encode()[:max_bytes].decode(errors="ignore")


def new_name(name: str) -> str:
    """What the successor of a differing index is called until it is valid."""
    return cut(name, MAX_NAME_BYTES - len(NEW_SUFFIX)) + NEW_SUFFIX


def old_name(name: str) -> str:
    """What a replaced index is called until it is dropped."""
    return cut(name, MAX_NAME_BYTES - len(OLD_SUFFIX)) + OLD_SUFFIX


def partition_index_name(partition: str, name: str, definition: str) -> str:
    """The index of one partition: stable for a definition, another for another one, so that both may stand at once."""
    digest = hashlib.sha256(f"{partition}/{name}/{definition}".encode()).hexdigest()
    return f"{_partition_stem(partition, name)}_{digest[:DIGITS]}"


def is_partition_index_name(candidate: str, partition: str, name: str) -> bool:
    """Whether ``candidate`` is such a name, for whichever definition."""
    found = _FINGERPRINT.search(candidate)
    return found is not None and candidate[: found.start()] == _partition_stem(partition, name)


def is_leftover_of(candidate: str, name: str) -> bool:
    """Whether PostgreSQL would call what a failed REINDEX CONCURRENTLY of ``name`` leaves ``candidate``.

    It cuts the name so that its suffix fits in.
    """
    found = _CONCURRENT_LEFTOVER.search(candidate)
    if not found:
        return False
    stem, room = candidate[: found.start()], MAX_NAME_BYTES - len(found.group())
    return stem == cut(name, room)


def _partition_stem(partition: str, name: str) -> str:
    return cut(f"{partition}_{name}", MAX_NAME_BYTES - DIGITS - 1)
