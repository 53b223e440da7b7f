"""Ideation sessions put in and taken out whole, with the ids, times and versions that they have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final

import orjson
from pydantic import ValidationError
from sqlalchemy import JSON, ScalarSelect, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from focal_data.database.scope import HasScope, Scope, Transaction
from focal_data.database.statement import Statement, json_text
from focal_data.domain.base import ValueObject
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import InvalidDataError
from focal_data.ids import NO_TENANT, TenantId
from focal_data.mappers.base import Mapper
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

_PARTS: Final[Mapping[str, type[IdeationRepository[Any, Any]]]] = {
    "session": IdeationSessionRepository,
    "messages": ChatMessageRepository,
    "requirements": ExtractedRequirementRepository,
    "maturity": MaturityStateRepository,
    "drafts": PRDDraftRepository,
    "stories": UserStoryRepository,
}

_PLACED: Final = ("messages", "stories")
"""Where the order is that of positions."""


class IdeationArchives:
    """The archives of one tenant's sessions."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._scope: Scope = source.scope if hasattr(source, "scope") else source

    async def get(self, session_id: str) -> IdeationArchive | None:
        """The session with everything that hangs on it, or ``None``. ``CorruptDataError`` when some of it can't be read."""

        sessions = IdeationSessionRepository(self._scope)
        (row,) = await sessions.raw(_get(), {"session_id": session_id})
        found = {name: _entities(repository, row[name]) for name, repository in _PARTS.items()}
        if not found["session"]:
            return None
        return IdeationArchive(
            found["session"][0],
            found["messages"],
            found["requirements"],
            next(iter(found["maturity"]), None),
            found["drafts"],
            found["stories"],
        )

    async def put(self, archive: IdeationArchive, *, seeking: bool = False) -> None:
        """Insert all of it as it is, messages and stories at the positions that their order gives; or nothing.

        ``InvalidDataError`` for what can't be kept, as ``messages[17].content``, and ``DuplicateError`` when an id is taken.
        ``seeking`` finds out which row that was, for its ``row``, and takes longer.
        """
        await self._scope.run(lambda tx: _put(tx, archive, seeking=seeking))

    async def replace(self, archive: IdeationArchive, *, seeking: bool = False) -> None:
        """As ``put``, in place of what there is of that session."""

        async def work(tx: Transaction) -> None:
            await IdeationSessionRepository(tx).delete(archive.session.id)
            await _put(tx, archive, seeking=seeking)

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


async def _put(tx: Transaction, archive: IdeationArchive, *, seeking: bool) -> None:
    if archive.session.version == 0:
        raise InvalidDataError("session.version", "must be 1 or more")
    rows = {name: _rows(tx, name, entities, archive.session.id) for name, entities in _given(archive).items()}
    if not seeking:
        documents = {name: json_text(_plain(given)) for name, given in rows.items()}
        await tx.execute(_put_at_once(), documents)
        return
    for name, given in rows.items():
        if given:
            await _PARTS[name].road().insert(tx, given)


def _given(archive: IdeationArchive) -> dict[str, Sequence[Any]]:
    return {
        "session": [archive.session],
        "messages": archive.messages,
        "requirements": archive.requirements,
        "maturity": [] if archive.maturity is None else [archive.maturity],
        "drafts": archive.drafts,
        "stories": archive.stories,
    }


def _rows(tx: Transaction, name: str, entities: Sequence[Any], session_id: str) -> list[dict[str, Any]]:
    """The rows of a part, with their places where those are kept."""
    if name != "session" and any(entity.session_id != session_id for entity in entities):
        raise InvalidDataError(f"{name}.session_id", "is another session's")
    mapper = _PARTS[name].mapper
    checked = _all_checked(tx, mapper, name, entities)
    rows = [{**mapper.to_row(entity), "tenant_id": tx.tenant_id} for entity in checked]
    if name in _PLACED:
        for place, row in enumerate(rows):
            row["position"] = place
    return rows


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As JSON takes them."""
    return [
        {name: list(map(_dumped, value)) if type(value) is list else value for name, value in row.items()}
        for row in rows
    ]


def _dumped(item: object) -> object:
    return item.model_dump(mode="json") if isinstance(item, ValueObject) else item


@cache
def _put_at_once() -> Statement:
    """One statement for all tables, given the rows of each as JSON: a tenth of the messages that rows by themselves take."""
    session, *parts = (_inserted(name) for name in _PARTS)
    return Statement(
        session.add_cte(*(part.cte(name) for part, name in zip(parts, [*_PARTS][1:], strict=True)))
    )


def _inserted(name: str) -> Insert:
    """INSERT of the rows in the JSON that is bound by that name; tenant_id is in each."""
    repository = _PARTS[name]
    assert "tenant_id" in repository.c
    columns = repository.written()
    typed = (column(c.name, c.type) for c in columns)
    given = func.json_to_recordset(cast(bindparam(name, type_=Text()), JSON())).table_valued(
        *typed, name=f"{name}_given"
    )
    rows = select(*given.render_derived(with_types=True).c)
    return insert(repository.table).from_select([c.name for c in columns], rows)


def _all_checked(
    tx: Transaction, mapper: Mapper[Any], name: str, entities: Sequence[ValueObject]
) -> Sequence[ValueObject]:
    """Validated copies, at once; where one is refused, or may be another tenant's, one by one, to name it by its path."""
    try:
        found = mapper.copies(entities)
    except ValidationError:
        found = []
    if len(found) == len(entities) and all(_is_of(tx.tenant_id, entity) for entity in found):
        return found
    for place, entity in enumerate(entities):
        try:
            mapper.checked(entity, tx.tenant_id)
        except InvalidDataError as error:
            failure = InvalidDataError(f"{name}[{place}].{error.field}", error.reason)
            raise failure from None
    raise AssertionError("one of them was refused together with the others, and alone none is")


def _is_of(tenant_id: TenantId, entity: Any) -> bool:
    return entity.tenant_id in (NO_TENANT, tenant_id)


def _entities(repository: type[IdeationRepository[Any, Any]], rows: str | None) -> list[Any]:
    return [] if rows is None else repository.mapper.from_rows(orjson.loads(rows))


@cache
def _get() -> Statement:
    """All of it in one answer, and as of one moment: the rows of each table as JSON."""
    parts = (_rows_of(repository).label(name) for name, repository in _PARTS.items())
    # lint: allow unscoped-statement because each of its parts is narrowed to the tenant
    return Statement(select(*parts))


def _rows_of(repository: type[IdeationRepository[Any, Any]]) -> ScalarSelect[Any]:
    ordered = repository.whole().subquery()
    # lint: allow unscoped-statement because it is over rows that are narrowed to the tenant
    return select(func.json_agg(func.row_to_json(ordered.table_valued()))).scalar_subquery()


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
