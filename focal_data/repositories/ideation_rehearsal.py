"""Which ideation sessions could not be put in, because an id of theirs is another's; told without writing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import ScalarSelect, Text, bindparam, func, select

from focal_data.database.scope import Scope
from focal_data.database.statement import Statement
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import DuplicateError
from focal_data.repositories.ground import any_of
from focal_data.repositories.ideation_ground import (
    ChatMessageRepository,
    IdeationRepository,
    IdeationSessionRepository,
)
from focal_data.repositories.ideation_parts import (
    ExtractedRequirementRepository,
    PRDDraftRepository,
    UserStoryRepository,
)

_PARTS: Final[Mapping[str, type[IdeationRepository[Any, Any]]]] = {
    "messages": ChatMessageRepository,
    "requirements": ExtractedRequirementRepository,
    "drafts": PRDDraftRepository,
    "stories": UserStoryRepository,
}
"""What has ids of its own, which are the tenant's and no other session's."""


class IdeationRehearsal:
    """Sessions put into one tenant one after the other, as it were. It keeps 64 bits of each id of their parts in mind."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._kept: set[int] = set()

    async def put(self, archive: IdeationArchive) -> None:
        """Raise ``DuplicateError``, with its ``row``, as ``IdeationArchives.put`` does for an id that another session has.

        That one may be stored, or have been put before; the session itself may be stored, too.
        """
        ids = {name: [part.id for part in getattr(archive, name)] for name in _PARTS}
        taken = await self._taken(archive.session.id, ids)
        for name, given in ids.items():
            for place, one in enumerate(given):
                if one in taken[name] or hash((name, one)) in self._kept:
                    raise DuplicateError(str(_PARTS[name].table.primary_key.name), ("id",)).at_row(place)
        self._kept.update(hash((name, one)) for name, given in ids.items() for one in given)

    async def _taken(self, session_id: str, ids: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Those of the ids that other stored sessions have."""
        sessions = IdeationSessionRepository(self._scope)
        (row,) = await sessions.raw(_others(), {"session_id": session_id, **ids})
        return {name: row[name] or [] for name in ids}


@cache
def _others() -> Statement:
    return Statement(select(*(_ids_of(name).label(name) for name in _PARTS)))


def _ids_of(name: str) -> ScalarSelect[Any]:
    part = _PARTS[name]
    other = part.c.session_id != bindparam("session_id")
    ids = select(func.array_agg(part.c.id)).where(*part.scoped(), part.c.id == any_of(name, Text()), other)
    return ids.scalar_subquery()
