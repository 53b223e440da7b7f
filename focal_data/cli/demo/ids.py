"""Ids that are the same in every run: what a run finds under its id was stored by an earlier one."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

DEMO: Final = UUID("019cb1f0-4a00-7000-8000-0d3e6f5a1c00")
"""The root of all of the demo's names."""

_VERSION_AND_VARIANT: Final = 0x7 << 76 | 0b10 << 62
_RANDOM_BITS: Final = 0x0FFF << 64 | (1 << 62) - 1


def named(root: UUID, *names: str) -> UUID:
    """The id of what has these names within ``root``."""
    return uuid5(root, "\x1f".join(names))


def timed(root: UUID, time: datetime, *names: str) -> UUID:
    """The same in the layout of UUIDv7, so that ids made here lie in the order of their times, as new ones would."""
    digest = sha256(root.bytes + "\x1f".join(names).encode()).digest()
    milliseconds = max(0, int(time.timestamp() * 1000))
    return UUID(
        int=milliseconds << 80 | _VERSION_AND_VARIANT | int.from_bytes(digest[:10], "big") & _RANDOM_BITS
    )
