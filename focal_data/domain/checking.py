"""What every store does with an entity that it is handed: validate it again, bind it to the tenant, take a copy."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

from pydantic import ValidationError

from focal_data.domain.base import ValueObject
from focal_data.errors import InvalidDataError
from focal_data.ids import NO_TENANT, TenantId

E = TypeVar("E", bound=ValueObject)
M = TypeVar("M", bound=StrEnum)

EMBEDDING: Final = "embedding"


def checked(entity: E, kind: type[E], tenant_id: TenantId) -> E:
    """A validated copy of ``entity`` that belongs to ``tenant_id``, its embedding at the precision that stores keep.

    The nil tenant is filled in. Raises ``InvalidDataError`` for what is no ``kind``, for what the model refuses (an entity may
    have been changed past it), for another's tenant, and for an embedding that the precision makes zero or infinite.
    """
    if not isinstance(entity, kind):
        raise InvalidDataError("entity", f"must be of the type {kind.__name__}")
    return _at_stored_precision(_of_tenant(copied(entity, kind), tenant_id))


def copied(entity: E, kind: type[E] | None = None) -> E:
    """A validated copy that shares nothing that can be changed. ``InvalidDataError`` names the first bad field.

    An instance of a subclass becomes one of ``kind``; fields that ``kind`` has not are bad ones.
    """
    try:
        return (kind or type(entity)).model_validate(entity)
    except ValidationError as error:
        failure = InvalidDataError(*first_problem(error))
    raise failure  # out here, pydantic's error, which holds the value, is not its context


def first_problem(error: ValidationError) -> tuple[str, str]:
    """The path and the reason of the first problem, without the value."""
    problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return ".".join(str(part) for part in problem["loc"]) or "entity", problem["msg"]


def _of_tenant(entity: E, tenant_id: TenantId) -> E:
    tenant: UUID | None = getattr(entity, "tenant_id", None)
    if tenant is None or tenant == tenant_id:
        return entity
    if tenant != NO_TENANT:
        raise InvalidDataError("tenant_id", "is another tenant's")
    return entity.model_copy(update={"tenant_id": tenant_id})


def _at_stored_precision(entity: E) -> E:
    embedding = getattr(entity, EMBEDDING, None)
    if embedding is None:
        return entity
    try:
        return entity.model_copy(update={EMBEDDING: embedding.rounded()})
    except ValueError as error:
        raise InvalidDataError(EMBEDDING, str(error)) from None


def checked_uuid(field: str, value: UUID) -> UUID:
    """``value`` if it is a ``uuid.UUID``; otherwise ``InvalidDataError(field)``."""
    if not isinstance(value, UUID):
        raise InvalidDataError(field, "must be a uuid.UUID")
    return value


def checked_text(field: str, value: str) -> str:
    """``value`` if it is text that can be kept; otherwise ``InvalidDataError(field)``."""
    if not isinstance(value, str):
        raise InvalidDataError(field, "must be text")
    if "\x00" in value or _has_lone_surrogate(value):
        raise InvalidDataError(field, "must not contain NUL or a lone surrogate")
    return value


def checked_member(field: str, value: M, kind: type[M]) -> M:
    """``value`` if it is a member of the enumeration ``kind``, or the text of one; otherwise ``InvalidDataError(field)``."""
    if isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            pass
    raise InvalidDataError(field, f"must be a {kind.__name__}")


def checked_filters(filters: E | None, kind: type[E]) -> E:
    """A validated copy of ``filters``, or the default ones. ``InvalidDataError("filters")`` for another kind."""
    if filters is None:
        return kind()
    if not isinstance(filters, kind):
        raise InvalidDataError("filters", f"must be a {kind.__name__}")
    try:
        return copied(filters)
    except InvalidDataError as error:
        failure = InvalidDataError(f"filters.{error.field}", error.reason)
    raise failure


def _has_lone_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
