"""What OpenAI's providers share: the client, and what the SDK's exceptions become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from focal_data.providers.clients import Connected, installed, required_key
from focal_data.providers.failures import Failure, Kind, failure, kind_of, kind_of_transport
from focal_data.providers.retrying import Call
from focal_data.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

VENDOR: Final = "openai"

ERRORS: Final[Mapping[str, Kind]] = {
    "OpenAIError": Kind.MISUSE,
    "APIError": Kind.STATUS,
    "APIConnectionError": Kind.CONNECTION,
    "APIRemovedInV1": Kind.MISUSE,
    "APIResponseValidationError": Kind.UNREADABLE,
    "APIStatusError": Kind.STATUS,
    "AgentFilePreparationError": Kind.MISUSE,
    "AgentFileStagingError": Kind.MISUSE,
    "AgentOutputParseError": Kind.MISUSE,
    "AgentTurnResultError": Kind.MISUSE,
    "ContentFilterFinishReasonError": Kind.FILTERED,
    "LengthFinishReasonError": Kind.MISUSE,
    "MissingDependencyError": Kind.MISUSE,
    "MutuallyExclusiveAuthError": Kind.AUTHENTICATION,
    "StreamAlreadyConsumed": Kind.MISUSE,
    "SubjectTokenProviderError": Kind.AUTHENTICATION,
    "WebSocketConnectionClosedError": Kind.CONNECTION,
    "WebSocketQueueFullError": Kind.MISUSE,
    "_AmbiguousModuleClientUsageError": Kind.MISUSE,
}
"""What the SDK's exceptions become, each by the nearest of its classes that stands here: nothing of it escapes. The tests
want each decided about by a class below the first two.
"""


def connected(
    settings: Settings | None, client: AsyncOpenAI | None, base_url: str | None
) -> Connected[AsyncOpenAI]:
    """``client``, or one with the key of ``settings``. ``UsageError`` without the SDK, ``SettingsError`` without a key."""
    sdk = installed("openai")
    if client is not None:
        return Connected(client, owned=False)
    made: AsyncOpenAI = sdk.AsyncOpenAI(api_key=required_key(VENDOR, settings), base_url=base_url)
    return Connected(made, owned=True)


def failure_of(error: Exception, call: Call) -> Failure | None:
    """What an exception of the SDK becomes; ``None`` for any other."""
    kind = kind_of(error, ERRORS, "openai") or kind_of_transport(error)
    return kind and failure(error, kind, vendor=VENDOR, call_id=call.id)
