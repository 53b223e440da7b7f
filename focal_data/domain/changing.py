"""Some fields of an entity changed: which may be, and the whole that comes of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from focal_data.domain.base import ValueObject
from focal_data.domain.checking import first_problem
from focal_data.errors import InvalidDataError, UsageError

E = TypeVar("E", bound=ValueObject)

_THE_STORES: Final = frozenset(
    (
        "tenant_id",
        "id",
        "revision",
        "created_at",
        "updated_at",
        "recorded_at",
        "archived_at",
        "deleted_at",
        "erased_at",
    )
)
"""What only the store sets."""


def refuse_unchangeable(model: type[ValueObject], names: Iterable[str], kept: Collection[str] = ()) -> None:
    """Refuse names that are no fields of ``model``, or the store's to set, or ``kept``: ``InvalidDataError`` with the name.

    ``UsageError`` for a model without revisions, whose entities are added and deleted, not changed.
    """
    if "revision" not in model.model_fields:
        raise UsageError(f"{model.__name__} has no revision: it is added and deleted, never changed")
    for name in names:
        if name not in model.model_fields:
            raise InvalidDataError(name, f"{model.__name__} has no such field")
        if name in _THE_STORES or name in kept:
            raise InvalidDataError(name, "is set by the store, or never changes")


def refuse_unmarked(model: type[ValueObject]) -> None:
    """Raise ``UsageError`` for a model that isn't deleted softly: there is nothing to restore."""
    if "deleted_at" not in model.model_fields:
        raise UsageError(
            f"{model.__name__} is not marked when it is deleted, it is gone: nothing can be restored"
        )


def evolved(entity: E, changes: Mapping[str, Any]) -> E:
    """``entity`` with ``changes``, validated as a whole. ``InvalidDataError`` names the first bad field."""
    try:
        return entity.evolve(**changes)
    except ValidationError as error:
        failure = InvalidDataError(*first_problem(error))
    raise failure  # out here, pydantic's error, which holds the value, is not its context
