"""Drivers' errors made ours: the one seam, by SQLSTATE, never by message (which quotes rows)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import asyncpg

from focal_data.database.statement import Statement
from focal_data.errors import (
    AccessError,
    CorruptDataError,
    DriverError,
    DuplicateError,
    FocalDataError,
    InUseError,
    InvalidDataError,
    NotFoundError,
    Outcome,
    RetryableError,
    SchemaError,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
    UsageError,
)

DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,  # TimeoutError is one of them
)
"""What a driver call may raise, and ``translated`` takes."""

READ_ERRORS: Final = (*DRIVER_ERRORS, ValueError, OverflowError)
"""What reading may raise: stored values that Python can't hold, too, such as a year of six digits."""

_SHARD_SUFFIX: Final = re.compile(r"_\d+$")
_CONSTRAINT_IN_MESSAGE: Final = re.compile(r'constraint "([^"]+)"')  # Citus leaves the field empty
_ARGUMENT: Final = re.compile(r"invalid input for query argument \$(\d+)")
_PARAMETER: Final = re.compile(r"^unnamed portal parameter \$(\d+)", re.MULTILINE)


def translated(
    error: BaseException, statement: Statement | None = None, *, outcome: Outcome = Outcome.NOT_APPLIED
) -> FocalDataError:
    """Our error for a driver's, with a cause that holds none of the driver's text.

    ``outcome`` is what became of the transaction when the connection was lost: unknown only while committing.
    Raise it outside the ``except`` block, so that the driver's error is not chained as its context either.
    """
    code: str | None = getattr(error, "sqlstate", None)
    constraint = _constraint(error)
    ours = _by_type(error, statement, outcome) or _by_code(code or "", constraint, statement, error, outcome)
    ours.__cause__ = DriverError.of(error, code=code, constraint=constraint)
    return ours


def refused(error: BaseException, role: str) -> FocalDataError:
    """Our error for a driver's while connecting or beginning, with what to do about a role that can't be taken."""
    code: str | None = getattr(error, "sqlstate", None)
    ours = translated(error)
    if code in ("22023", "42704"):
        ours = _with_cause(SchemaError(f"the role {role} does not exist: migrate the database to head"), ours)
    elif code == "42501":
        grant = f"GRANT {role} TO <login> WITH SET TRUE, INHERIT FALSE"
        ours = _with_cause(AccessError(f"the login may not act as {role}: as the owner, run {grant}"), ours)
    return ours


def _with_cause(error: FocalDataError, other: FocalDataError) -> FocalDataError:
    error.__cause__ = other.__cause__
    return error


def _constraint(error: BaseException) -> str | None:
    name: str | None = getattr(error, "constraint_name", None)
    if name is None and isinstance(error, asyncpg.IntegrityConstraintViolationError):
        found = _CONSTRAINT_IN_MESSAGE.search(str(error))
        name = _SHARD_SUFFIX.sub("", found.group(1)) if found else None
    return name


def _by_type(error: BaseException, statement: Statement | None, outcome: Outcome) -> FocalDataError | None:
    if isinstance(error, asyncpg.DataError) and (
        argument := _ARGUMENT.match(str(error))
    ):  # refused by the driver
        name = statement.parameter(int(argument.group(1))) if statement else "value"
        return InvalidDataError(name, "is not what the column takes")
    if isinstance(error, TimeoutError):
        return StoreTimeoutError("PostgreSQL did not answer in time", outcome=outcome)
    if isinstance(error, OSError | asyncpg.PostgresConnectionError | asyncpg.exceptions.InternalClientError):
        return StoreConnectionError("PostgreSQL is unreachable, or was lost", outcome=outcome)
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return RetryableError("a prepared statement outlived a change of the schema; nothing was written")
    if isinstance(error, asyncpg.InterfaceError) and "another operation is in progress" in str(error):
        return UsageError("two tasks used one transaction at once: a transaction belongs to one task")
    if isinstance(error, asyncpg.InterfaceError):  # the driver's own refusal: nothing was sent
        return StoreConnectionError("the connection to PostgreSQL can't be used")
    if isinstance(error, ValueError | OverflowError):  # the decoder's; its text may quote what it read
        return CorruptDataError(statement.tables[0].name if statement and statement.tables else "PostgreSQL")
    return None


def _by_code(
    code: str, constraint: str | None, statement: Statement | None, error: BaseException, outcome: Outcome
) -> FocalDataError:
    exact = _EXACT.get(code)
    if exact is not None:
        return exact(constraint or "constraint", statement)
    if code in _NOT_TEXT:
        return InvalidDataError(_parameter(error, statement) or "text", _NOT_TEXT[code])
    if code in ("57014", "25P03", "25P04"):
        return StoreTimeoutError("a statement took longer than its time-out", outcome=Outcome.NOT_APPLIED)
    if code[:2] in ("08", "57") or code == "53300":
        return StoreConnectionError("PostgreSQL is not accepting work", outcome=outcome)
    if code[:2] in ("22", "23"):
        return InvalidDataError(
            getattr(error, "column_name", None) or "value", f"PostgreSQL refuses it ({code})"
        )
    if code[:2] in ("42", "3F", "0A"):
        return SchemaError(
            f"the database's schema is not the one this version works with ({code}): is it at head?"
        )
    if code[:2] == "28" or code == "3D000":
        return AccessError(
            f"PostgreSQL refused the login ({code}): check the user, password and database of the URL"
        )
    return StoreError(f"PostgreSQL could not do it ({code or type(error).__name__})")


def _parameter(error: BaseException, statement: Statement | None) -> str | None:
    """The name of the parameter that PostgreSQL was reading, which it tells where it tells the place of the error."""
    found = _PARAMETER.search(getattr(error, "context", None) or "")
    return statement.parameter(int(found.group(1))) if found and statement else None


def _duplicate(constraint: str, statement: Statement | None) -> FocalDataError:
    return DuplicateError(constraint, statement.columns_of(constraint) if statement else ())


def _foreign_key(constraint: str, statement: Statement | None) -> FocalDataError:
    if statement is None or statement.deletes or not (entity := statement.referred_entity(constraint)):
        return InUseError(constraint)
    return NotFoundError(entity, f"{', '.join(statement.columns_of(constraint))} names none of this tenant's")


def _check(constraint: str, statement: Statement | None) -> FocalDataError:
    for table in statement.tables if statement else ():
        prefix = f"ck_{table.name}_"
        if constraint.startswith(prefix):
            return InvalidDataError(constraint.removeprefix(prefix), f"violates {constraint}")
    return InvalidDataError(constraint, f"violates {constraint}")


_NOT_TEXT: Final = {
    "22021": "must not contain NUL or invalid UTF-8",
    "22P05": "must not contain NUL",
}

_EXACT: Final[dict[str, Callable[[str, Statement | None], FocalDataError]]] = {
    "23505": _duplicate,
    "23503": _foreign_key,
    "23001": lambda constraint, _: InUseError(constraint),
    "23514": _check,
    "40001": lambda *_: RetryableError("a serialization failure; nothing was written"),
    "40P01": lambda *_: RetryableError("a deadlock; nothing was written"),
    "55P03": lambda *_: RetryableError("a lock was not free; nothing was written"),
    "42501": lambda *_: AccessError("the database's policies or grants refused it"),
    "25P02": lambda *_: UsageError(
        "an earlier statement of this transaction failed: leave its block and begin again"
    ),
    "XX001": lambda *_: CorruptDataError("PostgreSQL", "a table's data is corrupt"),
    "XX002": lambda *_: CorruptDataError("PostgreSQL", "an index is corrupt"),
}
