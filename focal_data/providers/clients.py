"""The vendors' clients: which extra brings them, which key they take, and who closes them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final, Generic, Protocol, Self, TypeVar

from focal_data.errors import SettingsError, UsageError
from focal_data.settings import PREFIX, Settings

if TYPE_CHECKING:
    from pydantic import SecretStr


class Client(Protocol):
    """What the SDKs' asynchronous clients have in common."""

    def with_options(self, *, max_retries: int) -> Self: ...

    async def close(self) -> None: ...


C = TypeVar("C", bound=Client)

CALL_ID: Final = "X-Client-Request-Id"
"""The header that tells a request by our own id, for when no reply tells theirs."""


def installed(package: str) -> ModuleType:
    """The vendor's SDK. Raises ``UsageError`` with the words that install it."""
    try:
        return import_module(package)
    except ImportError:
        message = f'the SDK is not installed: pip install "focal-data[{package}]"'
    raise UsageError(message)


def required_key(vendor: str, settings: Settings | None) -> str:
    """The vendor's key from ``settings``, or from the environment. Raises ``SettingsError`` with the name of the variable."""
    given = Settings.load() if settings is None else settings
    key: SecretStr | None = getattr(given, f"{vendor}_api_key")
    if key is None:
        name = f"{vendor.upper()}_API_KEY"
        raise SettingsError(f"{PREFIX}{name}", f"the key is not set, nor is {name}")
    return key.get_secret_value()


class Connected(Generic[C]):
    """A client, closed with the provider unless it was passed in. The SDK's own retries are off: ours are the only ones."""

    def __init__(self, client: C, *, owned: bool) -> None:
        self.client: C = client.with_options(max_retries=0)
        self._owned = owned

    async def close(self) -> None:
        if self._owned:
            await self.client.close()
