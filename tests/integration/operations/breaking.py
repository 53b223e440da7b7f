"""Operations that are broken off, or that others write into, at each of the transactions and commands they are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from focal_data.database.scope import TenantScope
from focal_data.operations.operator import Operator, TenantOperations
from focal_data.redis.client import RedisClient
from focal_data.settings import Settings

Hook = Callable[[], Awaitable[None]]


class BrokenOff(BaseException):
    """As if the process had ended here."""


class Steps:
    """How many steps were begun; before each, what a test wants is done."""

    def __init__(self, hook: Callable[[int], Awaitable[None]]) -> None:
        self.begun = 0
        self._hook = hook

    async def next(self) -> None:
        await self._hook(self.begun)
        self.begun += 1


class SteppedScope(TenantScope):
    """Every transaction is a step."""

    __slots__ = ("steps",)

    async def run(self, work: Any, **options: Any) -> Any:
        await self.steps.next()
        return await super().run(work, **options)


class SteppedRedis(RedisClient):
    """Every script and every removal is a step."""

    steps: Steps

    async def run(self, *arguments: Any) -> Any:
        await self.steps.next()
        return await super().run(*arguments)

    async def unlink(self, *arguments: Any) -> None:
        await self.steps.next()
        await super().unlink(*arguments)


def stepped(
    op: Operator, settings: Settings, tenant: TenantOperations, hook: Callable[[int], Awaitable[None]]
) -> Steps:
    """Make what ``tenant`` does count its steps, and call ``hook`` before each. The operator's Redis is another one then."""
    steps = Steps(hook)
    tenant.scope = SteppedScope(op.database, tenant.tenant_id)
    tenant.scope.steps = steps
    vars(op)["redis"] = SteppedRedis(settings)
    op.redis.steps = steps  # type: ignore[attr-defined]
    return steps


def at(step: int, act: Callable[[], Awaitable[object]]) -> Callable[[int], Awaitable[None]]:
    """A hook that does something before this step."""

    async def hook(begun: int) -> None:
        if begun == step:
            await act()

    return hook


async def break_off() -> None:
    raise BrokenOff
