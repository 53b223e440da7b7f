"""The profile store in PostgreSQL: what its pool, its locks and its round trips come to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.profile import Channel, CustomerProfile
from focal_data.errors import ConflictError, NotFoundError
from focal_data.repositories.customers import CustomerProfileRepository
from focal_data.repositories.profile import PostgresProfileStore
from focal_data.repositories.profile_parts import (
    ChannelIdentityRepository,
    ProfileAssetRepository,
    ProfileFieldRepository,
)
from focal_data.settings import Settings
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.profile.base import a_field, a_link, an_asset
from focal_data.testing.contracts.profile.races import merged_meanwhile
from tests.integration.database.conftest import Wire


@pytest.fixture
def profiles(tenant: Tenant) -> ProfileStore:
    """The store of a tenant of this test alone."""
    return tenant.profiles


@pytest.fixture
async def ada(profiles: ProfileStore) -> CustomerProfile:
    """A profile with a channel."""
    return await profiles.get_or_create(Channel.WEBCHAT, "ada")


@pytest.fixture
async def bob(profiles: ProfileStore) -> CustomerProfile:
    """Another profile with a channel."""
    return await profiles.get_or_create(Channel.EMAIL, "bob")


async def test_two_hundred_callers_get_one_profile(focal_settings: Settings) -> None:
    """Through a pool of five connections."""
    async with DataLayer.open(focal_settings.model_copy(update={"pool_size": 5})) as data:
        profiles = data.tenant(uuid4()).profiles
        calls = (profiles.get_or_create(Channel.WEBCHAT, "u-1", "c-1") for _ in range(200))
        assert 1 == len({profile.id for profile in await asyncio.gather(*calls)})


async def test_who_loses_a_race_for_a_channel_leaves_no_row(tenant: Tenant) -> None:
    """The profile that it had inserted before it met the winner's link is gone."""
    async with tenant.transaction() as tx:
        winner = await tx.profiles.get_or_create(Channel.API, "x")
        calls = [tenant.profiles.get_or_create(Channel.API, "x", name) for name in (None, "a", "b")]
        losers = [asyncio.create_task(call) for call in calls]
        await asyncio.wait(losers, timeout=0.1)
    outcomes = await asyncio.gather(*losers, return_exceptions=True)
    assert {winner.id} == {found.id for found in outcomes if isinstance(found, CustomerProfile)}
    assert [ConflictError] == [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)]
    assert 1 == await CustomerProfileRepository(tenant).count()


async def test_many_parts_are_stored_or_none(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """Of one profile or of several."""
    assets = ProfileAssetRepository(tenant)
    stored = await assets.add_many([an_asset(ada), an_asset(bob)])
    assert [*stored] == [*await profiles.list_assets(ada.id), *await profiles.list_assets(bob.id)]
    with pytest.raises(NotFoundError):
        await assets.add_many([an_asset(ada), an_asset(CustomerProfile())])
    assert 2 == await assets.count()
    assert [] == await assets.add_many([])


async def test_many_parts_that_come_during_a_merge_are_the_targets(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """They wait for it."""
    fields = ProfileFieldRepository(tenant)
    many = fields.add_many([a_field(ada, "Ada", name="first_name"), a_field(bob, 7, name="age")])
    await merged_meanwhile(tenant, ada, bob, many)
    assert {"first_name", "age"} == (await profiles.get_fields(bob.id)).keys()


async def test_many_channels_of_nobody_are_refused(tenant: Tenant) -> None:
    """As one is."""
    with pytest.raises(NotFoundError):
        await ChannelIdentityRepository(tenant).add_many([a_link(CustomerProfile(), "+1")])


async def test_how_often_a_call_travels(focal_settings: Settings) -> None:
    """One statement between a begin and a commit; one more to lock the profile of a field, two more to make a profile."""
    async with Wire(focal_settings.service_url()) as wire:
        settings = focal_settings.model_copy(update={"database_url": SecretStr(wire.through), "pool_size": 1})
        database = Database(settings)
        store = PostgresProfileStore(TenantScope(database, uuid4()))
        ada = await store.get_or_create(Channel.WEBCHAT, "ada", "c-1")
        calls: dict[str, tuple[int, Callable[[], Coroutine[Any, Any, object]]]] = {
            "get_or_create": (3, lambda: store.get_or_create(Channel.WEBCHAT, "ada", "c-1")),
            "a new channel": (5, lambda: store.get_or_create(Channel.VOICE, str(uuid4()), str(uuid4()))),
            "add_asset": (3, lambda: store.add_asset(ada.id, an_asset(ada))),
            "update_field": (4, lambda: store.update_field(ada.id, a_field(ada, 1))),
            "get_fields": (3, lambda: store.get_fields(ada.id)),
        }
        for _, call in calls.values():
            await call()  # prepares its statements
        for name, (expected, call) in calls.items():
            await database.settled()
            before = wire.round_trips
            await call()
            await database.settled()
            assert (name, expected) == (name, wire.round_trips - before)
        await database.close()
