"""The ground that repositories stand on: one table's rows of one tenant, read by statements that are scoped to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar, get_args

from sqlalchemy import ColumnElement, Select, Table, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import CollectionAggregate
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from focal_data.database.scope import HasScope, Row, Scope
from focal_data.database.statement import Statement
from focal_data.domain.base import ValueObject
from focal_data.mappers.base import Mapper

TableT = TypeVar("TableT", bound=SQLModel)
E = TypeVar("E", bound=ValueObject)


class GroundRepository(Generic[TableT, E]):
    """What every repository has: its table and mapper, its scope, and the statements that all others grow from."""

    mapper: ClassVar[Mapper[Any]]
    table: ClassVar[Table]
    c: ClassVar[ReadOnlyColumnCollection[str, Any]]
    """The table's columns."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in cls.__dict__.get("__orig_bases__", ()):
            arguments = get_args(base)
            if len(arguments) == 2 and not any(isinstance(argument, TypeVar) for argument in arguments):
                cls.mapper = Mapper(*arguments)
                cls.table = cls.mapper.table
                cls.c = cls.table.c

    def __init__(self, source: HasScope | Scope) -> None:
        self._scope: Scope = source.scope if hasattr(source, "scope") else source

    @classmethod
    def rows(cls, *conditions: ColumnElement[bool], include_deleted: bool = False) -> Select[Any]:
        """The base of every read: this tenant's rows, the deleted ones left out unless asked for."""
        return select(*cls.mapper.columns).where(*cls.scoped(include_deleted=include_deleted), *conditions)

    @classmethod
    def counted(cls, *conditions: ColumnElement[bool], include_deleted: bool = False) -> Select[Any]:
        """How many rows there are under ``conditions``, as ``count``."""
        scoped = cls.scoped(include_deleted=include_deleted)
        return select(func.count().label("count")).select_from(cls.table).where(*scoped, *conditions)

    @classmethod
    def scoped(cls, *, include_deleted: bool = False) -> list[ColumnElement[bool]]:
        """The conditions that every statement carries: the tenant, and not deleted."""
        conditions: list[ColumnElement[bool]] = [cls.c.tenant_id == bindparam("tenant_id")]
        if cls._soft() and not include_deleted:
            conditions.append(cls.c.deleted_at.is_(None))
        return conditions

    async def one(self, statement: Statement, values: Mapping[str, Any]) -> E | None:
        """The first row of ``statement`` as an object, or ``None``."""
        row = await self._row(statement, values)
        return None if row is None else self.mapper.from_row(row)

    async def all(
        self, statement: Statement, values: Mapping[str, Any], *, custom_plan: bool = False
    ) -> list[E]:
        """Every row of ``statement`` as an object, in its order."""
        rows = await self.raw(statement, values, custom_plan=custom_plan)
        return self.mapper.from_rows(rows)

    async def raw(
        self, statement: Statement, values: Mapping[str, Any], *, custom_plan: bool = False
    ) -> list[Row]:
        """Every row of ``statement`` as it is: for answers that carry more than the entity."""
        return await self._scope.fetch(
            statement, {**values, "tenant_id": self._scope.tenant_id}, custom_plan=custom_plan
        )

    async def _row(self, statement: Statement, values: Mapping[str, Any]) -> Row | None:
        return await self._scope.fetch_row(statement, {**values, "tenant_id": self._scope.tenant_id})

    async def _execute(self, statement: Statement, values: Mapping[str, Any]) -> int:
        return await self._scope.execute(statement, {**values, "tenant_id": self._scope.tenant_id})

    @classmethod
    def _soft(cls) -> bool:
        return "deleted_at" in cls.c


def any_of(name: str, item: TypeEngine[Any] | None = None) -> CollectionAggregate[Any]:
    """``= ANY(…)`` over an array bound as ``name``: one statement for lists of every length. UUIDs unless ``item`` says."""
    return any_(bindparam(name, type_=ARRAY(item or PG_UUID())))
