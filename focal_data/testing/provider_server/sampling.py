"""The least that fits a schema: what the server answers a structured request with when no script says otherwise."""

from __future__ import annotations

from typing import Any, Final

from focal_data.testing.provider_server.behaviours import Json

_BY_FORMAT: Final = {
    "date": "2026-01-05",
    "date-time": "2026-01-05T09:00:00Z",
    "duration": "PT1M",
    "email": "ada@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "09:00:00Z",
    "uuid": "018f0000-0000-7000-8000-000000000001",
}
_BY_TYPE: Final[Json] = {"boolean": True, "integer": 1, "number": 1.0, "null": None, "array": []}


def sample(schema: Json) -> Any:
    """A value that fits ``schema``."""
    return _sample(schema, schema.get("$defs", {}))


def _sample(part: Json, definitions: Json) -> Any:
    if "$ref" in part:
        return _sample(definitions[part["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in part:  # null first: a model that contains itself ends there
        null = [option for option in part["anyOf"] if option.get("type") == "null"]
        return _sample([*null, *part["anyOf"]][0], definitions)
    if "const" in part:
        return part["const"]
    if "enum" in part:
        return part["enum"][0]
    if part.get("type") == "object":
        return {name: _sample(field, definitions) for name, field in part.get("properties", {}).items()}
    if part.get("type") == "string":
        return _BY_FORMAT.get(part.get("format", ""), "text")
    return _BY_TYPE[part["type"]]
