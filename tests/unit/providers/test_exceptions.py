"""Every exception of an SDK has been decided about: the tree is walked, and a class that nobody knows fails here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import walk_packages

import anthropic
import httpx2
import openai
import pytest

from focal_data.errors import (
    AuthenticationError,
    ContentFilterError,
    ModelError,
    ProviderConnectionError,
    ProviderError,
    RateLimitError,
)
from focal_data.providers.failures import RETRIED, Kind, failure, kind_of, kind_of_transport
from focal_data.providers.llm.anthropic import ERRORS as ANTHROPIC
from focal_data.providers.openai import ERRORS as OPENAI

TABLES = {"anthropic": ANTHROPIC, "openai": OPENAI}
ROOTS: Mapping[str, type[Exception]] = {"anthropic": anthropic.AnthropicError, "openai": openai.OpenAIError}
NETS = {"AnthropicError", "OpenAIError", "APIError"}
"""What catches, at run time, a class that nobody has decided about. Here each must be decided about by another."""

SKIPPED = ("anthropic.lib.bedrock", "anthropic.lib.vertex", "anthropic.lib.google_cloud", "anthropic.lib.aws")
"""Doors to the models that we don't go through; each needs a package of its own to be imported."""

BY_STATUS = {
    400: ProviderError,
    401: AuthenticationError,
    402: AuthenticationError,
    403: AuthenticationError,
    404: ModelError,
    408: ProviderConnectionError,
    409: ProviderConnectionError,
    412: ProviderError,
    413: ProviderError,
    422: ProviderError,
    429: RateLimitError,
    431: ProviderError,
    499: ProviderError,
    500: ProviderConnectionError,
    501: ProviderConnectionError,
    502: ProviderConnectionError,
    503: ProviderConnectionError,
    504: ProviderConnectionError,
    529: ProviderConnectionError,
}
REQUEST = httpx2.Request("POST", "http://127.0.0.1/")


def _imported(package: str) -> None:
    """Import all of a package that can be: its classes exist when they are imported."""
    for module in walk_packages(import_module(package).__path__, f"{package}."):
        if ".types" in module.name or module.name.startswith(SKIPPED) or "__main__" in module.name:
            continue
        try:
            import_module(module.name)
        except (ImportError, anthropic.AnthropicError, openai.OpenAIError):
            continue


def _tree(cls: type[Exception]) -> Iterator[type[Exception]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _tree(child)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow  # it imports all of an SDK
@pytest.mark.parametrize("vendor", TABLES)
def test_no_exception_of_the_sdk_is_undecided(vendor: str) -> None:
    """A class of a later SDK fails here until somebody has put it, or one above it, into the table."""
    _imported(vendor)
    classes = {cls for cls in _tree(ROOTS[vendor]) if cls.__module__.partition(".")[0] == vendor}
    assert len(classes) > 20
    decided = {name: kind for name, kind in TABLES[vendor].items() if name not in NETS}
    undecided = [
        cls.__qualname__
        for cls in classes
        if cls.__name__ not in NETS and kind_of(cls.__new__(cls), decided, vendor) is None
    ]
    assert [] == sorted(undecided)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("vendor", TABLES)
def test_the_table_names_classes_that_exist(vendor: str) -> None:
    """A name that the SDK has no more is taken out."""
    _imported(vendor)
    assert set() == TABLES[vendor].keys() - {cls.__name__ for cls in _tree(ROOTS[vendor])}


@pytest.mark.parametrize("vendor", TABLES)
@pytest.mark.parametrize("status", BY_STATUS)
def test_a_status_decides(vendor: str, status: int) -> None:
    """The SDKs have a class for some statuses, and a base for the others."""
    sdk = import_module(vendor)
    response = httpx2.Response(status, request=REQUEST, headers={"request-id": "r", "x-request-id": "r"})
    error = sdk.APIStatusError("secret", response=response, body={"error": {"message": "secret"}})
    assert Kind.STATUS is kind_of(error, TABLES[vendor], vendor)
    told = failure(error, Kind.STATUS, vendor=vendor, call_id="c")
    assert BY_STATUS[status] is type(told.error)
    assert (status, "r", status in RETRIED) == (told.error.status, told.error.request_id, told.retry)
    assert "secret" not in f"{told}{told.error.args}{told.cause}"


@pytest.mark.parametrize(
    ("kind", "expected", "retried"),
    [
        (Kind.CONNECTION, ProviderConnectionError, True),
        (Kind.FILTERED, ContentFilterError, False),
        (Kind.AUTHENTICATION, AuthenticationError, False),
        (Kind.UNREADABLE, ProviderError, False),
        (Kind.MISUSE, ProviderError, False),
    ],
)
def test_what_has_no_status_is_told_by_its_kind(
    kind: Kind, expected: type[ProviderError], retried: bool
) -> None:
    """With our own id, since there is no other, and without its words."""
    told = failure(ValueError("secret"), kind, vendor="openai", call_id="c")
    assert (expected, "c", retried) == (type(told.error), told.error.request_id, told.retry)
    assert "secret" not in f"{told}{told.error.args}{told.cause}"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", ProviderConnectionError),
        ("rate_limit_error", RateLimitError),
        ("invalid_request_error", ProviderError),
        ("authentication_error", AuthenticationError),
        ("something new", ProviderConnectionError),
    ],
)
def test_an_error_in_the_midst_of_a_stream_is_told_by_its_type(
    kind: str, expected: type[ProviderError]
) -> None:
    """Its status was 200."""
    body = {"type": "error", "error": {"type": kind, "message": "secret"}}
    response = httpx2.Response(200, request=REQUEST)
    theirs = failure(
        anthropic.APIStatusError("secret", response=response, body=body), Kind.STATUS, vendor="v", call_id="c"
    )
    other = failure(
        openai.APIError("secret", REQUEST, body=body["error"]), Kind.STATUS, vendor="v", call_id="c"
    )
    assert (expected, expected) == (type(theirs.error), type(other.error))
    assert "something new" not in str(theirs.error)


@pytest.mark.parametrize("vendor", TABLES)
def test_one_that_nobody_knows_does_not_escape(vendor: str) -> None:
    """At run time, with an SDK that is newer than this."""
    new = type("NewError", (ROOTS[vendor],), {"__module__": vendor})
    assert Kind.MISUSE is kind_of(new(), TABLES[vendor], vendor)


def test_what_is_not_the_vendors_is_not_decided() -> None:
    """Not a class of the same name from elsewhere, nor a fault of our own."""

    class APIStatusError(Exception):
        """Another's."""

    assert kind_of(APIStatusError(), ANTHROPIC, "anthropic") is None
    assert kind_of_transport(AttributeError()) is None
    assert Kind.CONNECTION is kind_of_transport(httpx2.ReadError(""))
    assert Kind.UNREADABLE is kind_of_transport(ValueError())
