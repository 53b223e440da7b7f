"""The driver's errors made ours: the one seam. What Redis or redis-py say may hold keys and values, so none of it stays."""

from __future__ import annotations

from typing import Final

from redis import exceptions as driver

from focal_data.errors import (
    AccessError,
    CorruptDataError,
    DriverError,
    FocalDataError,
    Outcome,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
)
from focal_data.settings import PREFIX

DRIVER_ERRORS: Final = (
    driver.RedisError,
    driver.RedisClusterException,
    OSError,  # TimeoutError is one of them
    AttributeError,  # leaks from redis-py when another task closed the connection
)
"""What a call of the driver may raise, and ``translated`` takes."""

REFUSED: Final = (driver.AuthenticationError, driver.AuthorizationError, driver.NoPermissionError)
ANSWERS: Final = (driver.ResponseError, driver.BusyLoadingError, *REFUSED)
"""Errors that are Redis' own answer: the command was not carried out."""

_NOT_NOW: Final = {
    *("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN"),
    "UNBLOCKED",
}
_ELSEWHERE: Final = {"ASK", "CROSSSLOT", "MOVED"}
_CODES: Final[dict[type[Exception], str]] = {
    driver.AskError: "ASK",
    driver.BusyLoadingError: "LOADING",
    driver.ClusterDownError: "CLUSTERDOWN",
    driver.ClusterCrossSlotError: "CROSSSLOT",
    driver.MasterDownError: "MASTERDOWN",
    driver.MovedError: "MOVED",
    driver.NoScriptError: "NOSCRIPT",
    driver.OutOfMemoryError: "OOM",
    driver.ReadOnlyError: "READONLY",
    driver.TryAgainError: "TRYAGAIN",
}


def translated(error: BaseException, key: bytes, outcome: Outcome) -> FocalDataError:
    """Our error for a driver's, about ``key``; ``outcome`` is that of a command which was lost.

    Raise it outside the ``except`` block, so that the driver's error is not chained as its context either.
    """
    code = _code(error)
    ours = _by_code(code, key, error, outcome) or _by_type(error, outcome)
    ours.__cause__ = DriverError.of(error, code=code)
    return ours


def is_refusal(error: BaseException) -> bool:
    """Whether the login or its rights are at fault. While it connects, redis-py hides that below a lost connection."""
    return isinstance(error, REFUSED) or isinstance(error.__cause__, REFUSED)


def _code(error: BaseException) -> str | None:
    """The first word of Redis' answer, in capitals; redis-py drops those that it knows."""
    if known := _CODES.get(type(error)):  # type: ignore[arg-type]
        return known
    if not isinstance(error, driver.ResponseError):
        return None
    word = str(error).partition(" ")[0]
    return word if word.isascii() and word.isalpha() and word.isupper() else None


def _by_code(code: str | None, key: bytes, error: BaseException, outcome: Outcome) -> FocalDataError | None:
    if is_refusal(error) or code in ("NOAUTH", "NOPERM", "WRONGPASS"):
        return AccessError("Redis refused the login or the command: check the user and password of the URL")
    if code == "WRONGTYPE":
        return CorruptDataError(key.decode(), "is not of the type that is kept there")
    if code == "OOM":
        return StoreError("Redis is out of memory, and nothing was written")
    if code in _ELSEWHERE:
        return StoreConnectionError(
            f"another node has what was asked for: a cluster needs {PREFIX}REDIS_CLUSTER=true",
            outcome=outcome,
        )
    if code in _NOT_NOW:
        return StoreConnectionError(f"Redis does not take the command now ({code})", outcome=outcome)
    return None


def _by_type(error: BaseException, outcome: Outcome) -> FocalDataError:
    if isinstance(error, TimeoutError | driver.TimeoutError):
        return StoreTimeoutError("Redis did not answer in time", outcome=outcome)
    if isinstance(error, driver.ConnectionError | driver.InvalidResponse | OSError | AttributeError):
        return StoreConnectionError("Redis is unreachable, or was lost", outcome=outcome)
    return StoreError(f"Redis could not do it ({type(error).__name__})")
