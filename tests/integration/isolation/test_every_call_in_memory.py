"""Every public call of every store in memory, tried by tenant B on what tenant A keeps, and by A itself."""

from __future__ import annotations

from typing import cast
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer, InMemoryTenant
from focal_data.domain.session import Session
from focal_data.errors import StoreError, UsageError
from focal_data.inmemory.repository import InMemoryRepository
from focal_data.stores.session import SessionStore
from tests.integration.isolation.attempts import attempts, calls_of, touches
from tests.integration.isolation.trying import IDEATION, STORES, Revisions, called, tried
from tests.integration.isolation.world import World, ideated, populated

SESSIONS = calls_of(SessionStore)
SPANNED = STORES | IDEATION


class Undone(Exception):  # noqa: N818  (no error)
    """Raised to roll a transaction back."""


@pytest.fixture(scope="module")
def data() -> DataLayer:
    """A data layer in memory."""
    return DataLayer.in_memory()


@pytest.fixture(scope="module")
async def world(data: DataLayer) -> World:
    """Tenant A; nothing in here may be changed by a test."""
    world = await populated(data)
    await ideated(world.tenant.ideation, world)
    return world


@pytest.fixture(scope="module")
async def revisions(world: World) -> Revisions:
    """The revision of what tenant A keeps, by kind."""
    tables = cast("InMemoryTenant", world.tenant).memory_scope.tables()
    kept = world.kept("any")
    kinds = (repository for repository in InMemoryRepository.kinds.values() if repository.domain in kept)
    stored = {kind.domain: tables.rows(kind.kind)[kept[kind.domain].id] for kind in kinds}
    return {kind: getattr(entity, "revision", 1) for kind, entity in stored.items()} | {Session: 1}


def _kept(world: World) -> str:
    """Everything that the tenant keeps, spelled out."""
    tenant = cast("InMemoryTenant", world.tenant)
    tables = tenant.memory_scope.tables()
    return repr({kind: dict(rows) for kind, rows in tables._kinds.items()})


async def _sessions(world: World) -> str:
    return repr(await world.tenant.sessions.list_by_agent(world.ids["agent"]))


@pytest.mark.parametrize("call", SPANNED)
async def test_another_tenant_gets_and_changes_nothing(
    call: str, data: DataLayer, world: World, revisions: Revisions
) -> None:
    """Whatever the arguments, nothing of tenant A comes back, and all that it keeps stays as it is."""
    before = _kept(world)
    for arguments in attempts(SPANNED[call](world.tenant), world, revisions):
        assert not touches(await tried(SPANNED[call](data.tenant(uuid4())), arguments), world), arguments
    assert before == _kept(world)


@pytest.mark.parametrize("call", SPANNED)
async def test_the_tenant_itself_does_get_or_change_something(
    call: str, world: World, revisions: Revisions
) -> None:
    """At least one of the attempts would have been a breach; here they are the tenant's own, and undone."""
    found = []
    for arguments in attempts(SPANNED[call](world.tenant), world, revisions):
        try:
            async with world.tenant.transaction() as tx:
                inside = World(cast("InMemoryTenant", tx), world.ids, world.outside)
                before = _kept(inside)
                result = await called(SPANNED[call](tx), arguments)
                found.append(before != _kept(inside) or touches(result, world))
                raise Undone
        except (StoreError, UsageError, Undone):
            continue
    assert any(found)


@pytest.mark.parametrize("call", SESSIONS)
async def test_another_tenant_gets_and_changes_no_session(
    call: str, data: DataLayer, world: World, revisions: Revisions
) -> None:
    """Whatever the arguments, no session of tenant A comes back, and it stays as it is."""
    before = await _sessions(world)
    for arguments in attempts(getattr(world.tenant.sessions, call), world, revisions):
        result = await tried(getattr(data.tenant(uuid4()).sessions, call), arguments)
        assert not touches(result, world), arguments
    assert before == await _sessions(world)
