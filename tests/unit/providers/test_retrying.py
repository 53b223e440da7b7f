"""How long a call waits between its tries."""

from __future__ import annotations

import pytest

from focal_data.errors import DriverError, ProviderConnectionError, RateLimitError
from focal_data.providers.failures import Failure
from focal_data.providers.retrying import Call, CallPolicy, retried

FAILED = Failure(ProviderConnectionError("failed"), DriverError("X"), retry=True)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr("focal_data.providers.retrying.asyncio.sleep", sleep)
    return found


async def fails() -> str:
    """What every attempt does."""
    raise OSError("lost")


async def test_a_wait_doubles_up_to_its_limit_less_what_chance_takes(waits: list[float]) -> None:
    """At least half of it stays."""
    policy = CallPolicy(max_retries=6, base_delay=1, max_delay=10)
    with pytest.raises(ProviderConnectionError):
        await retried(fails, lambda error, call: FAILED, Call("v", policy))
    longest = [1, 2, 4, 8, 10, 10]
    assert len(longest) == len(waits)
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, longest, strict=True))
    assert len(set(waits)) == len(waits)


async def test_what_the_provider_asks_for_is_waited(waits: list[float]) -> None:
    """Exactly."""
    asked = Failure(RateLimitError("busy"), DriverError("X"), retry=True, retry_after=7.5)
    with pytest.raises(RateLimitError):
        await retried(fails, lambda error, call: asked, Call("v", CallPolicy()))
    assert [7.5, 7.5] == waits


async def test_a_wait_that_would_not_fit_is_not_begun(waits: list[float]) -> None:
    """The call ends at once."""
    policy = CallPolicy(base_delay=4, max_delay=4, time_budget=1)
    with pytest.raises(ProviderConnectionError):
        await retried(fails, lambda error, call: FAILED, Call("v", policy))
    assert [] == waits


async def test_what_is_not_worth_it_is_not_tried_again(waits: list[float]) -> None:
    """Nor is what nobody knows, which passes as it is."""
    final = Failure(ProviderConnectionError("no"), DriverError("X"))
    with pytest.raises(ProviderConnectionError):
        await retried(fails, lambda error, call: final, Call("v", CallPolicy()))
    with pytest.raises(OSError, match="lost"):
        await retried(fails, lambda error, call: None, Call("v", CallPolicy()))
    assert [] == waits


async def test_the_error_has_a_stand_in_as_its_cause_and_no_context() -> None:
    """The vendor's exception is neither."""
    policy = CallPolicy(max_retries=0)
    with pytest.raises(ProviderConnectionError) as caught:
        await retried(fails, lambda error, call: FAILED, Call("v", policy))
    assert FAILED.cause is caught.value.__cause__
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "wrong", [{"max_retries": -1}, {"timeout": 0}, {"time_budget": 0}, {"base_delay": -1}]
)
def test_a_policy_that_can_not_be_is_refused(wrong: dict[str, float]) -> None:
    """When it is made."""
    with pytest.raises(ValueError, match="must"):
        CallPolicy(**wrong)  # type: ignore[arg-type]
