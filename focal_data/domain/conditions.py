"""Conditions: typed, frozen values that say which things are meant. They go to JSON and back, and mean the same everywhere.

    field("title").contains("tea") & ~field("author_id").is_null() | field("attributes", "address", "city").equals("Paris")

A condition names a field of the domain model, and for one that holds JSON also a place inside of it: names of keys, and
numbers of elements from 0. Its values are kept as JSON has them (UUIDs, times and enumerations as text), and are read as the
field has them when the condition is used: an unknown field, or a value that it can't have, is ``InvalidDataError`` then.

**What they mean** has no third truth value: a condition is met or it is not.

- A condition on a field that is ``None``, or on a place that isn't there, is *not met*; only ``IsNull`` is. ``Not`` is met
  where its condition is not: ``~field("x").equals(1)`` holds for what has no ``x`` too.
- ``Equals``, ``OneOf``: the same value; text by its characters, numbers by their value (1 is 1.0, ``true`` is not 1), lists
  and JSON by all that they hold.
- ``Between``: from ``start`` on and before ``end``; text by its code points. Times, dates, numbers, text, ids; in JSON numbers.
- ``Contains``: of a text, the part, upper and lower case told apart; of a list, the element; of JSON, what ``@>`` of
  PostgreSQL says: objects hold the keys and what is in them, lists hold each element somewhere, and a list at the very place
  that is asked about also a bare one.
- ``IsNull``: no value; in JSON also ``null``.
- ``AllOf`` of nothing is met, ``AnyOf`` of nothing is not, and neither is ``OneOf`` without values.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from focal_data.domain.base import MAX_JSON_DEPTH, Count, NonEmptyText, Text, ValueObject


def _plain(value: Any, depth: int = 0) -> Any:
    """``value`` as JSON has it, in a copy; what JSON doesn't have stays, and is refused where it is read."""
    match value:
        case Enum():
            return value.value
        case datetime() | date():
            return value.isoformat()
        case UUID():
            return str(value)
        case list() | tuple() | dict() if depth >= MAX_JSON_DEPTH:
            raise PydanticCustomError("condition", "a value is nested too deeply")
        case list() | tuple():
            return [_plain(item, depth + 1) for item in value]
        case dict():
            return {key: _plain(item, depth + 1) for key, item in value.items()}
    return value


Value = Annotated[Any, BeforeValidator(_plain)]
"""A value as JSON has it."""


class Condition(ValueObject):
    """What all conditions can: ``&``, ``|``, ``~``."""

    def __and__(self, other: Condition) -> AllOf:
        return AllOf(conditions=(*_parts(AllOf, self), *_parts(AllOf, other)))

    def __or__(self, other: Condition) -> AnyOf:
        return AnyOf(conditions=(*_parts(AnyOf, self), *_parts(AnyOf, other)))

    def __invert__(self) -> Not:
        return Not(condition=self)


class FieldCondition(Condition):
    """A condition on one field, or on the place ``path`` in a field that holds JSON."""

    field: NonEmptyText
    path: tuple[Text | Count, ...] = ()


class Equals(FieldCondition):
    """It has this value."""

    op: Literal["equals"] = "equals"
    value: Value


class OneOf(FieldCondition):
    """It has one of these values."""

    op: Literal["one_of"] = "one_of"
    values: tuple[Value, ...]


class Between(FieldCondition):
    """It is ``start`` or more, and less than ``end``; one of the two may be left out."""

    op: Literal["between"] = "between"
    start: Value = None
    end: Value = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.start is None and self.end is None:
            raise PydanticCustomError("condition", "a range has a start, an end or both")
        return self


class Contains(FieldCondition):
    """It holds this: a part of a text, an element of a list, a part of JSON."""

    op: Literal["contains"] = "contains"
    value: Value


class IsNull(FieldCondition):
    """It has no value."""

    op: Literal["is_null"] = "is_null"


class AllOf(Condition):
    """Each of these is met."""

    op: Literal["all_of"] = "all_of"
    conditions: tuple[AnyCondition, ...]


class AnyOf(Condition):
    """At least one of these is met."""

    op: Literal["any_of"] = "any_of"
    conditions: tuple[AnyCondition, ...]


class Not(Condition):
    """This is not met."""

    op: Literal["not"] = "not"
    condition: AnyCondition


AnyCondition = Annotated[
    Equals | OneOf | Between | Contains | IsNull | AllOf | AnyOf | Not, Field(discriminator="op")
]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()

CONDITION: Final[TypeAdapter[AnyCondition]] = TypeAdapter(AnyCondition)
"""Reads conditions: ``CONDITION.validate_json(condition.model_dump_json())`` is the condition again."""


class FieldNamed:
    """What can be asked of a field; made by ``field``."""

    __slots__ = ("_place",)

    def __init__(self, name: str, *path: str | int) -> None:
        self._place: dict[str, Any] = {"field": name, "path": path}

    def equals(self, value: object) -> Equals:
        """It has this value."""
        return Equals(**self._place, value=value)

    def one_of(self, *values: object) -> OneOf:
        """It has one of these values."""
        return OneOf(**self._place, values=values)

    def between(self, start: object = None, end: object = None) -> Between:
        """It is ``start`` or more, and less than ``end``."""
        return Between(**self._place, start=start, end=end)

    def contains(self, value: object) -> Contains:
        """It holds this part, element, or JSON."""
        return Contains(**self._place, value=value)

    def is_null(self) -> IsNull:
        """It has no value."""
        return IsNull(**self._place)


def field(name: str, *path: str | int) -> FieldNamed:
    """The field ``name`` of the domain model, or the place ``path`` in the JSON that it holds."""
    return FieldNamed(name, *path)


def _parts(kind: type[AllOf | AnyOf], condition: Condition) -> tuple[Condition, ...]:
    return condition.conditions if isinstance(condition, kind) else (condition,)
