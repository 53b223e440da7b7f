"""PostgreSQL, Redis and memory are told the same random calls, and must give the same answers and errors."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from focal_data.database.engine import Database
from focal_data.domain.base import ValueObject
from focal_data.domain.ideation import IdeationSession
from focal_data.errors import StoreError
from focal_data.inmemory.database import InMemoryDatabase
from focal_data.inmemory.ideation import InMemoryIdeationFactory
from focal_data.redis.client import RedisClient
from focal_data.redis.ideation import RedisIdeationFactory
from focal_data.repositories.ideation import PostgresIdeationFactory
from focal_data.settings import Settings
from focal_data.stores.ideation import IdeationFactory, IdeationStores
from focal_data.testing.contracts.ideation.base import (
    a_draft,
    a_maturity,
    a_message,
    a_requirement,
    a_session,
    a_story,
    all_parts,
)
from focal_data.testing.contracts.ideation.clock import SetClock

Call = Callable[[IdeationStores], Awaitable[object]]

SESSIONS = ["a", "B", "é:{}", "missing"]
USERS = ["ada", "eve"]


class Undone(Exception):  # noqa: N818  (no error)
    """Raised to roll a transaction back."""


@pytest.fixture
def clock() -> SetClock:
    """One for all backends."""
    return SetClock()


@pytest.fixture
async def factories(
    focal_settings: Settings, focal_redis: Redis, clock: SetClock
) -> AsyncIterator[list[IdeationFactory]]:
    """The reference, and the others."""
    async with AsyncExitStack() as stack:
        database = Database(focal_settings, clock=clock)
        stack.push_async_callback(database.close)
        client = await stack.enter_async_context(RedisClient(focal_settings))
        yield [
            InMemoryIdeationFactory(InMemoryDatabase(clock=clock)),
            PostgresIdeationFactory(database),
            RedisIdeationFactory(client, clock=clock),
        ]


def _call(dice: random.Random, session_id: str, versions: dict[str, int]) -> Call:
    """One call about a session, the same for whoever gets it. Ids of parts are few, and no two sessions have the same."""
    part, user, number = f"{session_id}{dice.randrange(4)}", dice.choice(USERS), dice.randrange(100)
    version = max(0, versions.get(session_id, 0) + dice.choice((0, 0, 0, -1, 1)))
    new = a_session(id=session_id, user_id=user, project_name=str(number))
    stories = [a_story(session_id, id=f"{session_id}{dice.randrange(9)}") for _ in range(dice.randrange(4))]
    message = a_message(session_id, str(number), id=f"{session_id}{number}")
    requirement = a_requirement(session_id, id=part, description=str(number))
    maturity, draft = a_maturity(session_id, score=number), a_draft(session_id, id=part, title=str(number))
    limit, offset = dice.randrange(1, 5), dice.randrange(3)
    calls: list[Call] = [
        lambda stores: stores.sessions.create(new),
        lambda stores: stores.sessions.create(new),
        lambda stores: stores.sessions.update(new.evolve(version=version)),
        lambda stores: stores.sessions.update(new.evolve(version=version)),
        lambda stores: stores.sessions.get_by_id(session_id),
        lambda stores: stores.messages.create(message),
        lambda stores: stores.messages.create(message),
        lambda stores: stores.messages.get_by_session(session_id, limit, offset),
        lambda stores: stores.requirements.create(requirement),
        lambda stores: stores.requirements.update(requirement),
        lambda stores: stores.requirements.delete(session_id, part),
        lambda stores: stores.maturity.save(maturity),
        lambda stores: stores.prd.save_draft(draft),
        lambda stores: stores.prd.get_draft(session_id),
        lambda stores: stores.prd.save_user_stories(session_id, stories),
        lambda stores: all_parts(stores, session_id),
    ]
    rare: list[Call] = [
        lambda stores: stores.messages.delete_by_session(session_id),
        lambda stores: stores.sessions.delete(session_id),
    ]
    return dice.choice(rare if dice.random() < 0.05 else calls)


async def _outcome(call: Awaitable[object]) -> object:
    """The answer, or what can be told of the error."""
    try:
        return await call
    except StoreError as error:
        return type(error), {
            name: getattr(error, name, None) for name in ("entity", "field", "fields", "current_revision")
        }


async def _transaction(stores: Any, calls: list[Call], *, undo: bool) -> list[object]:
    """Several calls about one session in one transaction; after the first refusal it is left."""
    answers: list[object] = []
    try:
        async with stores.transaction() as tx:
            answers.extend([await call(tx) for call in calls])
            if undo:
                raise Undone
    except Undone:
        pass
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_every_backend_answers_alike(
    factories: list[IdeationFactory], clock: SetClock, seed: int
) -> None:
    """By calls of their own and in transactions, by a clock that stands still, and goes forth and back."""
    dice, tenant_id = random.Random(seed), uuid4()  # noqa: S311  (reproducible)
    tenants = [factory.tenant(tenant_id) for factory in factories]
    versions: dict[str, int] = {}
    seen: set[type] = set()
    for step in range(150):
        session_id = dice.choice(SESSIONS[:-1] if dice.random() < 0.95 else SESSIONS)
        clock.time += timedelta(microseconds=dice.choice((0, 0, 1, 1000, -500)))
        calls = [_call(dice, session_id, versions) for _ in range(dice.choice((1, 1, 1, 2, 4)))]
        undo = dice.random() < 0.3
        if len(calls) == 1:
            outcomes = [await _outcome(calls[0](tenant)) for tenant in tenants]
        else:
            outcomes = [await _outcome(_transaction(tenant, calls, undo=undo)) for tenant in tenants]
        assert outcomes[0] == outcomes[1], f"PostgreSQL, step {step}"
        assert outcomes[0] == outcomes[2], f"Redis, step {step}"
        seen.add(type(outcomes[0]))
        current = await tenants[0].sessions.get_by_id(session_id)
        versions[session_id] = current.version if current else 0
    for user in USERS:
        listed = [await tenant.sessions.list_by_user(user) for tenant in tenants]
        assert listed[0] == listed[1] == listed[2]
    for session_id in SESSIONS:
        parts = [await all_parts(tenant, session_id) for tenant in tenants]
        assert parts[0] == parts[1] == parts[2]
    assert {IdeationSession, list, tuple} <= seen
    assert any(issubclass(kind, ValueObject) for kind in seen)
