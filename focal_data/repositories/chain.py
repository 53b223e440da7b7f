"""Rows that are chained as they are written: one statement moves the head of their chain and inserts them, or does neither.

A writer guesses where the chain ends from what its process remembers. When somebody else was faster, the statement changes
nothing, and the writer takes the head's lock and writes behind it: at most three messages, however many wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import CTE, Select, bindparam, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import SQLModel

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain import chain
from focal_data.domain.base import ValueObject
from focal_data.domain.chain import CHAIN_COLUMNS, AuditKeys, AuditKind, ChainHead
from focal_data.errors import RetryableError
from focal_data.repositories.base import TenantRepository, any_of
from focal_data.repositories.bulk import Road
from focal_data.tables.audit import AuditHeadTable

TableT = TypeVar("TableT", bound=SQLModel)
E = TypeVar("E", bound=ValueObject)
Values = dict[str, Any]

_heads = AuditHeadTable.__table__  # type: ignore[attr-defined]
_head = _heads.c


class ChainedRepository(TenantRepository[TableT, E]):
    """Rows that can only be added. They are chained where keys are set, and stored without a chain otherwise."""

    kind: ClassVar[AuditKind]

    async def add(self, entity: E) -> E:
        """Insert ``entity`` at the end of its chain and return it as stored. Raises ``DuplicateError``; no head moves then."""
        keys = self._scope.chaining.keys
        if keys is None:
            return await super().add(entity)
        stored = self._new(entity)
        link = self._link(stored, keys)
        chaining, key = self._scope.chaining, (self._scope.tenant_id, link.chain_id)
        async with chaining.turn(key):
            known = chaining.head(key) or self._first(stored)
            chaining.remember(key, await self._scope.run(lambda tx: self._append(tx, link, known)))
        return stored

    async def add_if_free(self, entity: E) -> E | None:
        """Insert ``entity``, or do nothing and return ``None`` when something unique in it is taken already."""
        keys = self._scope.chaining.keys
        if keys is None:
            return await super().add_if_free(entity)
        stored = self._new(entity)
        link = self._link(stored, keys)
        free = await self._scope.run(lambda tx: self._append_if_free(tx, link))
        return stored if free else None

    async def add_many(self, entities: Iterable[E]) -> list[E]:
        """Insert all of ``entities`` or none, chained in their order, and return them as stored; errors have their ``row``."""
        keys = self._scope.chaining.keys
        if keys is None:
            return await super().add_many(entities)
        stored = self._all_new(entities)
        links = [self._link(entity, keys) for entity in stored]
        if links:
            await self._scope.run(lambda tx: self._append_all(tx, links))
        return stored

    def _link(self, entity: E, keys: AuditKeys) -> Link:
        row = self._values(entity)
        return Link(self.kind, row, keys, row["session_id"] or self._scope.chaining.lane())

    def _first(self, entity: E) -> ChainHead | None:
        """The head before ``entity``, if it looks like the first of its chain."""
        return None

    async def _append(self, tx: Transaction, link: Link, known: ChainHead | None) -> ChainHead:
        if known is not None:
            statement = self._advance() if known.sequence else self._open()
            if head := await self._written(tx, statement, link.behind(known)):
                return head
        head = await self._written(tx, self._advance(), link.behind(await claim(tx, link.chain_id)))
        if head is None:  # its lock is ours: only a statement outside of this package can have moved it
            raise RetryableError("the head of an audit chain was moved; nothing was written")
        return head

    async def _written(self, tx: Transaction, statement: Statement, values: Values) -> ChainHead | None:
        """The head after the row was written; ``None`` when its chain doesn't end where it was hashed for."""
        moved = await tx.execute(statement, values)
        return ChainHead(values["chain_sequence"], values["hash"]) if moved else None

    async def _append_if_free(self, tx: Transaction, link: Link) -> bool:
        values = link.behind(await claim(tx, link.chain_id))
        free = await tx.execute(self._insert_linked_if_free(), values) > 0
        if free:
            await tx.execute(move(), values)
        return free

    async def _append_all(self, tx: Transaction, links: list[Link]) -> None:
        heads = {}
        for chain_id in sorted(
            {link.chain_id for link in links}
        ):  # in one order, so that two can't lock crosswise
            heads[chain_id] = await claim(tx, chain_id)
        rows, moves = [], {}
        for link in links:
            values = link.behind(heads[link.chain_id])
            heads[link.chain_id] = ChainHead(values["chain_sequence"], values["hash"])
            rows.append(values)
            moves[link.chain_id] = values
        await self._linked_road().insert(tx, rows)
        await tx.execute_many(move(), moves.values())

    # -- statements ------------------------------------------------------------------------------------------------

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return (*(column.name for column in cls.mapper.columns), *CHAIN_COLUMNS)

    @classmethod
    @cache
    def _open(cls) -> Statement:
        """Insert the row and the head of its chain, which has none as yet; or nothing."""
        values = {name: bindparam(name, type_=_head[column].type) for column, name in _HEAD_VALUES.items()}
        opened = insert(_heads).values({column: values[name] for column, name in _HEAD_VALUES.items()})
        free = opened.on_conflict_do_nothing().returning(_head.tenant_id)
        return Statement(cls._linked_to(free.cte("head")))

    @classmethod
    @cache
    def _advance(cls) -> Statement:
        """Insert the row and move the head of its chain, if that is still where the row was chained; or nothing."""
        before = bindparam("chain_sequence", type_=_head.sequence.type) - literal_column("1")
        still = (_head.sequence == before) & (_head.hash == bindparam("previous_hash", type_=_head.hash.type))
        moved = _moved().where(still).returning(_head.tenant_id)
        return Statement(cls._linked_to(moved.cte("head")))

    @classmethod
    def _linked_to(cls, head: CTE) -> Any:
        row: Select[Any] = select(*(bindparam(name, type_=cls.c[name].type) for name in cls._names()))
        row = row.select_from(head).where(
            head.c.tenant_id == bindparam("tenant_id", type_=cls.c.tenant_id.type)
        )
        return insert(cls.table).from_select(cls._names(), row)

    @classmethod
    @cache
    def _insert_linked(cls) -> Statement:
        return Statement(cls._linked())

    @classmethod
    @cache
    def _linked_road(cls) -> Road:
        return Road.of(cls.table, [cls.c[name] for name in cls._names()], cls._insert_linked())

    @classmethod
    @cache
    def _insert_linked_if_free(cls) -> Statement:
        return Statement(cls._linked().on_conflict_do_nothing())

    @classmethod
    @cache
    def without_link(cls) -> Statement:
        """Those of ``ids`` that have no chain, locked."""
        return Statement(cls.rows(cls.c.id == any_of("ids"), cls.c.chain_id.is_(None)).with_for_update())

    @classmethod
    @cache
    def set_link(cls) -> Statement:
        """Give a row its chain columns: for the owner, the application may not."""
        links = {name: bindparam(name, type_=cls.c[name].type) for name in CHAIN_COLUMNS}
        return Statement(update(cls.table).values(links).where(*cls._key()))

    @classmethod
    def _linked(cls) -> Any:
        assert "tenant_id" in cls._names()
        return insert(cls.table).values({n: bindparam(n, type_=cls.c[n].type) for n in cls._names()})


class Link:
    """One row on its way into its chain: salted and digested once, hashed for each head that it is tried behind."""

    __slots__ = ("_keys", "_kind", "chain_id", "row")

    def __init__(self, kind: AuditKind, row: Values, keys: AuditKeys, chain_id: UUID) -> None:
        salt = chain.new_salt()
        digest = chain.text_digest(kind, row, salt)
        self._kind, self._keys = kind, keys
        self.chain_id = chain_id
        self.row = {**row, "chain_id": chain_id, "salt": salt, "text_digest": digest}

    def behind(self, head: ChainHead) -> Values:
        """The row with its chain columns, as the next one behind ``head``; what was returned before is changed."""
        return chain.seal(self._kind, self.row, head, self._keys)


async def claim(tx: Transaction, chain_id: UUID) -> ChainHead:
    """Lock the head of a chain until the transaction ends, made if it is missing, and return where the chain ends."""
    values = {"tenant_id": tx.tenant_id, "chain_id": chain_id, "sequence": 0, "hash": chain.GENESIS}
    row = await tx.fetch_row(_claim(), values)
    assert row is not None
    return ChainHead(row["sequence"], row["hash"])


@cache
def _claim() -> Statement:
    """An upsert that changes nothing: it locks, and gives what is committed, in one message."""
    names = ("tenant_id", "chain_id", "sequence", "hash")
    new = insert(_heads).values({name: bindparam(name, type_=_head[name].type) for name in names})
    kept = new.on_conflict_do_update(
        index_elements=[_head.tenant_id, _head.chain_id], set_={"sequence": _head.sequence}
    )
    return Statement(kept.returning(_head.sequence, _head.hash))


@cache
def move() -> Statement:
    """Set a head that is locked to the row of ``chain_id``, ``chain_sequence`` and ``hash``."""
    return Statement(_moved())


def _moved() -> Any:
    there = (_head.tenant_id == bindparam("tenant_id")) & (_head.chain_id == bindparam("chain_id"))
    values = {"sequence": "chain_sequence", "hash": "hash"}
    changes = {column: bindparam(name, type_=_head[column].type) for column, name in values.items()}
    return update(_heads).values(changes).where(there)


_HEAD_VALUES = {
    "tenant_id": "tenant_id",
    "chain_id": "chain_id",
    "sequence": "chain_sequence",
    "hash": "hash",
}
