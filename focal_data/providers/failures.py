"""What a vendor's exception becomes: one table per vendor, by the names of its classes, and one for HTTP's statuses.

Nothing that a vendor says in words is repeated: its messages quote prompts and keys. Statuses, types and codes are told where
they are known ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from enum import Enum, auto
from math import isfinite
from time import time
from typing import Final

from focal_data.errors import (
    AuthenticationError,
    ContentFilterError,
    DriverError,
    ModelError,
    ProviderConnectionError,
    ProviderError,
    RateLimitError,
)


class Kind(Enum):
    """What to make of a vendor's exception."""

    STATUS = auto()
    """An answer with an HTTP status: that decides, or, in the midst of a stream, the type of error it names."""
    CONNECTION = auto()
    """No answer, or not all of it: asked again."""
    UNREADABLE = auto()
    """An answer that is none."""
    FILTERED = auto()
    AUTHENTICATION = auto()
    MISUSE = auto()
    """A part of the SDK that we don't use, or use wrongly."""


@dataclass(frozen=True)
class Failure:
    """What a call that failed is told as, and whether it is worth another try."""

    error: ProviderError
    cause: DriverError
    retry: bool = False
    retry_after: float | None = None
    """Seconds that the provider asked to wait."""


RETRIED: Final = frozenset({408, 409, 429, *range(500, 600)})
"""The statuses that are worth another try; no other is."""

_BY_TYPE: Final = {
    "api_error": 500,
    "authentication_error": 401,
    "billing_error": 402,
    "conflict_error": 409,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "overloaded_error": 529,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "request_too_large": 413,
    "server_error": 500,
    "timeout_error": 504,
}
"""Types of errors and the statuses they come with: in the midst of a stream an error comes without one."""

_CODES: Final = frozenset(
    {
        *(
            "billing_hard_limit_reached",
            "content_filter",
            "content_policy_violation",
            "context_length_exceeded",
        ),
        *("insufficient_quota", "invalid_api_key", "invalid_json_schema", "invalid_value", "model_not_found"),
        *("string_above_max_length", "unsupported_parameter", "unsupported_value"),
    }
)
_FILTERS: Final = frozenset({"content_filter", "content_policy_violation"})


def kind_of(error: BaseException, table: Mapping[str, Kind], package: str) -> Kind | None:
    """What ``table`` says of the nearest of the error's classes that ``package`` defines; ``None`` when of none."""
    for cls in type(error).__mro__:
        if cls.__name__ in table and cls.__module__.partition(".")[0] == package:
            return table[cls.__name__]
    return None


def kind_of_transport(error: BaseException) -> Kind | None:
    """What the SDKs let through in the midst of a stream: their HTTP client's exceptions, and those of JSON."""
    import httpx2

    if isinstance(error, httpx2.TransportError | httpx2.StreamError):
        return Kind.CONNECTION
    return Kind.UNREADABLE if isinstance(error, ValueError) else None


def failure(error: Exception, kind: Kind, *, vendor: str, call_id: str) -> Failure:
    """What ``error`` becomes; ``call_id`` stands in for the request's id where there was no reply."""
    request_id = getattr(error, "request_id", None) or call_id
    if kind is Kind.STATUS:
        return _by_status(error, vendor, str(request_id))
    made: ProviderError
    if kind is Kind.CONNECTION:
        made = ProviderConnectionError(
            f"{vendor}: unreachable, or lost midway (request {request_id})", request_id=request_id
        )
    elif kind is Kind.FILTERED:
        made = filtered(vendor, "content_filter", request_id)
    elif kind is Kind.AUTHENTICATION:
        made = AuthenticationError(f"{vendor}: no valid credentials", request_id=request_id)
    elif kind is Kind.UNREADABLE:
        made = unreadable(vendor, request_id)
    else:
        made = ProviderError(
            f"{vendor}: its SDK refused the call ({type(error).__name__})", request_id=request_id
        )
    return Failure(made, DriverError.of(error), retry=kind is Kind.CONNECTION)


def filtered(vendor: str, category: str | None, request_id: str | None) -> ContentFilterError:
    """The error of a refusal, or of a filter."""
    return ContentFilterError(
        f"{vendor}: refused, or stopped by a filter ({category or 'no category'}; request {request_id})",
        category=category,
        request_id=request_id,
    )


def unreadable(vendor: str, request_id: str | None) -> ProviderError:
    """The error of a reply that is not one."""
    return ProviderError(
        f"{vendor}: the reply could not be read (request {request_id})", request_id=request_id
    )


def _by_status(error: Exception, vendor: str, request_id: str) -> Failure:
    words = [word for word in (_word(error, "type"), _word(error, "code")) if word]
    status = getattr(error, "status_code", 200)
    if status < 400:
        status = next((_BY_TYPE[word] for word in words if word in _BY_TYPE), 500)
    code = " ".join([str(status), *words])
    said = f"HTTP {code}; request {request_id}"
    retry_after = _retry_after(error)
    made: ProviderError
    if _FILTERS & set(words):
        made = filtered(vendor, next(word for word in words if word in _FILTERS), request_id)
    elif status in (401, 402, 403):
        made = AuthenticationError(
            f"{vendor}: the key was not accepted, or may not do this ({said})", request_id=request_id
        )
    elif status == 404:
        made = ModelError(
            f"{vendor}: the model does not exist, or is not available ({said})", request_id=request_id
        )
    elif status == 429:
        made = RateLimitError(
            f"{vendor}: too many requests ({said})", retry_after=retry_after, request_id=request_id
        )
    elif status in RETRIED:
        made = ProviderConnectionError(f"{vendor}: it failed ({said})", request_id=request_id)
    else:
        made = ProviderError(f"{vendor}: it refused the request ({said})", request_id=request_id)
    made.status = status
    return Failure(made, DriverError.of(error, code=code), status in RETRIED, retry_after)


def _word(error: Exception, name: str) -> str | None:
    """The type or code that the reply gives the error, if that is a known one: anything else may be text."""
    word = getattr(error, name, None)
    return word if isinstance(word, str) and (word in _BY_TYPE or word in _CODES) else None


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", {})
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    date = parsedate_tz(text) if text else None
    return max(0.0, mktime_tz(date) - time()) if date else _seconds(text)


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None
