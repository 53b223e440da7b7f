"""What all providers have in common: they are never waited for while a transaction is open."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from focal_data.telemetry import refuse_in_transaction

P = ParamSpec("P")
T = TypeVar("T")


class Provider:
    """A model that is called. In debug mode each public call of a subclass, also one of your own, raises ``UsageError``
    inside of a transaction: its connection would wait for the model.
    """

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        for name, member in list(vars(cls).items()):
            if name.startswith("_") or name == "aclose":  # which waits for no model
                continue
            if inspect.iscoroutinefunction(member):
                setattr(cls, name, _guarded(member))
            elif inspect.isasyncgenfunction(member):
                setattr(cls, name, _guarded_stream(member))

    async def aclose(self) -> None:
        """Close the connections that it opened itself; a client that was passed in stays open."""
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _guarded(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    @wraps(call)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        refuse_in_transaction(call.__qualname__)
        return await call(*args, **kwargs)

    return guarded


def _guarded_stream(call: Callable[P, AsyncIterator[T]]) -> Callable[P, AsyncIterator[T]]:
    """As ``_guarded``, before each item: a transaction may be begun between two of them, and is over before the next."""

    @wraps(call)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        refuse_in_transaction(call.__qualname__)
        async with aclosing(call(*args, **kwargs)) as items:  # type: ignore[type-var]
            async for item in items:
                yield item
                refuse_in_transaction(call.__qualname__)

    return guarded
