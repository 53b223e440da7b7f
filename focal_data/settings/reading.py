"""How variables are read: their names, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from focal_data.errors import SettingsError

PREFIX: Final = "FOCAL_DATA_"
IDEATION_BACKEND: Final = "IDEATION_PERSISTENCE_BACKEND"

S = TypeVar("S", bound=BaseSettings)


def loaded(kind: type[S], values: Mapping[str, Any]) -> S:
    """A ``kind`` of the environment, ``values`` first. Raises ``SettingsError`` for the first wrong variable."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        failure = SettingsError(_variable(kind, name), first["msg"].removeprefix("Value error, "))
    raise failure  # out here, pydantic's error, which holds the value, is not its context


def unset_if_empty(value: object) -> object:
    """``None`` for a text with nothing in it, as shells and compose files leave behind."""
    return None if isinstance(value, str) and not value.strip() else value


def _variable(kind: type[BaseSettings], name: str) -> str:
    """What a field is called outside; a name that others gave it is its own."""
    prefix = kind.model_config.get("env_prefix", "")
    known = name.upper()
    return known if known == IDEATION_BACKEND else f"{prefix}{known.removeprefix(prefix)}"
