"""The profile store in PostgreSQL: one customer, however they come."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Entity, Episode
from focal_data.domain.profile import (
    Channel,
    ChannelIdentity,
    Consent,
    CustomerProfile,
    FieldSource,
    ProfileAsset,
    ProfileField,
    VerificationLevel,
)
from focal_data.errors import (
    ConflictError,
    DuplicateError,
    InUseError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
)
from focal_data.settings import Settings
from focal_data.stores.profile import ProfileStore


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


def a_field(profile: CustomerProfile, value: object, **changes: object) -> ProfileField:
    """A value of the field ``city``."""
    return ProfileField.model_validate({"profile_id": profile.id, "name": "city", "value": value} | changes)


def an_asset(profile: CustomerProfile, **changes: object) -> ProfileAsset:
    """A file."""
    given = {"profile_id": profile.id, "name": "passport", "asset_type": "image", "storage_provider": "s3"}
    given |= {"storage_path": "a/b", "mime_type": "image/png", "size_bytes": 2**40, "checksum": "c"}
    return ProfileAsset.model_validate(given | changes)


async def test_a_profile_comes_back_as_it_was_stored(profiles: ProfileStore) -> None:
    """With every field; merged_into_id is not the caller's."""
    profile = CustomerProfile(
        customer_id="c-1",
        verification_level=VerificationLevel.KYC_COMPLETE,
        consents=[Consent(consent_type="mail", granted=True, ip_address="10.0.0.1")],
        last_interaction_at=datetime.now(UTC),
        merged_into_id=uuid4(),
    )
    stored = await profiles.save(profile)
    assert stored == await profiles.get_by_id(profile.id) == await profiles.get_by_customer_id("c-1")
    assert stored.merged_into_id is None
    assert profile.consents == stored.consents


async def test_a_new_channel_makes_a_profile(profiles: ProfileStore) -> None:
    """Once; the channel leads to it from then on."""
    made = await profiles.get_or_create(Channel.WEBCHAT, "u-1", "c-1")
    assert made == await profiles.get_or_create(Channel.WEBCHAT, "u-1")
    assert made == await profiles.get_by_channel_identity(Channel.WEBCHAT, "u-1")
    assert "c-1" == made.customer_id
    assert ["u-1"] == [identity.channel_user_id for identity in await profiles.list_channels(made.id)]


async def test_two_hundred_callers_get_one_profile(focal_settings: Settings) -> None:
    """Through a pool of five connections."""
    async with DataLayer.open(focal_settings.model_copy(update={"pool_size": 5})) as data:
        profiles = data.tenant(uuid4()).profiles
        calls = (profiles.get_or_create(Channel.WEBCHAT, "u-1", "c-1") for _ in range(200))
        assert 1 == len({profile.id for profile in await asyncio.gather(*calls)})


async def test_two_new_channels_of_one_customer_make_one_profile(profiles: ProfileStore) -> None:
    """At the same time."""
    calls = (profiles.get_or_create(Channel.WEBCHAT, f"u-{n}", "c-1") for n in range(20))
    made = await asyncio.gather(*calls)
    assert 1 == len({profile.id for profile in made})
    assert 20 == len(await profiles.list_channels(made[0].id))


async def test_a_customer_id_is_attached_where_there_is_none(
    profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """And one that differs is a conflict, as is one that another profile has."""
    attached = await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-1")
    assert (ada.id, "c-1") == (attached.id, attached.customer_id)
    with pytest.raises(ConflictError):
        await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-2")
    await profiles.get_or_create(Channel.VOICE, "other")
    with pytest.raises(ConflictError):
        await profiles.get_or_create(Channel.VOICE, "other", "c-1")


@pytest.mark.parametrize("channel_user_id", ["", "x" * 256, "a\x00b", "\ud800"])
async def test_a_bad_channel_user_is_named(profiles: ProfileStore, channel_user_id: str) -> None:
    """And nothing is made."""
    with pytest.raises(InvalidDataError) as caught:
        await profiles.get_or_create(Channel.WEBCHAT, channel_user_id)
    assert "channel_user_id" == caught.value.field


async def test_a_stale_profile_is_refused(profiles: ProfileStore, ada: CustomerProfile) -> None:
    """Of two writers one wins."""
    await profiles.save(ada.evolve(verification_level=VerificationLevel.EMAIL_VERIFIED))
    with pytest.raises(StaleRevisionError):
        await profiles.save(ada.evolve(customer_id="c"))


async def test_a_field_has_one_current_value_and_its_history(
    profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """The old value ends where the new one begins."""
    old = await profiles.update_field(ada.id, a_field(ada, "Rome", source=FieldSource.LLM_EXTRACTED))
    new = await profiles.update_field(ada.id, a_field(ada, {"name": "Bonn", "zip": [5, 3]}))
    assert {"city": new} == await profiles.get_fields(ada.id)
    history = await profiles.get_field_history(ada.id, "city")
    assert [new.id, old.id] == [field.id for field in history]
    assert new.valid_from == history[1].valid_to


async def test_a_value_from_the_past_begins_right_after_the_current_one(
    profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """So that periods never overlap, nor are empty."""
    old = await profiles.update_field(ada.id, a_field(ada, "Rome"))
    past = old.valid_from - timedelta(days=1)
    new = await profiles.update_field(ada.id, a_field(ada, "Bonn", valid_from=past))
    assert old.valid_from + timedelta(microseconds=1) == new.valid_from


async def test_of_many_updates_of_a_field_one_is_current(
    profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """They take turns, and none is lost."""
    await asyncio.gather(*(profiles.update_field(ada.id, a_field(ada, n)) for n in range(20)))
    assert 1 == len(await profiles.get_fields(ada.id))
    history = await profiles.get_field_history(ada.id, "city")
    assert 20 == len(history)
    assert 1 == sum(field.valid_to is None for field in history)


async def test_fields_can_be_chosen_by_name(profiles: ProfileStore, ada: CustomerProfile) -> None:
    """An empty choice is none."""
    await profiles.update_field(ada.id, a_field(ada, "Rome"))
    await profiles.update_field(ada.id, a_field(ada, "Ada", name="first_name"))
    assert {"city"} == (await profiles.get_fields(ada.id, ["city", "unknown"])).keys()
    assert {} == await profiles.get_fields(ada.id, [])


async def test_a_part_of_another_profile_is_refused(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """Each call names one profile."""
    with pytest.raises(InvalidDataError, match="profile_id"):
        await profiles.update_field(ada.id, a_field(bob, "Rome"))
    with pytest.raises(NotFoundError):
        await profiles.update_field(uuid4(), a_field(ada, "Rome"))


async def test_a_channel_is_linked_once(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """And can be unlinked by its own profile only."""
    link = ChannelIdentity(profile_id=ada.id, channel=Channel.WHATSAPP, channel_user_id="+1")
    stored = await profiles.link_channel(ada.id, link)
    with pytest.raises(DuplicateError):
        await profiles.link_channel(bob.id, link.evolve(id=uuid4(), profile_id=bob.id))
    updated = await profiles.link_channel(ada.id, stored.evolve(verified=True, verified_at=datetime.now(UTC)))
    assert updated in await profiles.list_channels(ada.id)
    assert not await profiles.unlink_channel(bob.id, Channel.WHATSAPP, "+1")
    assert await profiles.unlink_channel(ada.id, Channel.WHATSAPP, "+1")


async def test_assets_come_and_go(profiles: ProfileStore, ada: CustomerProfile) -> None:
    """An expired one is not listed."""
    asset = await profiles.add_asset(ada.id, an_asset(ada))
    await profiles.add_asset(
        ada.id,
        an_asset(
            ada, expires_at=datetime(2001, 1, 1, tzinfo=UTC), uploaded_at=datetime(2000, 1, 1, tzinfo=UTC)
        ),
    )
    assert [asset] == await profiles.list_assets(ada.id)
    assert await profiles.delete_asset(asset.id)
    assert [] == await profiles.list_assets(ada.id)


async def test_merging_moves_everything(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """Channels, fields, assets, episodes and entities with their history; the old id leads to the target."""
    agent = await tenant.config.save_agent(Agent(name="a"))
    await profiles.update_field(ada.id, a_field(ada, "Rome"))
    await profiles.update_field(ada.id, a_field(ada, "Ada", name="first_name"))
    kept = await profiles.update_field(bob.id, a_field(bob, "Bonn"))
    await profiles.add_asset(ada.id, an_asset(ada))
    await tenant.memory.add_episode(Episode(agent_id=agent.id, content="x", customer_profile_id=ada.id))
    entity = await tenant.memory.add_entity(
        Entity(agent_id=agent.id, customer_profile_id=ada.id, name="e", entity_type="thing")
    )
    before = datetime.now(UTC)
    await tenant.memory.update_entity(entity.evolve(name="f"))
    ada = await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-1")
    target = await profiles.merge_profiles(ada.id, bob.id)
    assert target == await profiles.get_by_id(ada.id) == await profiles.get_by_id(bob.id)
    assert target == await profiles.get_by_customer_id("c-1")
    assert "c-1" == target.customer_id
    assert [ada.id] == await profiles.get_merged_ids(bob.id)
    assert {Channel.WEBCHAT, Channel.EMAIL} == {link.channel for link in await profiles.list_channels(ada.id)}
    fields = await profiles.get_fields(ada.id)
    assert {"city", "first_name"} == fields.keys()
    assert kept.id == fields["city"].id
    assert 2 == len(await profiles.get_field_history(bob.id, "city"))
    assert 1 == len(await profiles.list_assets(bob.id))
    episodes = await tenant.memory.get_episodes(EpisodeFilter(customer_profile_id=bob.id))
    assert 1 == len(episodes)
    known = await tenant.memory.get_entity(entity.id, known_at=before)
    assert known is not None
    assert ("e", bob.id) == (known.name, known.customer_profile_id)


async def test_merges_are_followed_all_the_way(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """Two in a row lead to the last target; a profile is not merged into itself, nor back."""
    eve = await profiles.get_or_create(Channel.API, "eve")
    await profiles.merge_profiles(ada.id, bob.id)
    target = await profiles.merge_profiles(bob.id, eve.id)
    assert target == await profiles.get_by_id(ada.id)
    assert sorted((ada.id, bob.id)) == await profiles.get_merged_ids(ada.id)
    for source, other in ((eve.id, eve.id), (eve.id, ada.id), (ada.id, bob.id)):
        with pytest.raises(ConflictError):
            await profiles.merge_profiles(source, other)
    with pytest.raises(NotFoundError):
        await profiles.merge_profiles(uuid4(), eve.id)


async def test_opposite_merges_at_once_make_one_profile(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """One succeeds, the other finds them merged; neither waits for ever."""
    outcomes = await asyncio.gather(
        profiles.merge_profiles(ada.id, bob.id),
        profiles.merge_profiles(bob.id, ada.id),
        return_exceptions=True,
    )
    assert 1 == sum(isinstance(outcome, CustomerProfile) for outcome in outcomes)
    assert 1 == sum(isinstance(outcome, ConflictError) for outcome in outcomes)


async def test_a_deleted_profile_takes_its_parts_and_the_merged_along(
    profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """And nothing else."""
    await profiles.update_field(ada.id, a_field(ada, "Rome"))
    await profiles.merge_profiles(ada.id, bob.id)
    assert await profiles.delete_profile(ada.id)
    assert await profiles.get_by_id(ada.id) is None
    assert await profiles.get_by_id(bob.id) is None
    assert await profiles.get_by_channel_identity(Channel.WEBCHAT, "ada") is None
    assert not await profiles.delete_profile(bob.id)


async def test_a_profile_in_use_is_not_deleted(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """While an episode names it."""
    agent = await tenant.config.save_agent(Agent(name="a"))
    await tenant.memory.add_episode(Episode(agent_id=agent.id, content="x", customer_profile_id=ada.id))
    with pytest.raises(InUseError):
        await profiles.delete_profile(ada.id)
    assert 1 == len(await profiles.list_channels(ada.id))


async def test_another_tenant_sees_and_changes_nothing(
    data: DataLayer, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
) -> None:
    """It gets a profile of its own on the same channel."""
    other = data.tenant(uuid4()).profiles
    assert await other.get_by_id(ada.id) is None
    assert ada.id != (await other.get_or_create(Channel.WEBCHAT, "ada")).id
    assert [] == await other.list_channels(ada.id)
    assert not await other.delete_profile(ada.id)
    with pytest.raises(NotFoundError):
        await other.merge_profiles(ada.id, bob.id)
    with pytest.raises(NotFoundError):
        await other.update_field(ada.id, a_field(ada, "Rome"))
    assert ada == await profiles.get_by_id(ada.id)
