"""JSON Schema as the schema modes of the APIs take it, made from a pydantic model in one place.

Objects are closed and all of their fields required; constraints that the modes do not know (ranges, lengths, patterns) are
told in the description and checked by pydantic afterwards. What has no equivalent is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from focal_data.errors import UsageError

Json = dict[str, Any]

_KEPT: Final = ("type", "enum", "const", "$ref", "description", "format")
_UNSAID: Final = frozenset(
    {*_KEPT, "$defs", "additionalProperties", "allOf", "anyOf", "default", "discriminator", "examples"}
    | {
        "items",
        "oneOf",
        "properties",
        "required",
        "uniqueItems",
        "deprecated",
        "readOnly",
        "title",
        "writeOnly",
    }
)
"""What needs no words: it is kept, made into something else, or no constraint."""
_FORMATS: Final = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}
)


@dataclass(frozen=True)
class Schema:
    """A model, and what a vendor's schema mode is sent for it."""

    name: str
    json: Json

    def __hash__(self) -> int:
        return hash(self.name)


@lru_cache(maxsize=512)
def schema_of(model: type[BaseModel], *, recursive: bool) -> Schema:
    """The schema of ``model``; ``recursive`` says whether the API takes one that refers to itself.

    Raises ``UsageError`` with the place and the reason for what the API could not express: objects whose names are not fixed,
    values of any type, tuples, a root that is no object, and recursion where it is not taken.
    """
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise UsageError("schema must be a class of pydantic's BaseModel")
    try:
        source = model.model_json_schema()
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError):
        source = None
    if source is None:
        raise UsageError(f"{model.__name__}: has a type that JSON Schema can't express")
    definitions: Mapping[str, Json] = source.pop("$defs", {})
    strict = _Strict(model.__name__, definitions)
    root = strict.root(source)
    if not recursive:
        strict.refuse_recursion()
    made = {name: strict.made(part, name) for name, part in definitions.items()}
    return Schema(_name(model.__name__), {**root, **({"$defs": made} if made else {})})


def problems(error: ValidationError) -> str:
    """What is wrong with a reply, for the model that made it: places and reasons, without the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in found[:20])


def _name(name: str) -> str:
    """As the APIs take names: letters, digits, _ and -, at most 64."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:64]


class _Strict:
    """Makes the parts of one model's schema strict."""

    def __init__(self, model: str, definitions: Mapping[str, Json]) -> None:
        self._model = model
        self._definitions = definitions

    def root(self, source: Json) -> Json:
        """The root, an object: a model that refers to itself has a reference there."""
        if "$ref" in source:
            source = self._definitions[_target(source)]
        if source.get("type") != "object":
            raise self._refusal("the root", "must be an object: give the model a field")
        return self.made(source, "")

    def made(self, source: Json, place: str) -> Json:
        """``source`` as the modes take it."""
        options = source.get("anyOf") or source.get("oneOf") or source.get("allOf")
        self._check(source, options, place)
        part: Json = {key: source[key] for key in _KEPT if key in source}
        if part.get("format") not in _FORMATS:
            part.pop("format", None)
        if options:
            part["anyOf"] = [self.made(option, f"{place}|{i}") for i, option in enumerate(options)]
        if "properties" in source or source.get("type") == "object":
            part |= self._object(source, place)
        if "items" in source:
            part["items"] = self.made(source["items"], f"{place}[]")
        return _described(part, source)

    def _object(self, source: Json, place: str) -> Json:
        fields = {
            name: self.made(field, f"{place}.{name}" if place else name)
            for name, field in source.get("properties", {}).items()
        }
        return {"properties": fields, "required": list(fields), "additionalProperties": False}

    def _check(self, source: Json, options: list[Json] | None, place: str) -> None:
        if source.get("additionalProperties"):
            raise self._refusal(
                place, "an object whose names are not fixed: use a list of objects with a name and a value"
            )
        if "prefixItems" in source:
            raise self._refusal(place, "a tuple: use a model with named fields")
        if "allOf" in source and len(source["allOf"]) > 1:
            raise self._refusal(place, "an intersection of types")
        if "patternProperties" in source:
            raise self._refusal(place, "names that follow a pattern")
        if source.get("type") == "array" and not source.get("items"):
            raise self._refusal(place, "a list whose items may be anything: say their type")
        if not options and not {"type", "$ref", "enum", "const"} & source.keys():
            raise self._refusal(place, "a value of any type: say which")

    def refuse_recursion(self) -> None:
        """Raise where a definition leads back to itself."""
        for name in self._definitions:
            if name in self._reached(name):
                raise self._refusal(name, "a model that contains itself: this API takes no recursive schema")

    def _reached(self, name: str) -> set[str]:
        reached: set[str] = set()
        ahead = _references(self._definitions[name])
        while ahead:
            reached |= ahead
            ahead = set().union(*(_references(self._definitions[other]) for other in ahead)) - reached
        return reached

    def _refusal(self, place: str, reason: str) -> UsageError:
        return UsageError(
            f"{self._model}, {place or 'the root'}: the API's schema mode can't express {reason}"
        )


def _target(source: Json) -> str:
    return str(source["$ref"]).rpartition("/")[2]


def _references(part: object) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(_references, part))
    if not isinstance(part, dict):
        return set()
    own = {_target(part)} if isinstance(part.get("$ref"), str) else set()
    return own.union(*map(_references, part.values()))


def _described(part: Json, source: Json) -> Json:
    """``part`` with the constraints that it lost put into words; a reference stands alone, as the APIs want it."""
    lost = {key: value for key, value in source.items() if key not in _UNSAID}
    if source.get("format") and "format" not in part:
        lost["format"] = source["format"]
    words = [part.pop("description", ""), ", ".join(f"{key}: {value}" for key, value in lost.items())]
    description = " · ".join(word for word in words if word)
    if not description:
        return part
    if "$ref" in part:
        return {"anyOf": [part], "description": description}
    return {**part, "description": description}
