from __future__ import annotations

import pytest
from redis import exceptions as driver

from focal_data.errors import (
    AccessError,
    CorruptDataError,
    Outcome,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
)
from focal_data.redis.translation import DRIVER_ERRORS, translated

SECRET = "her own words"
REFUSED_BEHIND = driver.ConnectionError(SECRET)
REFUSED_BEHIND.__cause__ = driver.AuthenticationError(SECRET)

CASES = {
    "lost": (driver.ConnectionError(SECRET), StoreConnectionError),
    "broken pipe": (BrokenPipeError(SECRET), StoreConnectionError),
    "attribute": (AttributeError(SECRET), StoreConnectionError),
    "no protocol": (driver.InvalidResponse(SECRET), StoreConnectionError),
    "slow": (driver.TimeoutError(SECRET), StoreTimeoutError),
    "slow, ours": (TimeoutError(SECRET), StoreTimeoutError),
    "login": (driver.AuthenticationError(SECRET), AccessError),
    "login while connecting": (REFUSED_BEHIND, AccessError),
    "rights": (driver.NoPermissionError(SECRET), AccessError),
    "no login": (driver.ResponseError(f"NOAUTH {SECRET}"), AccessError),
    "type": (driver.ResponseError(f"WRONGTYPE {SECRET}"), CorruptDataError),
    "full": (driver.OutOfMemoryError(SECRET), StoreError),
    "read only": (driver.ReadOnlyError(SECRET), StoreConnectionError),
    "loading": (driver.BusyLoadingError(SECRET), StoreConnectionError),
    "disk": (driver.ResponseError(f"MISCONF {SECRET}"), StoreConnectionError),
    "cluster": (driver.ClusterDownError(SECRET), StoreConnectionError),
    "another node": (driver.MovedError("7 127.0.0.1:7"), StoreConnectionError),
    "a slot on its way": (driver.AskError("7 127.0.0.1:7"), StoreConnectionError),
    "two slots": (driver.ClusterCrossSlotError(SECRET), StoreConnectionError),
    "any answer": (driver.ResponseError(f"ERR {SECRET}"), StoreError),
    "any text": (driver.ResponseError(SECRET), StoreError),
    "any other": (driver.DataError(SECRET), StoreError),
}


@pytest.mark.parametrize(("error", "expected"), CASES.values(), ids=CASES)
def test_every_kind(error: Exception, expected: type[StoreError]) -> None:
    """Each of the driver's errors has one of ours, and nothing of its text remains."""
    ours = translated(error, b"focal:{a:b}:c", Outcome.UNKNOWN)

    assert expected is type(ours)
    assert isinstance(error, DRIVER_ERRORS)
    assert SECRET not in f"{ours!r} {ours} {ours.__cause__!r} {ours.__cause__}"
    assert ours.__context__ is None


def test_the_outcome() -> None:
    """The outcome is the call's: what is refused now may have been applied when it was sent before and the answer lost."""
    for error in (driver.ConnectionError(), driver.ReadOnlyError()):
        for outcome in Outcome:
            assert outcome == translated(error, b"k", outcome).outcome


def test_the_key() -> None:
    """A key of the wrong type is named."""
    assert (
        "focal:{a:b}:c"
        == translated(driver.ResponseError("WRONGTYPE x"), b"focal:{a:b}:c", Outcome.UNKNOWN).key
    )


def test_every_error_of_the_driver_is_known() -> None:
    """An error that the driver adds is of a family that is translated, or this fails."""
    kinds = [
        kind
        for kind in vars(driver).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == driver.__name__
    ]
    strangers = {kind.__name__ for kind in kinds if not issubclass(kind, DRIVER_ERRORS)}

    assert {"ChildDeadlockedError", "IncorrectPolicyType"} >= strangers  # neither comes from a server
