"""Drivers' errors made ours: the one seam, by SQLSTATE, never by message (which quotes rows).

What each means is decided at the end of this file: for the driver's own by their class, for the server's by their code where
one has a meaning of its own, and otherwise by the class of the code, its first two signs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

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
    SettingsError,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
    UsageError,
)

if TYPE_CHECKING:
    from focal_data.database.statement import Statement

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
_PARAMETER: Final = re.compile(
    r"[^\"'$\n]*\$(\d+)"
)  # before any quotation, in a text that may be in any language


def translated(
    error: BaseException, statement: Statement | None = None, *, outcome: Outcome = Outcome.NOT_APPLIED
) -> FocalDataError:
    """Our error for a driver's, with a cause that holds none of the driver's text.

    ``outcome`` is what became of the transaction when the connection was lost: unknown only while committing.
    Raise it outside the ``except`` block, so that the driver's error is not chained as its context either.
    """
    code: str | None = getattr(error, "sqlstate", None)
    constraint = _constraint(error)
    ours = _decision(error, code or "")(_Case(error, code or "", constraint, statement, outcome))
    ours.__cause__ = DriverError.of(error, code=code, constraint=constraint)
    return ours


def is_decided(kind: type[BaseException]) -> bool:
    """Whether somebody has decided what an error of this class of the driver means."""
    code = getattr(kind, "sqlstate", None)
    own = any(issubclass(kind, types) for types, _ in _BY_TYPE)
    return own or code in _BY_CODE or (code or "")[:2] in _BY_CLASS


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


@dataclass(frozen=True, slots=True)
class _Case:
    """A driver's error, and what is known of where it came up."""

    error: BaseException
    code: str
    constraint: str | None
    statement: Statement | None
    outcome: Outcome


Decision = Callable[[_Case], FocalDataError]


def _decision(error: BaseException, code: str) -> Decision:
    for kind, decision in _BY_TYPE:
        if isinstance(error, kind):
            return decision
    return _BY_CODE.get(code) or _BY_CLASS.get(code[:2], _unexplained)


def _constraint(error: BaseException) -> str | None:
    name: str | None = getattr(error, "constraint_name", None)
    if name is None and isinstance(error, asyncpg.IntegrityConstraintViolationError):
        found = _CONSTRAINT_IN_MESSAGE.search(str(error))
        name = _SHARD_SUFFIX.sub("", found.group(1)) if found else None
    return name


def _parameter(case: _Case) -> str | None:
    """The name of the parameter that PostgreSQL was reading, which it tells where it tells the place of the error."""
    found = _PARAMETER.match(getattr(case.error, "context", None) or "")
    return case.statement.parameter(int(found.group(1))) if found and case.statement else None


# -- connections ---------------------------------------------------------------------------------------------------------


def _lost(case: _Case) -> FocalDataError:
    return StoreConnectionError("PostgreSQL is unreachable, or was lost", outcome=case.outcome)


def _not_accepting(case: _Case) -> FocalDataError:
    return StoreConnectionError(f"PostgreSQL is not accepting work ({case.code})", outcome=case.outcome)


def _unresolved(_: _Case) -> FocalDataError:
    return StoreConnectionError("PostgreSQL does not know what became of it", outcome=Outcome.UNKNOWN)


def _read_only(_: _Case) -> FocalDataError:
    return StoreConnectionError("this PostgreSQL only reads now: it is a standby, or set to")


def _no_host(_: _Case) -> FocalDataError:
    return StoreConnectionError("no server of the URL is what its target_session_attrs asks for")


def _no_answer(case: _Case) -> FocalDataError:
    return StoreTimeoutError("PostgreSQL did not answer in time", outcome=case.outcome)


def _took_too_long(_: _Case) -> FocalDataError:
    return StoreTimeoutError("a statement took longer than its time-out")


# -- use ---------------------------------------------------------------------------------------------------------------


def _interface(case: _Case) -> FocalDataError:
    if "another operation is in progress" in str(case.error):
        return UsageError("two tasks used one transaction at once: a transaction belongs to one task")
    return StoreConnectionError(
        "the connection to PostgreSQL can't be used"
    )  # refused by the driver: nothing was sent


def _wrong_url(_: _Case) -> FocalDataError:
    return SettingsError("FOCAL_DATA_DATABASE_URL", "has a parameter that the driver refuses")


def _had_failed(_: _Case) -> FocalDataError:
    return UsageError("an earlier statement of this transaction failed: leave its block and begin again")


def _pooled(_: _Case) -> FocalDataError:
    return UsageError(
        "a proxy that pools by transaction seems to stand before PostgreSQL: set FOCAL_DATA_TRANSACTION_POOLING"
    )


# -- data --------------------------------------------------------------------------------------------------------------


def _data(case: _Case) -> FocalDataError:
    argument = _ARGUMENT.match(str(case.error))
    if argument:  # refused by the driver, which has no column to name
        name = case.statement.parameter(int(argument.group(1))) if case.statement else "value"
        return InvalidDataError(name, "is not what the column takes")
    return InvalidDataError(_column(case), f"PostgreSQL refuses it ({case.code})")


def _not_text(case: _Case) -> FocalDataError:
    return InvalidDataError(_parameter(case) or "text", "must not contain NUL or invalid UTF-8")


def _too_large(case: _Case) -> FocalDataError:
    return InvalidDataError(_column(case), f"is larger or deeper than PostgreSQL takes ({case.code})")


def _column(case: _Case) -> str:
    return getattr(case.error, "column_name", None) or _parameter(case) or "value"


def _duplicate(case: _Case) -> FocalDataError:
    name = case.constraint or "constraint"
    return DuplicateError(name, case.statement.columns_of(name) if case.statement else ())


def _foreign_key(case: _Case) -> FocalDataError:
    name, statement = case.constraint or "constraint", case.statement
    if statement is None or statement.deletes or not (entity := statement.referred_entity(name)):
        return InUseError(name)
    return NotFoundError(entity, f"{', '.join(statement.columns_of(name))} names none of this tenant's")


def _in_use(case: _Case) -> FocalDataError:
    return InUseError(case.constraint or "constraint")


def _check(case: _Case) -> FocalDataError:
    name = case.constraint or "constraint"
    for table in case.statement.tables if case.statement else ():
        prefix = f"ck_{table.name}_"
        if name.startswith(prefix):
            return InvalidDataError(name.removeprefix(prefix), f"violates {name}")
    return InvalidDataError(name, f"violates {name}")


def _undecodable(case: _Case) -> FocalDataError:
    """The decoder's; its text may quote what it read."""
    tables = case.statement.tables if case.statement else ()
    return CorruptDataError(tables[0].name if tables else "PostgreSQL")


def _corrupt(case: _Case) -> FocalDataError:
    what = "an index is corrupt" if case.code == "XX002" else "a table's data is corrupt"
    return CorruptDataError("PostgreSQL", what)


# -- the server --------------------------------------------------------------------------------------------------------


def _retryable(reason: str) -> Decision:
    return lambda _: RetryableError(f"{reason}; nothing was written")


def _schema(case: _Case) -> FocalDataError:
    return SchemaError(
        f"the database's schema is not the one this version works with ({case.code}): is it at head?"
    )


def _login(case: _Case) -> FocalDataError:
    return AccessError(
        f"PostgreSQL refused the login ({case.code}): check the user, password and database of the URL"
    )


def _forbidden(_: _Case) -> FocalDataError:
    return AccessError("the database's policies or grants refused it")


def _no_resources(case: _Case) -> FocalDataError:
    return StoreError(f"PostgreSQL has not enough disk, memory or other resources ({case.code})")


def _misfit(_: _Case) -> FocalDataError:
    return StoreError("this PostgreSQL asks for something that the driver can't do")


def _unexplained(case: _Case) -> FocalDataError:
    return StoreError(f"PostgreSQL could not do it ({case.code or type(case.error).__name__})")


_BY_TYPE: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Decision], ...]] = (
    (asyncpg.InvalidCachedStatementError, _retryable("a prepared statement outlived a change of the schema")),
    (asyncpg.exceptions.OutdatedSchemaCacheError, _retryable("a type was changed while it was in use")),
    (asyncpg.exceptions.TargetServerAttributeNotMatched, _no_host),
    (asyncpg.InternalClientError, _lost),
    (asyncpg.exceptions.ClientConfigurationError, _wrong_url),
    (
        (asyncpg.exceptions.UnsupportedClientFeatureError, asyncpg.exceptions.UnsupportedServerFeatureError),
        _misfit,
    ),
    (asyncpg.InterfaceError, _interface),
    (TimeoutError, _no_answer),
    (OSError, _lost),
    ((ValueError, OverflowError), _undecodable),
)
"""The driver's own errors, and Python's, the first that fits."""

_BY_CODE: Final[dict[str, Decision]] = {
    "": _lost,  # a server's error without a code is a fatal one
    "08007": _unresolved,
    "22021": _not_text,
    "22P05": _not_text,
    "23001": _in_use,
    "23503": _foreign_key,
    "23505": _duplicate,
    "23514": _check,
    "23P01": _duplicate,
    "25006": _read_only,
    "25P02": _had_failed,
    "25P03": _took_too_long,
    "25P04": _took_too_long,
    "26000": _pooled,
    "40001": _retryable("a serialization failure"),
    "40003": _unresolved,
    "40P01": _retryable("a deadlock"),
    "42501": _forbidden,
    "42P05": _pooled,
    "53300": _not_accepting,
    "55P03": _retryable("a lock was not free"),
    "57014": _took_too_long,
    "XX001": _corrupt,
    "XX002": _corrupt,
}

_BY_CLASS: Final[dict[str, Decision]] = {
    "08": _lost,
    "0A": _schema,
    "0L": _login,
    "0P": _login,
    "22": _data,
    "23": _data,
    "28": _login,
    "3D": _login,
    "3F": _schema,
    "40": _retryable("a transaction that was rolled back"),
    "42": _schema,
    "44": _forbidden,
    "53": _no_resources,
    "54": _too_large,
    "57": _not_accepting,
    "72": _retryable("a snapshot too old"),
    # Looked at, and nothing to be said of them that the code doesn't: warnings, cursors and savepoints, routines and
    # triggers, XQuery, foreign data, PL/pgSQL, the server's files, its operating system and its own errors.
    **dict.fromkeys(
        ("01", "02", "03", "09", "0B", "0F", "0Z", "10", "20", "21", "24", "25", "26", "27"), _unexplained
    ),
    **dict.fromkeys(
        ("2B", "2D", "2F", "34", "38", "39", "3B", "55", "58", "F0", "HV", "P0", "XX"), _unexplained
    ),
}
"""By the class of SQLSTATE. One that a later driver has in addition fails a test until it is decided about."""
