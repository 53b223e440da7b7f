"""Every public call of every store and repository, tried by tenant B on what tenant A keeps.

The calls are found by introspection, so that a new one without a case fails here. Each is tried by tenant A itself as well:
a case that wouldn't show or change anything for A proves nothing about B.
"""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from focal_data.data_layer import DataLayer
from focal_data.database.tenancy import promised
from focal_data.errors import AccessError, InvalidDataError, StoreError, UsageError
from focal_data.repositories.base import TenantRepository
from focal_data.repositories.ideation_archive import IdeationArchives
from focal_data.stores.session import SessionStore
from tests.integration.isolation.attempts import attempts, calls_of, repositories, touches
from tests.integration.isolation.conftest import keys_of, rows_of
from tests.integration.isolation.trying import IDEATION, STORES, Find, Revisions, called, tried
from tests.integration.isolation.world import World, populated

SPANNED = STORES | IDEATION
"""What a transaction spans."""

POSTGRES: dict[str, Find] = SPANNED | {
    f"{repository.__name__}.{call}": lambda stores, repository=repository, call=call: getattr(
        repository(stores), call
    )  # type: ignore[misc]
    for repository in repositories()
    for call in calls_of(repository)
}

POSTGRES |= {
    f"IdeationArchives.{call}": lambda stores, call=call: getattr(IdeationArchives(stores), call)  # type: ignore[misc]
    for call in calls_of(IdeationArchives)
}

SESSIONS = calls_of(SessionStore)


def _for_nobody() -> set[str]:
    """The inherited calls that a table has no column or no grant for."""
    found = set()
    for repository in repositories():
        if not issubclass(repository, TenantRepository):  # which inherits nothing that it is not for
            continue
        grants = promised(repository.table).grants
        changes = "revision" in repository.c
        needs = {"update": changes, "update_fields": changes, "restore": "deleted_at" in repository.c}
        needs |= dict.fromkeys(("delete", "purge"), "DELETE" in grants)
        found |= {f"{repository.__name__}.{call}" for call, given in needs.items() if not given}
    return found


FOR_NOBODY = _for_nobody()


class Undone(Exception):  # noqa: N818  (no error)
    """Raised to roll a transaction back."""


@pytest.mark.parametrize("call", POSTGRES)
async def test_another_tenant_gets_and_changes_nothing(
    call: str, data: DataLayer, world: World, revisions: Revisions, owner: asyncpg.Connection
) -> None:
    """Whatever the arguments, nothing of tenant A comes back, and all of its rows stay as they are."""
    before = await rows_of(owner, world.tenant.tenant_id)
    for arguments in attempts(POSTGRES[call](world.tenant), world, revisions):
        result = await tried(POSTGRES[call](data.tenant(uuid4())), arguments)
        assert not touches(result, world), arguments
    assert before == await rows_of(owner, world.tenant.tenant_id)


@pytest.mark.parametrize("call", SPANNED)
async def test_another_tenants_transaction_gets_and_changes_nothing(
    call: str, data: DataLayer, world: World, revisions: Revisions, owner: asyncpg.Connection
) -> None:
    """The same inside of a transaction that commits."""
    before = await rows_of(owner, world.tenant.tenant_id)
    for arguments in attempts(POSTGRES[call](world.tenant), world, revisions):
        try:
            async with data.tenant(uuid4()).transaction() as tx:
                result = await tried(POSTGRES[call](tx), arguments)
        except (StoreError, UsageError):
            continue
        assert not touches(result, world), arguments
    assert before == await rows_of(owner, world.tenant.tenant_id)


@pytest.mark.parametrize("call", sorted(FOR_NOBODY))
async def test_what_a_table_is_not_for_is_refused(call: str, world: World, revisions: Revisions) -> None:
    """Whoever asks: by the repository, or by the database's grants."""
    for arguments in attempts(POSTGRES[call](world.tenant), world, revisions):
        with pytest.raises((InvalidDataError, UsageError, AccessError)):
            await called(POSTGRES[call](world.tenant), arguments)


@pytest.mark.parametrize("call", sorted(POSTGRES.keys() - FOR_NOBODY))
async def test_the_tenant_itself_does_get_or_change_something(
    call: str, world: World, revisions: Revisions
) -> None:
    """At least one of the attempts would have been a breach; here they are the tenant's own, and undone."""
    tenant = world.tenant
    found = []
    for arguments in attempts(POSTGRES[call](tenant), world, revisions):
        try:
            async with tenant.transaction() as tx:
                before = await rows_of(tx.scope.connection, tenant.tenant_id)  # type: ignore[attr-defined]
                result = await called(POSTGRES[call](tx), arguments)
                changed = before != await rows_of(tx.scope.connection, tenant.tenant_id)  # type: ignore[attr-defined]
                found.append(changed or touches(result, world))
                raise Undone
        except (StoreError, UsageError, Undone):
            continue
    assert any(found)


@pytest.mark.parametrize("call", SESSIONS)
async def test_another_tenant_gets_and_changes_no_session(
    call: str, data: DataLayer, world: World, revisions: Revisions, redis: Redis
) -> None:
    """Whatever the arguments, no session of tenant A comes back, and all of its keys stay as they are."""
    before = await keys_of(redis, world.tenant.tenant_id)
    for arguments in attempts(getattr(world.tenant.sessions, call), world, revisions):
        result = await tried(getattr(data.tenant(uuid4()).sessions, call), arguments)
        assert not touches(result, world), arguments
    assert before == await keys_of(redis, world.tenant.tenant_id)


@pytest.mark.parametrize("call", SESSIONS)
async def test_the_tenant_itself_does_get_or_change_a_session(
    call: str, data: DataLayer, revisions: Revisions, redis: Redis
) -> None:
    """At least one of the attempts would have been a breach."""
    world = await populated(data)
    before = await keys_of(redis, world.tenant.tenant_id)
    own = getattr(world.tenant.sessions, call)
    found = [touches(await tried(own, arguments), world) for arguments in attempts(own, world, revisions)]
    assert any(found) or before != await keys_of(redis, world.tenant.tenant_id)
