"""Embeddings of another model: what is still to be embedded, what is staged beside it, and putting that in its place.

For the owner alone. What is staged counts as long as what it was made of is the same: the revision, and, since episodes have
none, the digest of what the text is made of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from focal_data.database.engine import Database
from focal_data.database.statement import Statement
from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.domain.embedding import Embedding
from focal_data.domain.embedding_text import SOURCES, Embeddable
from focal_data.errors import ConflictError
from focal_data.ids import TenantId, new_id
from focal_data.mappers.base import Mapper
from focal_data.repositories.base import any_of
from focal_data.repositories.config import RuleRepository, ScenarioRepository
from focal_data.repositories.graph import EntityRepository
from focal_data.repositories.memory import EpisodeRepository
from focal_data.tables.columns import codes_of, pack_half
from focal_data.tables.config import AgentTable
from focal_data.tables.reembedding import StagedEmbeddingTable

STAGED: Final[Table] = StagedEmbeddingTable.__table__  # type: ignore[attr-defined]
AGENTS: Final[Table] = AgentTable.__table__  # type: ignore[attr-defined]

_EMBEDDING: Final = [column.name for column in STAGED.columns if column.name.startswith("embedding")]
"""The columns of one."""


class ToEmbed(StrEnum):
    """Whose embeddings are to be made."""

    OTHER = "other"
    """What has one of another model."""
    MISSING = "missing"
    """What has none."""
    ALL = "all"
    """Both."""


@dataclass(frozen=True, eq=False)
class Kind:
    """What has embeddings: ``table`` holds it, ``mapper`` reads it, and ``key`` of the staged ones refers to it."""

    table: Table
    mapper: Mapper[Any]
    key: str

    @property
    def name(self) -> str:
        """As receipts tell it."""
        return self.table.name

    @property
    def revision(self) -> ColumnElement[int]:
        """0 where there is none."""
        return self.table.c.revision if "revision" in self.table.c else literal_column("0", Integer())

    @property
    def keeps_revision(self) -> bool:
        """Whether a new embedding is no change that a writer must know of: there are none."""
        return self.name in ("episodes", "entity_history")

    @property
    def place(self) -> tuple[ColumnElement[Any], ...]:
        """What its rows are walked by."""
        return tuple(column for column in self.table.primary_key if column.name != "tenant_id")

    @property
    def digest(self) -> ColumnElement[bytes]:
        """Of the columns that the text is made of."""
        sources = (self.table.c[name] for name in SOURCES[self.mapper.domain])
        whole = func.concat_ws("\n", *sources)
        made: ColumnElement[bytes] = func.sha256(func.convert_to(whole, "UTF8"))
        return made

    def mine(self) -> ColumnElement[bool]:
        """That a row is the tenant's."""
        condition: ColumnElement[bool] = self.table.c.tenant_id == bindparam("tenant_id")
        return condition

    def wanted(self, which: ToEmbed) -> ColumnElement[bool]:
        """That a row has none, or one of another than ``model``."""
        model = self.table.c.embedding_model
        other, missing = model != bindparam("model"), model.is_(None)
        return {ToEmbed.OTHER: other, ToEmbed.MISSING: missing, ToEmbed.ALL: or_(other, missing)}[which]

    def staged(self) -> ColumnElement[bool]:
        """That a staged row is ``model``'s, and of what a row holds now."""
        s = STAGED.c
        ours = and_(s.tenant_id == bindparam("tenant_id"), s[self.key] == self.table.c.id)
        ours = and_(ours, s.target_model == bindparam("model"))
        return and_(ours, s.revision == self.revision, s.digest == self.digest)


KINDS: Final = (
    Kind(EpisodeRepository.table, EpisodeRepository.mapper, "episode_id"),
    Kind(RuleRepository.table, RuleRepository.mapper, "rule_id"),
    Kind(ScenarioRepository.table, ScenarioRepository.mapper, "scenario_id"),
    Kind(EntityRepository.table, EntityRepository.mapper, "entity_id"),
    Kind(EntityRepository.history, EntityRepository.mapper, "version_id"),
)
"""Entities before their history: what leaves the one for the other is met there."""

FIRST: Final[dict[str, Any]] = {"after_id": UUID(int=0), "after_revision": -1}
"""Before the first row of a kind."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A row whose embedding is to be made."""

    id: UUID
    revision: int
    digest: bytes
    embedded: bool
    """Whether it has one, of another model."""
    thing: Embeddable

    @property
    def place(self) -> dict[str, Any]:
        """Where to go on."""
        return {"after_id": self.id, "after_revision": self.revision}


def read(kind: Kind, rows: Sequence[Mapping[str, Any]]) -> list[Pending]:
    """The rows of ``pending``."""
    extras = ("digest", "of_revision", "embedded")
    values = [{name: value for name, value in row.items() if name not in extras} for row in rows]
    things = kind.mapper.from_rows(values)
    return [
        Pending(row["id"], row["of_revision"], row["digest"], row["embedded"], thing)
        for row, thing in zip(rows, things, strict=True)
    ]


@cache
def pending(kind: Kind, which: ToEmbed) -> Statement:
    """The next ``limit`` rows that have nothing staged, by their ids, without their old embeddings."""
    columns = (
        null().label(column.name) if column.name in _EMBEDDING else kind.table.c[column.name]
        for column in kind.mapper.columns
    )
    extras = (
        kind.digest.label("digest"),
        kind.revision.label("of_revision"),
        kind.table.c.embedding_model.is_not(None).label("embedded"),
    )
    begun = (bindparam(f"after_{column.name}", type_=column.type) for column in kind.place)
    after = tuple_(*kind.place) > tuple_(*begun)
    rows = _unstaged(kind, which, *columns, *extras).where(after)
    return Statement(rows.order_by(*kind.place).limit(bindparam("limit")))


@cache
def left(kind: Kind, which: ToEmbed) -> Statement:
    """How many rows have nothing staged, as ``count``."""
    return Statement(_unstaged(kind, which, func.count().label("count")))


@cache
def wanting(kind: Kind, which: ToEmbed) -> Statement:
    """How many rows are to be embedded, staged or not, as ``count``."""
    rows = select(func.count().label("count")).select_from(kind.table)
    return Statement(rows.where(kind.mine(), kind.wanted(which)))


def _unstaged(kind: Kind, which: ToEmbed, *columns: ColumnElement[Any]) -> Select[Any]:
    there = select(STAGED.c.id).where(kind.staged()).correlate(kind.table).exists()
    rows = select(*columns).select_from(kind.table)
    return rows.where(kind.mine(), kind.wanted(which), ~there)


@cache
def held(kind: Kind) -> Statement:
    """Those of ``ids`` as they are now, which nobody deletes before the transaction ends."""
    rows = select(kind.table.c.id, kind.revision.label("of_revision"), kind.digest.label("digest"))
    mine = rows.where(kind.mine(), kind.table.c.id == any_of("ids"))
    return Statement(mine.order_by(*kind.place).with_for_update(key_share=True, read=True))


@cache
def stage(kind: Kind) -> Statement:
    """Stage one, in place of the one that was staged of the same thing before."""
    names = ("tenant_id", "id", kind.key, "revision", "digest", "target_model", *_EMBEDDING)
    added = insert(STAGED).values({name: bindparam(name, type_=STAGED.c[name].type) for name in names})
    key = ("tenant_id", kind.key, *(("revision",) if kind.key == "version_id" else ()))
    changed = {name: added.excluded[name] for name in names if name not in ("id", *key)}
    return Statement(added.on_conflict_do_update(index_elements=key, set_=changed))


def staged_rows(
    kind: Kind, made: Sequence[tuple[Pending, Embedding | None]], model: str
) -> list[dict[str, Any]]:
    """What ``stage`` binds beside the tenant, of each; ``None`` is a text that ``model`` refused."""
    vectors = [None if embedding is None else pack_half(embedding) for _, embedding in made]
    codes = iter(codes_of([vector for vector in vectors if vector is not None]))
    return [
        {
            "id": new_id(),
            kind.key: of.id,
            "revision": of.revision,
            "digest": of.digest,
            "target_model": model,
            "embedding": vector,
            "embedding_code": None if vector is None else next(codes),
            "embedding_model": None if embedding is None else embedding.model,
            "embedding_dimensions": None if embedding is None else len(embedding),
        }
        for (of, embedding), vector in zip(made, vectors, strict=True)
    ]


@cache
def discard() -> Statement:
    """Remove what was staged for another model, and the refusals: what was refused is tried again."""
    s = STAGED.c
    stale = or_(s.target_model != bindparam("model"), s.embedding.is_(None))
    return Statement(delete(STAGED).where(s.tenant_id == bindparam("tenant_id"), stale))


@cache
def clear() -> Statement:
    """Remove everything that is staged."""
    return Statement(delete(STAGED).where(STAGED.c.tenant_id == bindparam("tenant_id")))


@cache
def refused(kind: Kind, which: ToEmbed) -> Statement:
    """What is staged without an embedding, and has one, by id."""
    rows = select(kind.table.c.id).select_from(kind.table).join(STAGED, kind.staged())
    embedded = kind.table.c.embedding_model.is_not(None)
    found = rows.where(kind.mine(), kind.wanted(which), STAGED.c.embedding.is_(None), embedded)
    return Statement(found.order_by(kind.table.c.id))


@cache
def hold_agents() -> Statement:
    """Until the transaction ends, nothing of the tenant's agents is added: what is added refers to one of them."""
    mine = select(AGENTS.c.id).where(AGENTS.c.tenant_id == bindparam("tenant_id"))
    return Statement(mine.order_by(AGENTS.c.id).with_for_update())


@cache
def marks(kind: Kind) -> Statement:
    """Every ``BATCH``-th of the kind's staged rows, and the last, by id: a batch ends with each."""
    s = STAGED.c
    numbered = select(
        s.id,
        func.row_number().over(order_by=s.id).label("number"),
        func.count().over().label("count"),
    ).where(s.tenant_id == bindparam("tenant_id"), s[kind.key].is_not(None))
    rows = numbered.subquery("numbered").c
    every = bindparam("every", type_=Integer())
    return Statement(
        select(rows.id).where(or_(rows.number % every == 0, rows.number == rows.count)).order_by(rows.id)
    )


@cache
def put(kind: Kind, which: ToEmbed) -> Statement:
    """Put the staged embeddings from behind ``after`` until ``until`` in their place, where they are still of what is there."""
    s = STAGED.c
    values: dict[str, Any] = {name: s[name] for name in _EMBEDDING if name in kind.table.c}
    if not kind.keeps_revision:
        values["revision"] = kind.table.c.revision + 1
    part = and_(s.id > bindparam("after"), s.id <= bindparam("until"), s.embedding.is_not(None))
    changed = update(kind.table).values(values)
    return Statement(changed.where(kind.mine(), kind.staged(), kind.wanted(which), part))


@asynccontextmanager
async def alone(database: Database, tenant_id: TenantId) -> AsyncIterator[None]:
    """Nobody else works on the tenant's embeddings meanwhile. ``ConflictError`` when somebody does.

    A lock of the session, on a connection of its own: whoever is killed loses both.
    """
    connection = await database.lease()
    clean = False
    try:
        if not await _locked(connection, tenant_id):
            clean = True
            raise ConflictError("another operator is at work on the embeddings of this tenant")
        try:
            yield
        finally:
            clean = await _unlocked(connection)
    finally:
        database.give_back(connection, clean=clean)


async def _locked(connection: asyncpg.Connection, tenant_id: TenantId) -> bool:
    try:
        return bool(await connection.fetchval(_TRY, f"focal_data.reembed {tenant_id}"))
    except DRIVER_ERRORS as error:
        failure = translated(error)
    raise failure


async def _unlocked(connection: asyncpg.Connection) -> bool:
    """Also after a failure: when a connection is closed, the server frees its locks only a little later."""
    try:
        await connection.execute(_UNLOCK)
    except DRIVER_ERRORS:
        return False
    return True


_TRY: Final = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_UNLOCK: Final = "SELECT pg_advisory_unlock_all()"
