"""Where a session is kept, and where it stands in an index."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from focal_data.redis import keys


class Slot(NamedTuple):
    """Where one session is kept."""

    session_id: UUID
    tag: bytes
    cold: bytes
    hot: bytes


class Place(NamedTuple):
    """An entry of an index, and so a place in its order: minus the last activity in microseconds, and the session's id."""

    score: int
    session_id: UUID


def slot_of(tenant: bytes, session_id: UUID) -> Slot:
    """Of a tenant in hex."""
    tag = keys.tag(tenant, session_id)
    return Slot(session_id, tag, keys.cold(tag), keys.hot(tag))
