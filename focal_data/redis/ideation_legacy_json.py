"""The JSON of existing ideation deployments, read and written.

Names are in snake_case, and read in camelCase as well. What is read must be whole: only what such deployments leave out
has a default. A time without a zone is in UTC, as their clocks were; a version below 1 is 1, the first that is stored.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from focal_data.domain.base import ValueObject
from focal_data.domain.checking import first_problem
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityCategory,
    MaturityState,
    PRDDraft,
    PRDSection,
    UserStory,
)

E = TypeVar("E", bound=ValueObject)

_UNWRITTEN: Final = {"tenant_id", "position"}
"""What only we know."""

_LEFT_OUT: Final[Mapping[type[ValueObject], frozenset[str]]] = {
    IdeationSession: frozenset({"version"}),
    ChatMessage: frozenset({"maturity_delta", "metadata"}),
    ExtractedRequirement: frozenset({"category_id"}),
    UserStory: frozenset({"priority"}),
}
"""What may be missing, or null."""

_NESTED: Final[Mapping[tuple[type[ValueObject], str], type[ValueObject]]] = {
    (MaturityState, "categories"): MaturityCategory,
    (PRDDraft, "sections"): PRDSection,
}
_PLAIN: Final[Mapping[object, tuple[tuple[type, ...], str]]] = {
    int: ((int,), "is no integer"),
    float: ((float, int), "is no number"),
    bool: ((bool,), "is neither true nor false"),
}
"""What JSON has for these; pydantic would take text and each other for them, too."""
_LONGEST_NAME: Final = 64


class UnreadableError(Exception):
    """What is stored can't be read; the message says why, without what it is."""


def encoded(thing: ValueObject) -> bytes:
    """``thing`` as such deployments read it."""
    return json.dumps(_plain(thing), ensure_ascii=False).encode()


def decoded(kind: type[E], text: bytes, session_id: str, notes: Counter[str]) -> E:
    """The ``kind`` in ``text``, of that session. Raises ``UnreadableError`` with the path and the reason.

    What was not taken as it stands is counted in ``notes``.
    """
    values = _read(kind, text, session_id, notes)
    try:
        thing = kind.model_validate(values)
    except ValidationError as error:
        failure = UnreadableError("{}: {}".format(*first_problem(error)))
    else:
        if _session_of(thing) == session_id:
            return thing
        failure = UnreadableError("it names another session than its key does")
    raise failure  # out here, pydantic's error, which holds the value, is not its context


def decoded_all(kind: type[E], texts: Sequence[bytes], session_id: str, notes: Counter[str]) -> list[E]:
    """As ``decoded`` for each, in half of the time; ``UnreadableError`` tells nothing of which it was."""
    own: Counter[str] = Counter()
    values = [_read(kind, text, session_id, own) for text in texts]
    try:
        things: list[E] = _adapter(kind).validate_python(values)
    except ValidationError:
        things = []
    if len(things) < len(texts) or any(_session_of(thing) != session_id for thing in things):
        raise UnreadableError
    notes.update(own)
    return things


def _read(kind: type[ValueObject], text: bytes, session_id: str, notes: Counter[str]) -> dict[str, Any]:
    values = _Reader(notes).values(kind, _parsed(text), "")
    if kind is not IdeationSession:
        values.setdefault("session_id", session_id)
    return values


def _session_of(thing: Any) -> str:
    session_id: str = thing.id if isinstance(thing, IdeationSession) else thing.session_id
    return session_id


def _plain(thing: ValueObject) -> dict[str, object]:
    return {name: _simple(getattr(thing, name)) for name in _fields(type(thing))}


def _simple(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(item) if isinstance(item, ValueObject) else item for item in value]
    return value


def _parsed(text: bytes) -> object:
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError):
        pass
    raise UnreadableError("it is not JSON in UTF-8")


class _Reader:
    """Finds the fields in JSON, and counts what it had to make of them."""

    def __init__(self, notes: Counter[str]) -> None:
        self._notes = notes

    def values(self, kind: type[ValueObject], found: object, path: str) -> dict[str, Any]:
        """What is given of the fields of ``kind``, by name; what is null is not given."""
        if not isinstance(found, dict):
            raise UnreadableError(f"{path.removesuffix('.') or 'it'}: is no JSON object")
        shape = _shape(kind)
        named = found if found.keys() <= shape.fields else self._named(kind, found, path)
        values = {name: value for name, value in named.items() if value is not None}
        if missing := shape.required - values.keys():
            raise UnreadableError(f"{path}{min(missing)}: is missing")
        for name, (types, wrong) in shape.plain.items():
            if name in values and type(values[name]) not in types:
                raise UnreadableError(f"{path}{name}: {wrong}")
        for name in shape.times & values.keys():
            values[name] = self._time(values[name], path + name)
        for name, part in shape.nested.items():
            values[name] = self._items(part, values[name], path + name)
        if kind is IdeationSession and values.get("version", 0) == 0:
            self._notes["a version below 1 is the first that is stored, 1"] += 1
            values["version"] = 1
        return values

    def _named(self, kind: type[ValueObject], found: dict[str, Any], path: str) -> dict[str, Any]:
        named: dict[str, Any] = {}
        for key, value in found.items():
            name = _names(kind).get(key)
            if name is None:
                shown = key if key.isidentifier() and len(key) <= _LONGEST_NAME else "…"
                self._notes[f"{path}{shown}: is not known, and left out"] += 1
            elif name in named and named[name] != value:
                raise UnreadableError(f"{path}{name}: is given twice, and not alike")
            else:
                named[name] = value
        return named

    def _items(self, kind: type[ValueObject], found: object, path: str) -> list[dict[str, Any]]:
        if not isinstance(found, list):
            raise UnreadableError(f"{path}: is no list")
        return [self.values(kind, item, f"{path}[{number}].") for number, item in enumerate(found)]

    def _time(self, value: object, path: str) -> datetime:
        try:
            time = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            time = None
        if time is None:
            raise UnreadableError(f"{path}: is no time in ISO 8601")
        if time.utcoffset() is None:
            self._notes["a time without a zone is in UTC"] += 1
            return time.replace(tzinfo=UTC)
        return time


@dataclass(frozen=True)
class _Shape:
    """What is known of a kind's fields."""

    fields: frozenset[str]
    required: frozenset[str]
    times: frozenset[str]
    plain: Mapping[str, tuple[tuple[type, ...], str]]
    nested: Mapping[str, type[ValueObject]]


@cache
def _shape(kind: type[ValueObject]) -> _Shape:
    fields = frozenset(_fields(kind))
    return _Shape(
        fields,
        fields - _LEFT_OUT.get(kind, frozenset()) - {"session_id"},
        fields & {"created_at", "updated_at", "timestamp"},
        {
            name: _PLAIN[field.annotation]
            for name, field in kind.model_fields.items()
            if field.annotation in _PLAIN
        },
        {name: part for (whole, name), part in _NESTED.items() if whole is kind},
    )


@cache
def _adapter(kind: type[ValueObject]) -> TypeAdapter[Any]:
    return TypeAdapter(list[kind])  # type: ignore[valid-type]


@cache
def _fields(kind: type[ValueObject]) -> tuple[str, ...]:
    return tuple(name for name in kind.model_fields if name not in _UNWRITTEN)


@cache
def _names(kind: type[ValueObject]) -> dict[str, str]:
    """The fields, by each name that they may have."""
    return {spelled: name for name in _fields(kind) for spelled in (name, to_camel(name))}
