"""What a field of a domain model holds, as far as conditions and orders must know: its kind, and how its values are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime
from enum import Enum, StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from focal_data.domain.base import Json, Text, UtcDatetime
from focal_data.domain.embedding import Embedding
from focal_data.errors import InvalidDataError


class Kind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    ENUM = "enum"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    UUID = "uuid"
    TIME = "time"
    DATE = "date"
    LIST = "list"
    JSON = "json"
    OTHER = "other"


_Integer = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]

_READERS: Final[dict[Kind, tuple[Any, str]]] = {
    Kind.TEXT: (Text, "must be text without NUL or lone surrogates"),
    Kind.BOOLEAN: (Annotated[bool, Field(strict=True)], "must be true or false"),
    Kind.INTEGER: (_Integer, "must be an integer of 64 bits"),
    Kind.NUMBER: (_Number, "must be a finite number"),
    Kind.UUID: (UUID, "must be a UUID"),
    Kind.TIME: (UtcDatetime, "must be a timezone-aware time"),
    Kind.DATE: (date, "must be a date"),
    Kind.JSON: (Json, "must be JSON"),
}
_KINDS: Final[dict[Any, Kind]] = {
    str: Kind.TEXT,
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    UUID: Kind.UUID,
    datetime: Kind.TIME,
    AwareDatetime: Kind.TIME,  # at run time it is a class of its own
    date: Kind.DATE,
}
_AS_JSON: Final = (dict, list, tuple, set, frozenset, BaseModel)
_AS_TEXT: Final = {Kind.UUID, Kind.TIME, Kind.DATE}
_LISTED: Final = {Kind.TEXT, Kind.ENUM, Kind.INTEGER, Kind.NUMBER, Kind.UUID, Kind.BOOLEAN}
_SORTED: Final = _LISTED | {Kind.TIME, Kind.DATE}


@dataclass(frozen=True)
class FieldKind:
    """One field: what it holds, what its list holds, whether it may be ``None``, and how a value of it is read."""

    name: str
    kind: Kind
    nullable: bool
    read: Callable[[object], Any]
    """The value as the field has it. Raises ``ValueError`` with a reason that doesn't hold it."""
    item: FieldKind | None = None

    @property
    def sortable(self) -> bool:
        """Whether its values have an order."""
        return self.kind in _SORTED


def fields_of(model: type[BaseModel]) -> dict[str, FieldKind]:
    """The fields of ``model``, by name."""
    return _fields_of(model)


@cache
def _fields_of(model: type[BaseModel]) -> dict[str, FieldKind]:
    return {name: _field(name, info.annotation) for name, info in model.model_fields.items()}


def sortable(model: type[BaseModel], order_by: str) -> tuple[FieldKind, bool]:
    """The field that ``order_by`` names, and whether it goes downwards: ``-created_at``.

    Raises ``InvalidDataError("order_by")`` for one that doesn't exist, or whose values have no order.
    """
    if not isinstance(order_by, str):
        raise InvalidDataError("order_by", "must be the name of a field")
    known = fields_of(model).get(order_by.removeprefix("-"))
    if known is None or not known.sortable:
        raise InvalidDataError("order_by", "names no field that has an order")
    return known, order_by.startswith("-")


def reader_of(kind: Kind) -> Callable[[object], Any]:
    """How a value of this kind is read, of which there is no field; not for enumerations."""
    return _reader(kind, None)


def _field(name: str, annotation: Any) -> FieldKind:
    inner, nullable = _unwrapped(annotation)
    item = _item(inner)
    if item is not None:
        return FieldKind(name, Kind.LIST, nullable, _list_reader(item), item)
    kind = _kind(inner)
    return FieldKind(name, kind, nullable, _reader(kind, inner if kind is Kind.ENUM else None))


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The type beneath ``Annotated``, ``NewType``, ``Literal`` and ``… | None``, and whether the latter was there."""
    if isinstance(annotation, NewType):
        return _unwrapped(annotation.__supertype__)
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if origin in (Union, UnionType):
        others = [arm for arm in get_args(annotation) if arm is not type(None)]
        nullable = len(others) < len(get_args(annotation))
        return (_unwrapped(others[0])[0], nullable) if len(others) == 1 else (annotation, nullable)
    if origin is Literal:
        return str if all(type(value) is str for value in get_args(annotation)) else annotation, False
    return annotation, False


def _item(annotation: Any) -> FieldKind | None:
    """What a list of plain values holds; ``None`` for anything else."""
    if get_origin(annotation) not in (list, tuple, set, frozenset):
        return None
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    item = _field("", arguments[0]) if len(arguments) == 1 else None
    return item if item is not None and item.kind in _LISTED and not item.nullable else None


def _kind(annotation: Any) -> Kind:
    if not isinstance(annotation, type):
        return Kind.JSON
    if issubclass(annotation, Enum) and issubclass(annotation, str):
        return Kind.ENUM
    if issubclass(annotation, Embedding | Enum):
        return Kind.OTHER
    as_json = annotation is object or is_dataclass(annotation) or issubclass(annotation, _AS_JSON)
    return _KINDS.get(annotation, Kind.JSON if as_json else Kind.OTHER)


@cache
def _reader(kind: Kind, enumeration: Any) -> Callable[[object], Any]:
    if kind is Kind.OTHER:
        return _refused
    read_as, reason = (
        (enumeration, "must be one of the enumeration's values") if kind is Kind.ENUM else _READERS[kind]
    )
    validate = TypeAdapter(read_as).validate_python

    def read(value: object) -> Any:
        if kind in _AS_TEXT and not isinstance(value, str):  # pydantic would take numbers for times
            raise ValueError(reason)
        try:
            return validate(value)
        except (ValidationError, PydanticCustomError, RecursionError):
            pass
        raise ValueError(reason)

    return read


def _list_reader(item: FieldKind) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        if not isinstance(value, list):
            raise ValueError("must be a list")  # noqa: TRY004  (one error for all that can't be read)
        return [item.read(element) for element in value]

    return read


def _refused(value: object) -> Any:
    raise ValueError("can't be compared")
