"""Every error that focal_data raises.

    FocalDataError
      SettingsError(variable)           a wrong, missing or contradictory setting
      UsageError                        the library used in a way that can't work; says how to
      StoreError(row)                   row: of a batch, the one that was refused
        StoreConnectionError(outcome)   unreachable, or lost midway; outcome: not_applied | unknown
        StoreTimeoutError(outcome)
        RetryableError                  serialization failure or deadlock, after the retries; nothing written
        NotFoundError(entity)           also a missing parent on write
        ConflictError
          DuplicateError(constraint, fields)
          StaleRevisionError(current_revision)
          InUseError(constraint)        something else still refers to it
        InvalidDataError(field, reason) what a store refuses; also a ValueError; never holds the value
        CorruptDataError(key)           what is stored can't be read
        AccessError                     the database's own lock said no; a login that the policies would not bind
        SchemaError                     behind head, unknown revision, no extension
      ProviderError
        AuthenticationError             401, 403
        RateLimitError(retry_after)     429
        ModelError                      404, or the model is unavailable
        ContentFilterError(category)    refusal or filter
        StructuredOutputError(raw_text) the reply does not fit the schema
        ProviderConnectionError         network, time-out, 5xx after the retries

A domain object made from bad values raises pydantic's own ``ValidationError``. No driver's exception escapes;
what is chained as the cause is a stand-in without content, since drivers quote rows in their messages.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self


class Outcome(StrEnum):
    """What became of a write whose answer never came."""

    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"


class FocalDataError(Exception):
    """The root of all errors of focal_data. Each can be pickled and copied with its data."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[FocalDataError], args: tuple[object, ...], state: dict[str, object]) -> FocalDataError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class SettingsError(FocalDataError):
    """A setting is wrong, missing, or contradicts another."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable}: {reason}")
        self.variable = variable
        self.reason = reason


class UsageError(FocalDataError):
    """The library was used in a way that can't work; the message says how to."""


class StoreError(FocalDataError):
    """A store could not keep its promise."""

    row: int | None = None
    """Of a batch that was refused, the first row that could not be stored, counted from 0; also in the message: ``[17]``."""

    def at_row(self, row: int) -> Self:
        """This error, about ``row`` of a batch."""
        self.row = row
        self.args = (f"[{row}] {self}",)
        return self


class _OutcomeError(StoreError):
    def __init__(self, message: str, *, outcome: Outcome = Outcome.NOT_APPLIED) -> None:
        super().__init__(f"{message} (outcome: {outcome.value})")
        self.outcome = outcome


class StoreConnectionError(_OutcomeError):
    """The server is unreachable, or was lost midway; ``outcome`` tells whether the write may last."""


class StoreTimeoutError(_OutcomeError):
    """The server did not answer in time; ``outcome`` tells whether the write may last."""


class RetryableError(StoreError):
    """A serialization failure or a deadlock; nothing was written, and the same call may succeed."""


class NotFoundError(StoreError):
    """What was named does not exist for this tenant; also a missing parent on write."""

    def __init__(self, entity: str, detail: str = "not found") -> None:
        super().__init__(f"{entity}: {detail}")
        self.entity = entity


class ConflictError(StoreError):
    """The write contradicts what is stored; nothing was written."""


class DuplicateError(ConflictError):
    """Another one with the same ``fields`` exists."""

    def __init__(self, constraint: str, fields: tuple[str, ...] = ()) -> None:
        named = f" ({', '.join(fields)})" if fields else ""
        super().__init__(f"{constraint}: already exists{named}")
        self.constraint = constraint
        self.fields = fields


class StaleRevisionError(ConflictError):
    """The entity was changed since it was read: read it again, and decide again."""

    def __init__(self, entity: str, current_revision: int) -> None:
        super().__init__(f"{entity}: stale revision, the current one is {current_revision}")
        self.entity = entity
        self.current_revision = current_revision


class InUseError(ConflictError):
    """Something else still refers to what should be deleted."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"{constraint}: still in use")
        self.constraint = constraint


class InvalidDataError(StoreError, ValueError):
    """A store refuses the data. Names the field and the reason, never the value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason

    def at_row(self, row: int) -> Self:
        """This error, about a field of ``row`` of a batch: ``[17].title``."""
        self.row = row
        self.field = f"[{row}].{self.field}"
        self.args = (f"{self.field}: {self.reason}",)
        return self


class CorruptDataError(StoreError):
    """What is stored under ``key`` can't be read."""

    def __init__(self, key: str, reason: str = "can't be read") -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key


class AccessError(StoreError):
    """The database refused, or the login is one that its policies would not bind."""


class SchemaError(StoreError):
    """The database's schema is not the one this version works with."""


class ProviderError(FocalDataError):
    """A model provider could not answer.

    ``request_id`` is the provider's own, or, where no reply came, the one that we sent (``X-Client-Request-Id``).
    """

    status: int | None = None
    """The HTTP status of the reply, where one came."""

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class AuthenticationError(ProviderError):
    """The key is missing, wrong, or not allowed to do this."""


class RateLimitError(ProviderError):
    """Too many requests; ``retry_after`` is in seconds, or ``None`` when the provider did not say."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after


class ModelError(ProviderError):
    """The model does not exist or is unavailable."""


class ContentFilterError(ProviderError):
    """The model refused, or a filter stopped it; ``category`` is the provider's own word for why, where it says one."""

    def __init__(self, message: str, *, category: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.category = category


class StructuredOutputError(ProviderError):
    """The reply does not fit the schema; ``raw_text`` is what came."""

    def __init__(self, message: str, *, raw_text: str, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.raw_text = raw_text


class ProviderConnectionError(ProviderError):
    """The provider was unreachable, or failed, after the retries."""


class DriverError(Exception):
    """A stand-in for a driver's exception, as a cause: its type, code and constraint, none of its text."""

    def __init__(self, kind: str, *, code: str | None = None, constraint: str | None = None) -> None:
        parts = [
            kind,
            *(f"{name}={value}" for name, value in (("code", code), ("constraint", constraint)) if value),
        ]
        super().__init__(" ".join(parts))

    @classmethod
    def of(cls, error: BaseException, *, code: str | None = None, constraint: str | None = None) -> Self:
        """The stand-in for ``error``, keeping where it was raised but nothing it said."""
        return cls(type(error).__qualname__, code=code, constraint=constraint)
