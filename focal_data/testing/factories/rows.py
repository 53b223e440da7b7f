"""Rows: what the factory of the entity makes, by column, with what a store would add. Each names the tenant it is of.

A row is a plain SQLModel object for any session of one's own; ``await create(tenant)`` inserts it, and the parents that were
made for it, as the application would: on the data layer's own connections, under its policies, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, TypeVar, cast

import factory
from sqlalchemy import Column, bindparam, insert, inspect
from sqlmodel import SQLModel

from focal_data.database.scope import HasScope, Transaction
from focal_data.database.statement import Statement
from focal_data.domain.base import ValueObject
from focal_data.errors import UsageError
from focal_data.ids import NO_TENANT
from focal_data.tables.columns import codes_of, pack_half
from focal_data.testing.factories import chance
from focal_data.testing.factories.base import DomainFactory, Made, TenantFactory, tenant_of

R = TypeVar("R", bound=SQLModel)

_made_as: dict[type[TenantFactory[Any]], type[TableFactory[Any]]] = {}


class TableFactory(TenantFactory[R]):
    """Rows of one table. ``_entity`` makes what they hold; without it, every column is declared by the subclass."""

    class Meta:
        abstract = True

    _entity: ClassVar[type[DomainFactory[Any]] | None] = None
    _free: ClassVar[tuple[str, ...]] = ()
    """The parents of the entity that a row has no foreign key to: they are not made."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls._entity is not None and not cls._free:
            _made_as.setdefault(cls._entity, cls)

    @classmethod
    async def create(cls, source: HasScope, **given: Any) -> R:
        """Insert one, after the parents that were not given, as ``source``, a tenant or a transaction; returns the row."""
        tenant_id = tenant_of(source.scope.tenant_id, given)
        rows: list[SQLModel] = cls.build_with_parents(**given | {"tenant_id": tenant_id})

        async def work(tx: Transaction) -> None:
            for row in rows:
                await tx.execute(_insert(type(row)), values_of(row))

        await source.scope.run(work)
        return cast("R", rows[-1])

    @classmethod
    async def create_batch(cls, source: HasScope, size: int, **given: Any) -> list[R]:
        """As ``create``, ``size`` times; parents that are not given are made for each."""
        return [await cls.create(source, **given) for _ in range(size)]

    @classmethod
    def _family(cls, given: dict[str, Any]) -> list[Made]:
        *parents, own = super()._family(given)
        return [*(_as_row(*parent) for parent in parents), own]

    @classmethod
    def _generate(cls, strategy: str, params: dict[str, Any]) -> R:
        return super()._generate(strategy, params if cls._entity is None else cls._held(cls._entity, params))

    @classmethod
    def _from(cls, entity: ValueObject) -> R:
        return super()._generate(factory.BUILD_STRATEGY, cls._row_of(entity))

    @classmethod
    def _agreed(cls, given: dict[str, Any]) -> dict[str, Any]:
        cls._refuse_unknown(given, set())
        return _of_some_tenant(super()._agreed(given))

    @classmethod
    def _refuse_unknown(cls, given: Iterable[str], others: set[str]) -> None:
        """SQLModel would take a misspelled column in silence."""
        known = {*_attributes(cls._meta.model).values(), *cls._meta.parameters} | others
        if unknown := {name.partition("__")[0] for name in given} - known:
            raise UsageError(f"{cls._meta.model.__name__} has no {', '.join(sorted(unknown))}")

    @classmethod
    def _held(cls, made_by: type[DomainFactory[Any]], params: Mapping[str, Any]) -> dict[str, Any]:
        """What the entity says, by attribute, and what the row has beside it, as far as it was given."""
        fields = {*made_by._meta.model.model_fields}
        cls._refuse_unknown(params, fields | {*made_by._meta.parameters})
        agreed = {f"{parent}_id": chance.new_id() for parent in cls._free if params.get(parent) is None}
        own = {
            name: params[name] for name in {*_attributes(cls._meta.model).values()} & params.keys() - fields
        }
        agreed |= {name: value for name, value in params.items() if name not in own}
        agreed = _of_some_tenant(made_by._agreed(agreed))
        return cls._row_of(made_by.build(**agreed), agreed.keys()) | own

    @classmethod
    def _row_of(cls, entity: ValueObject, given: Any = ()) -> dict[str, Any]:
        """``entity`` by attribute; what a store would set is left to the factory, unless it is among what was given."""
        left = cls._meta.pre_declarations
        attributes = _attributes(cls._meta.model)
        row = {
            attributes[field]: value
            for field, value in entity.__dict__.items()
            if field == "tenant_id" or field in given or attributes[field] not in left
        }
        embedding = row.get("embedding")
        if embedding is not None:
            row |= {"embedding_model": embedding.model, "embedding_dimensions": len(embedding)}
            if "embedding_code" in attributes:
                (row["embedding_code"],) = codes_of([pack_half(embedding)])
        return row


def _of_some_tenant(given: dict[str, Any]) -> dict[str, Any]:
    """``given`` with a tenant of its own where there is none: a row needs one."""
    return given if given.get("tenant_id", NO_TENANT) != NO_TENANT else given | {"tenant_id": chance.new_id()}


def _as_row(made_by: type[TenantFactory[Any]], parent: Any) -> Made:
    if isinstance(parent, SQLModel):
        return made_by, parent
    row_factory = _made_as[made_by]
    return row_factory, row_factory._from(parent)


@cache
def _attributes(table: type[SQLModel]) -> dict[str, str]:
    """The attribute of each column: ``metadata`` is SQLModel's own, so a column of that name has another."""
    mapper = inspect(table)
    return {column.name: mapper.get_property_by_column(column).key for column in mapper.columns}


@cache
def _written(table: type[SQLModel]) -> tuple[Column[Any], ...]:
    """The columns that an INSERT gives; the database computes the others."""
    columns = table.__table__.columns  # type: ignore[attr-defined]
    return tuple(column for column in columns if column.computed is None)


@cache
def _insert(table: type[SQLModel]) -> Statement:
    values = {column: bindparam(column.name, type_=column.type) for column in _written(table)}
    return Statement(insert(table).values(values))


def values_of(row: SQLModel) -> dict[str, Any]:
    """The values of ``row`` by column, as an INSERT of one's own takes them."""
    attributes = _attributes(type(row))
    return {column.name: getattr(row, attributes[column.name]) for column in _written(type(row))}
