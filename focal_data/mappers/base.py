"""One pair of functions per entity, derived from its table and its domain model.

A column carries the name of its field; an ``embedding`` field is three columns (the padded vector, its model, its own
length). Columns that the model doesn't have, generated ones say, stay in the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Column, Table
from sqlmodel import SQLModel

from focal_data.domain.base import ValueObject
from focal_data.domain.checking import EMBEDDING, checked, first_problem
from focal_data.errors import CorruptDataError
from focal_data.ids import TenantId
from focal_data.tables.columns import pack_half, unpack_half

E = TypeVar("E", bound=ValueObject)

_MODEL, _DIMENSIONS = "embedding_model", "embedding_dimensions"


class Mapper(Generic[E]):
    """Between the rows of ``table`` and the objects of ``domain``."""

    def __init__(self, table: type[SQLModel], domain: type[E]) -> None:
        self.table: Table = table.__table__  # type: ignore[attr-defined]
        self.table.info = {**self.table.info, "entity": domain.__name__}
        self.domain = domain
        self._embeds = EMBEDDING in domain.model_fields
        fields = {*domain.model_fields} | ({_MODEL, _DIMENSIONS} if self._embeds else set())
        self.columns: tuple[Column[Any], ...] = tuple(c for c in self.table.columns if c.name in fields)
        if missing := fields - {column.name for column in self.columns}:
            raise TypeError(
                f"{table.__name__} has no column for {domain.__name__}.{', '.join(sorted(missing))}"
            )
        self._validate = TypeAdapter(domain).validate_python
        self._validate_all = TypeAdapter(list[domain]).validate_python  # type: ignore[valid-type]

    def checked(self, entity: E, tenant_id: TenantId) -> E:
        """A validated copy that belongs to ``tenant_id``, as it will be stored; see ``domain/checking.py``."""
        return checked(entity, self.domain, tenant_id)

    def to_row(self, entity: E) -> dict[str, Any]:
        """The values of ``entity`` by column."""
        row = dict(entity.__dict__)
        if self._embeds:
            embedding = row[EMBEDDING]
            absent = embedding is None
            row[EMBEDDING] = None if absent else pack_half(embedding)
            row[_MODEL] = None if absent else embedding.model
            row[_DIMENSIONS] = None if absent else len(embedding)
        return row

    def from_row(self, row: Mapping[str, Any]) -> E:
        """The domain object in ``row``, validated. Raises ``CorruptDataError`` with the table and id."""
        values = self._fields(row)
        try:
            return self._validate(values)
        except ValidationError as error:
            failure = CorruptDataError(f"{self.table.name}/{values.get('id')}", first_problem(error)[0])
        raise failure  # out here, pydantic's error, which holds the row, is not its context

    def from_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[E]:
        """As ``from_row`` for each of ``rows``, validated at once: a third less of the time for fifty."""
        try:
            return self._validate_all([self._fields(row) for row in rows])
        except ValidationError:
            pass  # one by one, the one that can't be read is named
        return [self.from_row(row) for row in rows]

    def _fields(self, row: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(row)
        if self._embeds:
            vector, model, dimensions = values[EMBEDDING], values.pop(_MODEL), values.pop(_DIMENSIONS)
            if vector is not None:
                values[EMBEDDING] = unpack_half(vector, dimensions, model)
        return values
