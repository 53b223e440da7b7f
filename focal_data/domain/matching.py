"""Conditions understood: read by the fields of a model, with ``Not`` moved down to the leaves, and held against entities.

``understood`` parts a condition into its ``shape`` and its ``values``. Equal shapes ask for the same things of the same fields,
whatever the values are: a backend that makes statements of them makes one for each shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from focal_data.domain.base import Json, ValueObject
from focal_data.domain.conditions import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Contains,
    Equals,
    FieldCondition,
    IsNull,
    Not,
    OneOf,
)
from focal_data.domain.kinds import FieldKind, Kind, fields_of, reader_of
from focal_data.errors import InvalidDataError

MAX_PARTS: Final = 200
"""How many conditions one may consist of."""

_RANGED: Final = {Kind.TEXT, Kind.INTEGER, Kind.NUMBER, Kind.UUID, Kind.TIME, Kind.DATE}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition on one field. ``values`` are places in ``Understood.values``, ``path`` too, of names and of numbers."""

    op: str
    field: str
    negated: bool
    path: tuple[tuple[type, int], ...]
    values: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """All of these, or any of them."""

    every: bool
    parts: tuple[Shape, ...]


Shape = Leaf | Group
EVERYTHING: Final = Group(every=True, parts=())


@dataclass(frozen=True, slots=True)
class Understood:
    """A condition that a model's entities can meet."""

    shape: Shape = EVERYTHING
    values: tuple[Any, ...] = ()

    def met_by(self, entity: ValueObject) -> bool:
        """Whether ``entity`` meets it."""
        return _met(self.shape, self.values, entity)


def matches(condition: Condition, entity: ValueObject) -> bool:
    """Whether ``entity`` meets ``condition``. Raises ``InvalidDataError("where…")`` for one that it can't meet or fail."""
    return understood(condition, type(entity)).met_by(entity)


def understood(condition: Condition | None, model: type[ValueObject]) -> Understood:
    """``condition`` read by the fields of ``model``; ``None`` is met by everything.

    Raises ``InvalidDataError`` with ``where.<field>`` for an unknown field, for what can't be asked of it, and for a value that
    it can't have; with ``where`` for what is no condition, or one of too many parts.
    """
    if condition is None:
        return Understood()
    if not isinstance(condition, Condition):
        raise InvalidDataError("where", "must be a condition")
    reading = _Reading(fields_of(model))
    return Understood(reading.shape(_whole(condition), negated=False), tuple(reading.values))


def _whole(condition: Condition) -> Condition:
    """A validated copy, since a frozen value may have been changed past its validation."""
    try:
        return type(condition).model_validate(condition)
    except (ValidationError, RecursionError):
        pass
    raise InvalidDataError("where", "is not a whole condition, or nested too deeply")


@dataclass
class _Reading:
    """One condition being read: the values found so far, and how many parts."""

    fields: dict[str, FieldKind]
    values: list[Any] = field(default_factory=list)
    parts: int = 0

    def shape(self, condition: Condition, *, negated: bool) -> Shape:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise InvalidDataError("where", f"has more than {MAX_PARTS} parts")
        match condition:
            case Not():
                return self.shape(condition.condition, negated=not negated)
            case AllOf() | AnyOf():
                parts = tuple(self.shape(part, negated=negated) for part in condition.conditions)
                return Group(isinstance(condition, AllOf) is not negated, parts)
            case FieldCondition():
                return self.leaf(condition, negated)
        raise InvalidDataError("where", "must be a condition")

    def leaf(self, condition: FieldCondition, negated: bool) -> Leaf:
        known = self.fields.get(condition.field)
        name = f"where.{condition.field}"
        if known is None:
            raise InvalidDataError(f"where.{_shown(condition.field)}", "there is no such field")
        if condition.path and known.kind is not Kind.JSON:
            raise InvalidDataError(name, "has no places inside: it doesn't hold JSON")
        try:
            values = _values(condition, known)
        except ValueError as error:
            raise InvalidDataError(name, str(error)) from None
        op: str = condition.op  # type: ignore[attr-defined]
        path = tuple((type(step), self.kept(step)) for step in condition.path)
        return Leaf(
            op, condition.field, negated, path, tuple(None if v is None else self.kept(v) for v in values)
        )

    def kept(self, value: Any) -> int:
        self.values.append(value)
        return len(self.values) - 1


def _values(condition: FieldCondition, known: FieldKind) -> Sequence[Any]:
    """The values of ``condition`` as the field has them. Raises ``ValueError`` with a reason that doesn't hold them."""
    match condition:
        case Equals():
            return [_read(known.read, condition.value)]
        case OneOf() if known.kind is not Kind.LIST:
            return [[_read(known.read, value) for value in condition.values]]
        case Between() if known.kind in _RANGED:
            return [_read_bound(known.read, bound) for bound in (condition.start, condition.end)]
        case Between() if known.kind is Kind.JSON:
            return [_read_bound(reader_of(Kind.NUMBER), bound) for bound in (condition.start, condition.end)]
        case Contains() if known.kind in (Kind.TEXT, Kind.JSON):
            return [_read(known.read, condition.value)]
        case Contains() if known.item is not None:
            return [_read(known.item.read, condition.value)]
        case IsNull():
            return []
    raise ValueError(f"can't be asked this: {condition.op}")  # type: ignore[attr-defined]


def _read(read: Callable[[object], Any], value: object) -> Any:
    if value is None:
        raise ValueError("is compared with nothing: ask whether it is null")
    return read(value)


def _read_bound(read: Callable[[object], Any], value: object) -> Any:
    return None if value is None else read(value)


def _shown(name: str) -> str:
    """The name of a field that doesn't exist, if it looks like one: it may be anything."""
    return name if name.isidentifier() and name.isascii() and len(name) <= 64 else "?"


# -- met or not ----------------------------------------------------------------------------------------------------


def _met(shape: Shape, values: Sequence[Any], entity: ValueObject) -> bool:
    if isinstance(shape, Group):
        met = (_met(part, values, entity) for part in shape.parts)
        return all(met) if shape.every else any(met)
    known = fields_of(type(entity))[shape.field]
    path = [values[i] for _, i in shape.path]
    asked = [None if i is None else values[i] for i in shape.values]
    return _leaf_met(shape.op, known, _at(_held(entity, known), path), asked) is not shape.negated


def _held(entity: ValueObject, known: FieldKind) -> Any:
    """What ``entity`` has in a field; JSON as JSON has it."""
    value = getattr(entity, known.name)
    if known.kind is Kind.JSON and value is not None:
        return entity.model_dump(mode="json", include={known.name})[known.name]
    return list(value) if known.kind is Kind.LIST and value is not None else value


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        match value, step:
            case dict(), str():
                value = value.get(step)
            case list(), int():
                value = value[step] if step < len(value) else None
            case _:
                return None
    return value


def _leaf_met(op: str, known: FieldKind, value: Any, asked: Sequence[Any]) -> bool:
    if value is None or op == "is_null":
        return value is None and op == "is_null"
    if known.kind is Kind.JSON:
        return _json_met(op, value, asked)
    match op:
        case "equals":
            return bool(value == asked[0])
        case "one_of":
            return value in asked[0]
        case "between":
            start, end = asked
            return (start is None or start <= value) and (end is None or value < end)
    return asked[0] in value  # contains


def _json_met(op: str, value: Any, asked: Sequence[Any]) -> bool:
    match op:
        case "equals":
            return same_json(value, asked[0])
        case "one_of":
            return any(same_json(value, one) for one in asked[0])
        case "between":
            return _in_range(value, *asked)
    bare = isinstance(value, list) and not isinstance(asked[0], list | dict)
    return _holds(value, [asked[0]] if bare else asked[0])


def _in_range(value: Any, start: float | None, end: float | None) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (start is None or start <= value) and (end is None or value < end)


def same_json(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same: numbers by their value, objects whatever the order of their keys."""
    match one, other:
        case bool() | str() | None, _:
            return type(one) is type(other) and one == other
        case int() | float(), int() | float():
            return not isinstance(other, bool) and one == other
        case list(), list():
            return len(one) == len(other) and all(map(same_json, one, other))
        case dict(), dict():
            return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    return False


def _holds(outer: Any, inner: Any) -> bool:
    """Containment as PostgreSQL's ``@>`` has it."""
    match outer, inner:
        case dict(), dict():
            return all(key in outer and _holds(outer[key], value) for key, value in inner.items())
        case list(), list():
            return all(any(_holds(element, wanted) for element in outer) for wanted in inner)
    return same_json(outer, inner)
