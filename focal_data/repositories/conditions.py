"""Conditions as SQL: the expression of a shape, with the condition's values as parameters ``w0``, ``w1``, ….

``Not`` has been moved down to the leaves, so that a condition that is asked for stands there plainly, for an index to be used:
``NULL`` counts as not met wherever it ends up. Only what is *not* asked for says ``IS NOT TRUE``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Float,
    Integer,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    false,
    func,
    or_,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB, array
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.types import TypeEngine

from focal_data.domain.kinds import FieldKind, Kind
from focal_data.domain.matching import Leaf, Shape, Understood
from focal_data.tables.columns import utc

Columns = ReadOnlyColumnCollection[str, Any]

_JSONB: Final = JSONB(none_as_null=True)
_JSONBS: Final = ARRAY(_JSONB, dimensions=1)  # a list in it is one value, not another dimension
_TYPES: Final[dict[Kind, TypeEngine[Any]]] = {
    Kind.TEXT: Text(),
    Kind.ENUM: Text(),
    Kind.BOOLEAN: Boolean(),
    Kind.INTEGER: BigInteger(),  # wider than the column, so that a larger number is no error but another one
    Kind.NUMBER: Float(),
    Kind.UUID: Uuid(),
    Kind.TIME: utc(),
    Kind.DATE: Date(),
    Kind.JSON: _JSONB,
}
_STEPS: Final[dict[type, TypeEngine[Any]]] = {str: Text(), int: Integer()}


def parameters(condition: Understood) -> dict[str, Any]:
    """What the expression of the condition's shape binds."""
    return {f"w{i}": value for i, value in enumerate(condition.values)}


def expression(shape: Shape, columns: Columns, fields: dict[str, FieldKind]) -> ColumnElement[bool]:
    """What ``shape`` asks of ``columns``, which hold ``fields``."""
    if isinstance(shape, Leaf):
        met = _leaf(shape, columns[shape.field], fields[shape.field])
        return met.is_not(true()) if shape.negated else met
    parts = (expression(part, columns, fields) for part in shape.parts)
    return and_(true(), *parts) if shape.every else or_(false(), *parts)


def in_order(column: Column[Any], known: FieldKind) -> ColumnElement[Any]:
    """``column`` as it is sorted and compared: text by its code points, whatever the database's collation."""
    return column.collate("C") if known.kind in (Kind.TEXT, Kind.ENUM) else column


def bound_type(known: FieldKind) -> TypeEngine[Any]:
    """The type that a value of the field is sent as."""
    return _TYPES[known.kind]


def _leaf(leaf: Leaf, column: Column[Any], known: FieldKind) -> ColumnElement[bool]:
    if known.kind is Kind.JSON or isinstance(column.type, JSONB):
        return _JSON[leaf.op](_place(leaf, type_coerce(column, _JSONB)), leaf)
    if leaf.op == "contains":
        return _contains(leaf, column, known)
    return _PLAIN[leaf.op](column, leaf, known)


def _value(place: int | None, kind: TypeEngine[Any]) -> BindParameter[Any]:
    return bindparam(f"w{place}", type_=kind)


def _sent(column: Column[Any], known: FieldKind) -> TypeEngine[Any]:
    return column.type if known.kind is Kind.LIST else bound_type(known)


def _between(column: Column[Any], leaf: Leaf, known: FieldKind) -> ColumnElement[bool]:
    return _range(in_order(column, known), leaf, bound_type(known))


def _contains(leaf: Leaf, column: Column[Any], known: FieldKind) -> ColumnElement[bool]:
    if known.item is None:
        return func.strpos(column, _value(leaf.values[0], Text())) > 0
    assert isinstance(column.type, ARRAY)
    element = array([_value(leaf.values[0], column.type.item_type)])
    return column.contains(cast(element, column.type))


def _range(value: ColumnElement[Any], leaf: Leaf, kind: TypeEngine[Any]) -> ColumnElement[bool]:
    start, end = leaf.values
    bounds = [] if start is None else [value >= _value(start, kind)]
    return and_(*bounds, *([] if end is None else [value < _value(end, kind)]))


_Plain = Callable[[Column[Any], Leaf, FieldKind], ColumnElement[bool]]
_PLAIN: Final[dict[str, _Plain]] = {
    "equals": lambda column, leaf, known: column == _value(leaf.values[0], _sent(column, known)),
    "one_of": lambda column, leaf, known: column == any_(_value(leaf.values[0], ARRAY(_sent(column, known)))),
    "between": _between,
    "is_null": lambda column, leaf, known: column.is_(None),
}


# -- in JSON -------------------------------------------------------------------------------------------------------


def _place(leaf: Leaf, json: Any) -> Any:
    """The place inside of ``json`` that the leaf is about, ``NULL`` where there is none."""
    for kind, value in leaf.path:
        # not by subscripts: they would take the key "0" for the number 0
        inner = json.op("->", return_type=_JSONB)(_value(value, _STEPS[kind]))
        # PostgreSQL takes a bare value for a list of one: '5' -> 0 is 5
        json = inner if kind is str else type_coerce(case((_json_type(json) == "array", inner)), _JSONB)
    return json


def _json_type(json: Any) -> ColumnElement[str]:
    return func.jsonb_typeof(json, type_=Text())


def _json_range(json: Any, leaf: Leaf) -> ColumnElement[bool]:
    return and_(_json_type(json) == "number", _range(json, leaf, _JSONB))


_JSON: Final[dict[str, Callable[[Any, Leaf], ColumnElement[bool]]]] = {
    "equals": lambda json, leaf: json == _value(leaf.values[0], _JSONB),
    "one_of": lambda json, leaf: json == any_(_value(leaf.values[0], _JSONBS)),
    "between": _json_range,
    "contains": lambda json, leaf: json.contains(_value(leaf.values[0], _JSONB)),
    "is_null": lambda json, leaf: func.coalesce(_json_type(json), "null") == "null",
}
