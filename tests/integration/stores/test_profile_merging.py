"""Merged profiles in PostgreSQL: an old id keeps its meaning, whoever writes under it, and at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent
from focal_data.domain.filters import EntityFilter, EpisodeFilter
from focal_data.domain.memory import Entity, Episode
from focal_data.domain.profile import Channel, ChannelIdentity, CustomerProfile, ProfileAsset, ProfileField
from focal_data.errors import (
    ConflictError,
    InUseError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
)
from focal_data.repositories.profile_parts import ChannelIdentityRepository, ProfileFieldRepository
from focal_data.stores.profile import ProfileStore

T = TypeVar("T")


@pytest.fixture
def profiles(tenant: Tenant) -> ProfileStore:
    """The store of a tenant of this test alone."""
    return tenant.profiles


@pytest.fixture
async def ada(profiles: ProfileStore) -> CustomerProfile:
    """A profile with a channel and a ``customer_id``."""
    return await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-ada")


@pytest.fixture
async def bob(profiles: ProfileStore) -> CustomerProfile:
    """Another profile with a channel and a ``customer_id``."""
    return await profiles.get_or_create(Channel.EMAIL, "bob", "c-bob")


@pytest.fixture
async def agent(tenant: Tenant) -> UUID:
    """The id of an agent."""
    return (await tenant.config.save_agent(Agent(name="a"))).id


def a_field(profile: CustomerProfile, value: object, **changes: object) -> ProfileField:
    """A value of the field ``city``."""
    return ProfileField.model_validate({"profile_id": profile.id, "name": "city", "value": value} | changes)


def an_asset(profile: CustomerProfile) -> ProfileAsset:
    """A file."""
    given = {"name": "passport", "asset_type": "image", "storage_provider": "s3", "storage_path": "a/b"}
    given |= {"mime_type": "image/png", "checksum": "c"}
    return ProfileAsset.model_validate({"profile_id": profile.id, "size_bytes": 1} | given)


async def merged_meanwhile(
    tenant: Tenant, source: CustomerProfile, target: CustomerProfile, call: Coroutine[Any, Any, T]
) -> T:
    """The outcome of ``call``, which begins while a merge is under way that is committed only then."""
    async with tenant.transaction() as tx:
        await tx.profiles.merge_profiles(source.id, target.id)
        running = asyncio.create_task(call)
        await asyncio.wait({running}, timeout=0.1)
    return await running


async def merged_once(tenant: Tenant, source: CustomerProfile, target: CustomerProfile) -> None:
    """Merge them in a transaction that is not run again after a deadlock."""
    async with tenant.transaction() as tx:
        await tx.profiles.merge_profiles(source.id, target.id)


async def test_an_old_id_is_read_and_written_as_the_target(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """In every call, and in what a call is given."""
    target = await profiles.merge_profiles(ada.id, bob.id)
    field = await profiles.update_field(ada.id, a_field(ada, "Rome"))
    mixed = await profiles.update_field(bob.id, a_field(ada, "Bonn"))
    link = ChannelIdentity(profile_id=bob.id, channel=Channel.VOICE, channel_user_id="+1")
    linked = await profiles.link_channel(ada.id, link)
    asset = await profiles.add_asset(ada.id, an_asset(ada))
    assert {bob.id} == {part.profile_id for part in (field, mixed, linked, asset)}
    for profile_id in (ada.id, bob.id):
        assert {"city": mixed} == await profiles.get_fields(profile_id)
        assert [mixed.id, field.id] == [f.id for f in await profiles.get_field_history(profile_id, "city")]
        assert [asset] == await profiles.list_assets(profile_id)
        assert linked in await profiles.list_channels(profile_id)
        assert target == await profiles.get_by_id(profile_id)
        assert [ada.id] == await profiles.get_merged_ids(profile_id)
    assert await profiles.unlink_channel(ada.id, Channel.VOICE, "+1")


async def test_each_customer_id_leads_to_the_target(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """The target keeps its own, and the source's counts as its own as well."""
    target = await profiles.merge_profiles(ada.id, bob.id)
    assert "c-bob" == target.customer_id
    assert target == await profiles.get_by_customer_id("c-ada") == await profiles.get_by_customer_id("c-bob")
    assert target == await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-ada")
    assert target == await profiles.get_or_create(Channel.VOICE, "new", "c-ada")
    with pytest.raises(ConflictError):
        await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-eve")


async def test_a_merge_that_is_rolled_back_moves_nothing(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """All or nothing."""
    field = await profiles.update_field(ada.id, a_field(ada, "Rome"))
    channels = await profiles.list_channels(ada.id)
    with pytest.raises(KeyError):
        async with tenant.transaction() as tx:
            await tx.profiles.merge_profiles(ada.id, bob.id)
            assert bob.id == (await tx.profiles.get_fields(bob.id))["city"].profile_id
            raise KeyError
    assert [ada, bob] == [await profiles.get_by_id(profile.id) for profile in (ada, bob)]
    assert {"city": field} == await profiles.get_fields(ada.id)
    assert channels == await profiles.list_channels(ada.id)
    assert {} == await profiles.get_fields(bob.id)


async def test_of_two_current_values_the_targets_stays(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """The source's ends, even one that begins only in the future."""
    ahead = datetime.now(UTC) + timedelta(days=1)
    theirs = await profiles.update_field(ada.id, a_field(ada, "Rome", valid_from=ahead))
    kept = await profiles.update_field(bob.id, a_field(bob, "Bonn"))
    await profiles.merge_profiles(ada.id, bob.id)
    history = {field.id: field for field in await profiles.get_field_history(bob.id, "city")}
    assert {"city": kept} == await profiles.get_fields(bob.id)
    assert ahead + timedelta(microseconds=1) == history[theirs.id].valid_to
    assert theirs.revision + 1 == history[theirs.id].revision


async def test_the_target_keeps_its_primary_channel(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """As the only one."""
    await profiles.merge_profiles(ada.id, bob.id)
    links = await profiles.list_channels(bob.id)
    assert [(Channel.EMAIL, True)] == [(link.channel, link.primary) for link in links if link.primary]
    assert 2 == len(links)


async def test_what_was_read_before_a_merge_can_not_be_written_after_it(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile, agent: UUID
) -> None:
    """It would take the old profile back, or overwrite the target."""
    entity = await tenant.memory.add_entity(
        Entity(agent_id=agent, customer_profile_id=ada.id, name="e", entity_type="thing")
    )
    (link,) = await profiles.list_channels(ada.id)
    target = await profiles.merge_profiles(ada.id, bob.id)
    with pytest.raises(StaleRevisionError):
        await tenant.memory.update_entity(entity.evolve(name="f"))
    with pytest.raises(StaleRevisionError):
        await profiles.link_channel(ada.id, link.evolve(verified=True))
    for revision in (1, 2, 3):
        with pytest.raises(StaleRevisionError) as caught:
            await profiles.save(ada.evolve(revision=revision))
        assert target.revision == caught.value.current_revision
    assert target == await profiles.get_by_id(ada.id)


async def test_memories_come_along_with_what_is_known_of_them(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile, agent: UUID
) -> None:
    """Also those that came under an old id after its merge, when that is merged further."""
    eve, memory = await profiles.get_or_create(Channel.API, "eve"), tenant.memory
    await profiles.merge_profiles(ada.id, bob.id)
    await memory.add_episode(Episode(agent_id=agent, content="x", customer_profile_id=ada.id))
    entity = await memory.add_entity(
        Entity(agent_id=agent, customer_profile_id=ada.id, name="e", entity_type="thing")
    )
    before = entity.recorded_at
    await memory.update_entity(entity.evolve(name="f"))
    await memory.delete_entity(entity.id)
    again = await memory.add_entity(entity.evolve(name="g", revision=0))
    await profiles.merge_profiles(bob.id, eve.id)
    assert 1 == len(await memory.get_episodes(EpisodeFilter(customer_profile_id=eve.id)))
    now = await memory.get_entities(EntityFilter(customer_profile_id=eve.id))
    then = await memory.get_entities(EntityFilter(customer_profile_id=eve.id, known_at=before))
    assert ["g"] == [found.name for found in now]
    assert ["e"] == [found.name for found in then]
    updated = await memory.update_entity(now.items[0].evolve(name="h"))
    assert again.revision + 2 == updated.revision
    assert 0 == len(await memory.get_entities(EntityFilter(customer_profile_id=ada.id, known_at=before)))


async def test_a_channel_that_comes_during_a_merge_leads_to_the_target(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """Found by the source's customer_id, it waits for the merge."""
    call = profiles.get_or_create(Channel.VOICE, "+1", "c-ada")
    assert bob.id == (await merged_meanwhile(tenant, ada, bob, call)).id
    assert bob.id == (await profiles.get_or_create(Channel.VOICE, "+1")).id


async def test_what_is_written_during_a_merge_is_the_targets(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """Whichever way it is written."""
    eve = await profiles.get_or_create(Channel.API, "eve")
    ida = await profiles.get_or_create(Channel.API, "ida")
    link = ChannelIdentity(profile_id=eve.id, channel=Channel.VOICE, channel_user_id="+1")
    fields = ProfileFieldRepository(tenant)
    many = fields.add_many([a_field(ida, "Ida", name="first_name"), a_field(bob, 7, name="age")])
    calls = [
        (ada, profiles.update_field(ada.id, a_field(ada, "Rome"))),
        (eve, profiles.link_channel(eve.id, link)),
        (ida, many),
    ]
    for source, call in calls:
        await merged_meanwhile(tenant, source, bob, call)
    assert {"city", "first_name", "age"} == (await profiles.get_fields(bob.id)).keys()
    assert {"+1", "ada", "bob", "eve", "ida"} == {
        found.channel_user_id for found in await profiles.list_channels(bob.id)
    }


async def test_who_is_deleted_during_a_merge_is_gone_with_its_target(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """The old id stood for both when its turn came."""
    assert await merged_meanwhile(tenant, ada, bob, profiles.delete_profile(ada.id))
    assert [None, None] == [await profiles.get_by_id(profile.id) for profile in (ada, bob)]
    eve, ida = [await profiles.get_or_create(Channel.API, name) for name in ("eve", "ida")]
    assert await merged_meanwhile(tenant, eve, ida, profiles.delete_profile(ida.id))
    assert [] == await profiles.get_merged_ids(ida.id)


async def test_merges_and_writes_in_a_throng_leave_nothing_behind(
    tenant: Tenant, profiles: ProfileStore
) -> None:
    """Without a deadlock, every part belongs to a profile that is not merged."""
    made = [await profiles.get_or_create(Channel.API, str(n)) for n in range(8)]
    pairs = [(made[n], made[(n * 3 + 1) % 8]) for n in range(8)] * 3
    calls: list[Coroutine[Any, Any, object]] = []
    for number, (source, target) in enumerate(pairs):
        calls.append(merged_once(tenant, source, target))
        calls.append(profiles.update_field(source.id, a_field(source, number)))
        calls.append(profiles.get_or_create(Channel.VOICE, str(number), f"c-{number % 5}"))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {ConflictError} >= {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)}
    for profile in made:
        root = await profiles.get_by_id(profile.id)
        assert root is not None
        assert root.merged_into_id is None
        assert {root.id} == {link.profile_id for link in await profiles.list_channels(profile.id)}
        history = await profiles.get_field_history(profile.id, "city")
        assert 1 == sum(field.valid_to is None for field in history)


async def test_a_profile_that_an_old_id_names_is_in_use(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile, agent: UUID
) -> None:
    """And stays as it was, with what was merged into it."""
    await profiles.merge_profiles(ada.id, bob.id)
    await tenant.memory.add_episode(Episode(agent_id=agent, content="x", customer_profile_id=ada.id))
    with pytest.raises(InUseError):
        await profiles.delete_profile(bob.id)
    assert [ada.id] == await profiles.get_merged_ids(bob.id)
    assert 2 == len(await profiles.list_channels(bob.id))


async def test_a_part_moves_to_another_profile_when_it_is_linked_there(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """By its revision, and only to a profile that is stored."""
    (link,) = await profiles.list_channels(ada.id)
    moved = await profiles.link_channel(bob.id, link.evolve(profile_id=bob.id))
    assert moved in await profiles.list_channels(bob.id)
    assert [] == await profiles.list_channels(ada.id)
    nobody = uuid4()
    with pytest.raises(NotFoundError):
        await profiles.link_channel(nobody, moved.evolve(profile_id=nobody))
    with pytest.raises(NotFoundError):
        await ChannelIdentityRepository(tenant).add_many([link.evolve(profile_id=nobody, revision=0)])
    with pytest.raises(InvalidDataError) as caught:
        await profiles.link_channel(ada.id, moved)
    assert "profile_id" == caught.value.field


async def test_another_tenant_merges_and_finds_nothing(
    data: DataLayer, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """By the source's id or the target's."""
    stranger = data.tenant(uuid4()).profiles
    own = await stranger.get_or_create(Channel.WEBCHAT, "ada", "c-ada")
    for source, target in ((ada.id, own.id), (own.id, bob.id)):
        with pytest.raises(NotFoundError):
            await stranger.merge_profiles(source, target)
    await profiles.merge_profiles(ada.id, bob.id)
    assert [] == await stranger.get_merged_ids(bob.id)
    assert own == await stranger.get_by_customer_id("c-ada")
