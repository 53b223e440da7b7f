"""What becomes of the driver's errors: somebody has decided about each, and nothing of its text remains."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from asyncpg import exceptions as driver
from sqlalchemy import bindparam, delete, insert, select

from focal_data.database.statement import Statement
from focal_data.database.translation import DRIVER_ERRORS, READ_ERRORS, is_decided, refused, translated
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
from focal_data.tables.config import RuleTable
from focal_data.tables.profile import CustomerProfileTable

SECRET = "her own words"
RULES = RuleTable.__table__  # type: ignore[attr-defined]
PROFILES = CustomerProfileTable.__table__  # type: ignore[attr-defined]
ADDED = Statement(insert(RULES).values({c.name: bindparam(c.name, type_=c.type) for c in RULES.columns}))
FOUND = Statement(select(RULES.c.id).where(RULES.c.name == bindparam("name"), RULES.c.id == bindparam("id")))

FAMILIES: dict[str, type[FocalDataError]] = {
    **dict.fromkeys(("0L", "0P", "28", "3D", "44"), AccessError),
    **dict.fromkeys(("0A", "3F", "42"), SchemaError),
    **dict.fromkeys(("08", "57"), StoreConnectionError),
    **dict.fromkeys(("22", "23", "54"), InvalidDataError),
    **dict.fromkeys(("40", "72"), RetryableError),
    **dict.fromkeys(
        ("01", "02", "03", "09", "0B", "0F", "0Z", "10", "20", "21", "24", "25", "26"), StoreError
    ),
    **dict.fromkeys(("27", "2B", "2D", "2F", "34", "38", "39", "3B", "53", "55", "58"), StoreError),
    **dict.fromkeys(("F0", "HV", "P0", "XX"), StoreError),
}
"""By the class of SQLSTATE."""

ALONE: dict[str, type[FocalDataError]] = {
    "23001": InUseError,
    "23503": InUseError,
    "23505": DuplicateError,
    "23P01": DuplicateError,
    "25006": StoreConnectionError,
    "25P02": UsageError,
    "25P03": StoreTimeoutError,
    "25P04": StoreTimeoutError,
    "26000": UsageError,
    "40003": StoreConnectionError,
    "42501": AccessError,
    "42P05": UsageError,
    "53300": StoreConnectionError,
    "55P03": RetryableError,
    "57014": StoreTimeoutError,
    "XX001": CorruptDataError,
    "XX002": CorruptDataError,
}
"""Codes that mean something else than their class."""

OWN: dict[str, type[FocalDataError]] = {
    "ClientConfigurationError": SettingsError,
    "FatalPostgresError": StoreConnectionError,
    "InterfaceError": StoreConnectionError,
    "InternalClientError": StoreConnectionError,
    "InvalidCachedStatementError": RetryableError,
    "OutdatedSchemaCacheError": RetryableError,
    "PostgresError": StoreConnectionError,
    "ProtocolError": StoreConnectionError,
    "TargetServerAttributeNotMatched": StoreConnectionError,
    "UnknownPostgresError": StoreConnectionError,
    "UnsupportedClientFeatureError": StoreError,
    "UnsupportedServerFeatureError": StoreError,
}
"""What the driver raises itself, and bases without a code."""


def every_class(module: Any) -> dict[str, type[BaseException]]:
    """The whole tree of the driver's errors, also those that it doesn't export; warnings are logged, and never raised."""
    found, queue = {}, [asyncpg.PostgresError, driver.InterfaceError, asyncpg.InternalClientError]
    queue += [
        kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, BaseException)
    ]
    while queue:
        kind = queue.pop()
        if kind.__module__.startswith("asyncpg") and kind.__name__ not in found:
            found[kind.__name__] = kind
            queue += kind.__subclasses__()
    return {name: kind for name, kind in found.items() if not issubclass(kind, Warning)}


EVERY = every_class(driver)


def raised(kind: type[BaseException], **fields: str) -> BaseException:
    """One as the driver raises it, with the secret wherever a server puts a row's values."""
    error = kind(SECRET)
    for name, value in {
        "detail": SECRET,
        "hint": SECRET,
        "query": SECRET,
        "context": SECRET,
        **fields,
    }.items():
        setattr(error, name, value)
    return error


def expected_of(name: str, kind: type[BaseException]) -> type[FocalDataError]:
    """By name, by code, by the class of the code: a KeyError is an error that nobody decided about."""
    code = getattr(kind, "sqlstate", None)
    return OWN[name] if name in OWN else ALONE.get(code or "") or FAMILIES[(code or "")[:2]]


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_error_of_the_driver(name: str) -> None:
    """Each has one of ours, which somebody chose, and none of its text."""
    kind = EVERY[name]
    ours = translated(raised(kind), ADDED)
    assert is_decided(kind) or getattr(kind, "sqlstate", None) is None
    assert expected_of(name, kind) is type(ours)
    assert isinstance(raised(kind), DRIVER_ERRORS)
    assert isinstance(ours.__cause__, DriverError)
    assert ours.__context__ is None
    assert SECRET not in f"{ours!r} {ours} {vars(ours)} {ours.__cause__!r} {vars(ours.__cause__)}"


def test_the_whole_tree_is_walked() -> None:
    """A driver that renames its errors would otherwise leave nothing to test."""
    assert len(EVERY) > 250
    assert {"UniqueViolationError", "ProtocolError", "ClientConfigurationError", "DataError"} <= EVERY.keys()


def test_an_error_that_the_driver_adds_is_noticed() -> None:
    """A class of codes that nobody has looked at is no decision."""

    class NewError(Exception):
        sqlstate = "ZZ001"

    assert not is_decided(NewError)
    assert StoreError is type(translated(NewError()))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(SECRET), StoreTimeoutError),
        (ConnectionResetError(SECRET), StoreConnectionError),
        (BrokenPipeError(SECRET), StoreConnectionError),
        (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), CorruptDataError),
        (OverflowError(SECRET), CorruptDataError),
        (driver.InterfaceError("cannot perform operation: another operation is in progress"), UsageError),
    ],
)
def test_pythons_own_errors(error: Exception, expected: type[FocalDataError]) -> None:
    """What comes from the socket, the clock and the decoders."""
    ours = translated(error, FOUND)
    assert expected is type(ours)
    assert isinstance(error, READ_ERRORS)
    assert SECRET not in f"{ours!r} {ours.__cause__!r}"


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("kind", [ConnectionResetError, TimeoutError, driver.AdminShutdownError])
def test_what_is_lost_has_the_outcome_of_its_moment(kind: type[Exception], outcome: Outcome) -> None:
    """Unknown while committing, not applied before."""
    ours = translated(kind(SECRET), outcome=outcome)
    assert isinstance(ours, StoreConnectionError | StoreTimeoutError)
    assert outcome is ours.outcome


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("08007", Outcome.UNKNOWN),
        ("40003", Outcome.UNKNOWN),
        ("57014", Outcome.NOT_APPLIED),
        ("25006", Outcome.NOT_APPLIED),
    ],
)
def test_some_codes_know_their_outcome(code: str, outcome: Outcome) -> None:
    """Whatever the moment."""
    kind = driver.PostgresError.get_message_class_for_sqlstate(code)
    other = Outcome.UNKNOWN if outcome is Outcome.NOT_APPLIED else Outcome.NOT_APPLIED
    ours = translated(kind(SECRET), outcome=other)
    assert isinstance(ours, StoreConnectionError | StoreTimeoutError)
    assert outcome is ours.outcome


@pytest.mark.parametrize("suffix", ["", "_102008"])
def test_a_constraint_is_found_with_and_without_a_shards_suffix(suffix: str) -> None:
    """Citus leaves the field empty, and writes the shard's name into the message."""
    name = "fk_rules_agent_id"
    in_field = raised(driver.ForeignKeyViolationError, constraint_name=name)
    in_text = driver.ForeignKeyViolationError(
        f'insert on "rules{suffix}" violates constraint "{name}{suffix}"'
    )
    for error in (in_text, in_field):
        ours = translated(error, ADDED)
        assert isinstance(ours, NotFoundError)
        assert ("Agent", "Agent: agent_id names none of this tenant's") == (ours.entity, str(ours))


def test_a_constraint_of_our_own_that_ends_in_a_number_is_left_as_it_is() -> None:
    """The suffix is taken off what a message says only."""
    ours = translated(raised(driver.UniqueViolationError, constraint_name="uq_notes_2"), ADDED)
    assert isinstance(ours, DuplicateError)
    assert "uq_notes_2" == ours.constraint


def test_a_parent_that_is_still_named_is_in_use() -> None:
    """The same code as a missing parent's, of a statement that deletes."""
    error = raised(driver.ForeignKeyViolationError, constraint_name="fk_rules_agent_id")
    assert isinstance(translated(error, Statement(delete(RULES))), InUseError)


def test_a_check_names_its_column() -> None:
    """Its name without the prefix."""
    ours = translated(raised(driver.CheckViolationError, constraint_name="ck_rules_scope"), ADDED)
    assert isinstance(ours, InvalidDataError)
    assert "scope" == ours.field


@pytest.mark.parametrize(
    "context",
    ["unnamed portal parameter $2", "unnamed portal parameter $2 = '$1'", "unbenanntes Portal, Parameter $2"],
)
def test_a_parameter_that_the_server_can_not_read_is_named(context: str) -> None:
    """By its place, whatever language the server speaks."""
    ours = translated(raised(driver.CharacterNotInRepertoireError, context=context), FOUND)
    assert isinstance(ours, InvalidDataError)
    assert FOUND.parameter(2) == ours.field


@pytest.mark.parametrize("context", ['SQL statement "SELECT $9"', "PL/pgSQL function f() line 1", ""])
def test_what_a_function_was_doing_names_no_parameter(context: str) -> None:
    """Its numbers are its own."""
    ours = translated(raised(driver.CharacterNotInRepertoireError, context=context), FOUND)
    assert isinstance(ours, InvalidDataError)
    assert "text" == ours.field


@pytest.mark.parametrize("code", ["42501", "22023", "42704"])
def test_a_role_that_can_not_be_taken(code: str) -> None:
    """While connecting, these codes are about the role; the cause stays a stand-in."""
    kind = driver.PostgresError.get_message_class_for_sqlstate(code)
    ours = refused(raised(kind), "focal_app")
    assert isinstance(ours, AccessError if code == "42501" else SchemaError)
    assert "focal_app" in str(ours)
    assert isinstance(ours.__cause__, DriverError)
    assert SECRET not in f"{ours!r} {ours.__cause__!r}"
