"""What every domain object shares: immutability, validation, text, times, and JSON that every backend keeps alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainValidator
from pydantic_core import PydanticCustomError

from focal_data.ids import NO_TENANT, TenantId, new_id

MAX_JSON_DEPTH: Final = 64
_INT64: Final = 1 << 63
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is not UTC:  # what stores and drivers give is: a third of the time of converting it
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise PydanticCustomError("datetime_range", "time is out of range in UTC") from None
    if not _EARLIEST < value < _LATEST:  # PostgreSQL's driver takes these two for its infinities
        raise PydanticCustomError("datetime_range", "time is out of range")
    return value


def _no_nul(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("text_nul", "text must not contain NUL")
    return value


Path = tuple["Path", str | int] | None
"""Where a value lies, as the way back to the root: made for every value, and put into words only for an offender."""


def checked_json(value: Any, path: Path = None, depth: int = 0) -> JsonValue:
    """A deep copy of ``value`` if it is JSON as the conventions define it.

    Raises ``PydanticCustomError`` with the path of the first offender: NUL or a lone surrogate in a string, a number that
    is not finite or beyond 64 bits, a key that is no string, another type, or nesting deeper than ``MAX_JSON_DEPTH``.
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\x00" not in value else _json_text(value, path)
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return]
    if kind is int or kind is float:
        return _json_number(value, path)
    if depth >= MAX_JSON_DEPTH:
        raise _not_json(path, f"nested deeper than {MAX_JSON_DEPTH} levels")
    if kind is list:
        return [checked_json(item, (path, i), depth + 1) for i, item in enumerate(value)]
    if kind is dict:
        return {
            _json_key(key, path): item
            if type(item) is str
            and item.isascii()
            and "\x00" not in item  # as most are: a call less for each
            else checked_json(item, (path, key), depth + 1)
            for key, item in value.items()
        }
    raise _not_json(path, f"{kind.__name__} is not JSON")


def _json_key(key: object, path: Path) -> str:
    if type(key) is not str:
        raise _not_json(path, "an object's key must be a string")
    return key if key.isascii() and "\x00" not in key else _json_text(key, path, " (a key)")


def _json_text(value: str, path: Path, what: str = "") -> str:
    if "\x00" in value:
        raise _not_json(path, "text must not contain NUL", what)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _not_json(path, "text must not contain a lone surrogate", what) from None
    return value


def _json_number(value: float, path: Path) -> float:
    if type(value) is int:
        if not -_INT64 <= value < _INT64:
            raise _not_json(path, "an integer must fit in 64 bits")
    elif not math.isfinite(value):
        raise _not_json(path, "a number must be finite")
    return value


def _not_json(path: Path, reason: str, what: str = "") -> PydanticCustomError:
    place = (_spelled(path) + what).encode("utf-8", "backslashreplace").decode()
    return PydanticCustomError("json", "{reason}, at {path}", {"reason": reason, "path": place})


def _spelled(path: Path) -> str:
    if path is None:
        return "$"
    parent, step = path
    return f"{_spelled(parent)}[{step}]" if type(step) is int else f"{_spelled(parent)}.{step}"


def _checked_object(value: object) -> JsonValue:
    if type(value) is not dict:
        raise PydanticCustomError("json", "must be a JSON object")
    return checked_json(value)


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A timezone-aware time, kept in UTC; a naive one is refused."""

NO_NUL: Final = AfterValidator(_no_nul)

Text = Annotated[str, Field(min_length=0), NO_NUL]  # any constraint makes pydantic refuse lone surrogates
"""Any text without NUL or lone surrogates."""

NonEmptyText = Annotated[str, Field(min_length=1), AfterValidator(_no_nul)]
Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_no_nul)]
ExternalId = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_no_nul)]
"""An id from outside, 1 to 255 characters."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Integer = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Json = Annotated[JsonValue, PlainValidator(checked_json)]
"""Any JSON value, copied on the way in."""
JsonObject = Annotated[dict[str, JsonValue], PlainValidator(_checked_object)]
"""A JSON object, copied on the way in."""


class ValueObject(BaseModel):
    """An immutable value. Errors never show the input, and what comes in is copied and validated again."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        revalidate_instances="always",
        ser_json_inf_nan="constants",
    )

    def evolve(self, **changes: Any) -> Self:
        """A validated copy with ``changes``; an unknown name or a bad value is pydantic's ``ValidationError``."""
        return type(self).model_validate({**self.__dict__, **changes})


class PlainValue(ValueObject):
    """A value of immutable parts only, of which an entity may hold many. Every way to make one validates it.

    So it is valid for good, and is shared where others are copied and validated again, which for the history of a live
    session is most of the work.
    """

    model_config = ConfigDict(revalidate_instances="subclass-instances")

    if not TYPE_CHECKING:  # mypy's plugin for pydantic says what it takes

        @classmethod
        def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
            """As ``model_validate``: there is no way around the checks."""
            return cls.model_validate(values)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As ``evolve``."""
        return self.evolve(**(update or {}))


class Entity(ValueObject):
    """Something a store keeps for one tenant. ``tenant_id`` is the nil UUID until the store fills it in."""

    tenant_id: TenantId = NO_TENANT
    id: UUID = Field(default_factory=new_id)


class MutableEntity(Entity):
    """An entity that may change. ``revision`` 0 means not stored yet; the times are the store's, ``None`` until then."""

    revision: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    created_at: UtcDatetime | None = None
    updated_at: UtcDatetime | None = None


class SoftDeletableEntity(MutableEntity):
    """A mutable entity whose deletion is a mark, ``deleted_at``, which only the store sets."""

    deleted_at: UtcDatetime | None = None
