"""Ideation sessions put in and taken out whole, with the ids, times and versions that they have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Text, bindparam, select

from focal_data.database.scope import HasScope, Scope, Transaction
from focal_data.database.statement import Statement
from focal_data.domain.base import ValueObject
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import InvalidDataError
from focal_data.repositories.ground import any_of
from focal_data.repositories.ideation_ground import (
    ChatMessageRepository,
    IdeationRepository,
    IdeationSessionRepository,
)
from focal_data.repositories.ideation_parts import (
    ExtractedRequirementRepository,
    MaturityStateRepository,
    PRDDraftRepository,
    UserStoryRepository,
)

_PLACED: Final = (ChatMessageRepository, UserStoryRepository)
"""Where the order is that of positions."""


class IdeationArchives:
    """The archives of one tenant's sessions."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._scope: Scope = source.scope if hasattr(source, "scope") else source

    async def get(self, session_id: str) -> IdeationArchive | None:
        """The session with everything that hangs on it, or ``None``. ``CorruptDataError`` when some of it can't be read."""

        async def work(tx: Transaction) -> IdeationArchive | None:
            session = await IdeationSessionRepository(tx).get(session_id)
            if session is None:
                return None
            return IdeationArchive(
                session,
                await ChatMessageRepository(tx).of(session_id),
                await ExtractedRequirementRepository(tx).of(session_id),
                next(iter(await MaturityStateRepository(tx).of(session_id)), None),
                await PRDDraftRepository(tx).of(session_id),
                await UserStoryRepository(tx).of(session_id),
            )

        return await self._scope.run(work)

    async def put(self, archive: IdeationArchive) -> None:
        """Insert all of it as it is, messages and stories at the positions that their order gives; or nothing.

        ``DuplicateError`` when an id is taken, ``InvalidDataError`` for what can't be kept, as ``messages[17].content``.
        """
        await self._scope.run(lambda tx: _put(tx, archive))

    async def replace(self, archive: IdeationArchive) -> None:
        """As ``put``, in place of what there is of that session."""

        async def work(tx: Transaction) -> None:
            await IdeationSessionRepository(tx).delete(archive.session.id)
            await _put(tx, archive)

        await self._scope.run(work)

    async def ids(self, after: str = "", *, limit: int = 1000) -> list[str]:
        """The ids of the tenant's sessions behind ``after``, upwards by their code points."""
        values = {"after": after, "limit": limit}
        rows = await IdeationSessionRepository(self._scope).raw(_ids(), values)
        return [row["id"] for row in rows]

    async def count(self) -> int:
        """How many sessions the tenant has."""
        rows = await IdeationSessionRepository(self._scope).raw(_count(), {})
        return int(rows[0]["count"])

    async def among(self, session_ids: Collection[str]) -> set[str]:
        """Those of ``session_ids`` that there are."""
        found = await IdeationSessionRepository(self._scope).raw(_among(), {"ids": list(session_ids)})
        return {row["id"] for row in found}


async def _put(tx: Transaction, archive: IdeationArchive) -> None:
    if archive.session.version == 0:
        raise InvalidDataError("session.version", "must be 1 or more")
    maturity = [] if archive.maturity is None else [archive.maturity]
    await _insert(tx, IdeationSessionRepository, {"session": archive.session})
    for repository, name, entities in (
        (ChatMessageRepository, "messages", archive.messages),
        (ExtractedRequirementRepository, "requirements", archive.requirements),
        (MaturityStateRepository, "maturity", maturity),
        (PRDDraftRepository, "drafts", archive.drafts),
        (UserStoryRepository, "stories", archive.stories),
    ):
        if any(entity.session_id != archive.session.id for entity in entities):
            raise InvalidDataError(f"{name}.session_id", "is another session's")
        await _insert(tx, repository, {f"{name}[{place}]": entity for place, entity in enumerate(entities)})


async def _insert(
    tx: Transaction, repository: type[IdeationRepository[Any, Any]], entities: Mapping[str, ValueObject]
) -> None:
    """Insert all of them, by their paths."""
    rows = [_row(tx, repository, path, entity) for path, entity in entities.items()]
    if repository in _PLACED:
        for place, row in enumerate(rows):
            row["position"] = place
    if len(rows) == 1:
        await tx.execute(repository.inserting(), rows[0])
    elif rows:
        await repository.road().insert(tx, rows)


def _row(
    tx: Transaction, repository: type[IdeationRepository[Any, Any]], path: str, entity: ValueObject
) -> dict[str, Any]:
    try:
        return repository.mapper.to_row(repository.mapper.checked(entity, tx.tenant_id))
    except InvalidDataError as error:
        failure = InvalidDataError(f"{path}.{error.field}", error.reason)
    raise failure


@cache
def _ids() -> Statement:
    sessions = IdeationSessionRepository
    column = sessions.by_code_points("id")
    rows = select(sessions.c.id).where(*sessions.scoped(), column > bindparam("after"))
    return Statement(rows.order_by(column).limit(bindparam("limit")))


@cache
def _among() -> Statement:
    sessions = IdeationSessionRepository
    return Statement(select(sessions.c.id).where(*sessions.scoped(), sessions.c.id == any_of("ids", Text())))


@cache
def _count() -> Statement:
    return Statement(IdeationSessionRepository.counted())
