"""The one place where a provider is asked again: SDKs are told not to, so that theirs and ours never multiply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from random import random
from time import monotonic
from typing import Final, TypeVar

from focal_data.errors import DriverError, FocalDataError, ProviderConnectionError
from focal_data.ids import new_id
from focal_data.providers.failures import Failure

T = TypeVar("T")


@dataclass(frozen=True)
class CallPolicy:
    """How long a call may take, and how often it is tried. All times are in seconds.

    One request, and ``max_retries`` more after a connection error or a status of 408, 409, 429 or 5xx. Between them it waits
    as long as ``retry-after`` says, and otherwise ``base_delay``, doubled each time up to ``max_delay``, less up to half by
    chance. All of it, waiting too, fits in ``time_budget``: a wait that would not is not begun.
    """

    max_retries: int = 2
    timeout: float = 120.0
    """For one request; of a stream, for its beginning and for each piece."""
    time_budget: float = 300.0
    """For the whole call; of a stream, until it begins."""
    base_delay: float = 0.5
    max_delay: float = 8.0

    def __post_init__(self) -> None:
        times = (self.timeout, self.time_budget, self.base_delay, self.max_delay)
        if self.max_retries < 0 or not all(time > 0 for time in times):
            raise ValueError("max_retries must not be negative, and times must be positive")

    def delay(self, retry: int) -> float:
        """How long to wait before the ``retry``-th retry, counted from 0, when the provider does not say."""
        longest: float = min(self.base_delay * 2 ** min(retry, 30), self.max_delay)
        return longest * (1 - random() / 2)  # noqa: S311


DEFAULT_POLICY: Final = CallPolicy()


class Call:
    """One call of a provider, however many requests it takes: its id, and when its time is over."""

    def __init__(self, vendor: str, policy: CallPolicy) -> None:
        self.vendor = vendor
        self.policy = policy
        self.id = str(new_id())
        self._begun = monotonic()

    def elapsed(self) -> float:
        """Seconds since it began."""
        return monotonic() - self._begun

    def left(self) -> float:
        """Seconds that it may still take; 0 when there are none."""
        return max(0.0, self.policy.time_budget - self.elapsed())

    def one_wait(self) -> float:
        """Seconds that one request may take."""
        return min(self.policy.timeout, self.left())


FailureOf = Callable[[Exception, Call], Failure | None]
"""What a vendor's exception becomes; ``None`` for one that is not the vendor's."""


async def retried(attempt: Callable[[], Awaitable[T]], failure_of: FailureOf, call: Call) -> T:
    """What ``attempt`` returns, tried again as the call's policy says. What ``failure_of`` does not know passes."""
    policy = call.policy
    for retry in count():
        try:
            async with asyncio.timeout(call.one_wait()):
                return await attempt()
        except FocalDataError:
            raise
        except Exception as error:
            found = told(error, failure_of, call)
            if found is None:
                raise
            failed = found
        delay = policy.delay(retry) if failed.retry_after is None else failed.retry_after
        if not failed.retry or retry == policy.max_retries or delay >= call.left():
            break
        await asyncio.sleep(delay)
    raise failed.error from failed.cause  # out here, the vendor's exception, which quotes, is not its context


def told(error: Exception, failure_of: FailureOf, call: Call) -> Failure | None:
    """As ``failure_of``, which need not know what a time-out is."""
    if not isinstance(error, TimeoutError):
        return failure_of(error, call)
    message = f"{call.vendor}: no answer in time (request {call.id})"
    made = ProviderConnectionError(message, request_id=call.id)
    return Failure(made, DriverError.of(error), retry=True)
