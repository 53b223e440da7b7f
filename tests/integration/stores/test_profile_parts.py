"""What belongs to a profile in PostgreSQL: kept whole, expired by the store's clock, refused without a word of what it was."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.profile import (
    Channel,
    ChannelIdentity,
    Consent,
    CustomerProfile,
    FieldSource,
    ProfileAsset,
    ProfileField,
)
from focal_data.errors import (
    ConflictError,
    DuplicateError,
    FocalDataError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
)
from focal_data.repositories.customers import CustomerProfileRepository
from focal_data.repositories.profile import PostgresProfileStore
from focal_data.repositories.profile_parts import ProfileAssetRepository
from focal_data.settings import Settings
from focal_data.stores.profile import ProfileStore
from tests.integration.database.conftest import Wire

SECRET = "hunter2 🦊"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = {"tenant_id", "revision", "created_at", "updated_at"}


class Clock:
    """A clock that is set by hand."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def profiles(tenant: Tenant) -> ProfileStore:
    """The store of a tenant of this test alone."""
    return tenant.profiles


@pytest.fixture
async def ada(profiles: ProfileStore) -> CustomerProfile:
    """A profile with a channel."""
    return await profiles.get_or_create(Channel.WEBCHAT, "ada")


@pytest.fixture
def clock() -> Clock:
    """It is noon."""
    return Clock(NOON)


@pytest.fixture
async def timed(focal_settings: Settings, clock: Clock) -> AsyncIterator[ProfileStore]:
    """A store that goes by ``clock``."""
    async with DataLayer.open(focal_settings, clock=clock) as data:
        yield data.tenant(uuid4()).profiles


def a_field(profile: CustomerProfile, value: object, **changes: object) -> ProfileField:
    """A value of the field ``city``."""
    return ProfileField.model_validate({"profile_id": profile.id, "name": "city", "value": value} | changes)


def an_asset(profile: CustomerProfile, **changes: object) -> ProfileAsset:
    """A file."""
    given = {"profile_id": profile.id, "name": "passport", "asset_type": "image", "storage_provider": "s3"}
    given |= {"storage_path": "a/b", "mime_type": "image/png", "size_bytes": 2**62, "checksum": "c"}
    return ProfileAsset.model_validate(given | changes)


async def test_a_field_comes_back_with_everything_known_of_it(
    profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """What update_field returns is what is read."""
    field = a_field(
        ada,
        {"street": "Ådgatan", "numbers": [1, None, 2.5, {"x": True}]},
        source=FieldSource.DOCUMENT_EXTRACTED,
        source_session_id=uuid4(),
        source_scenario_id=uuid4(),
        source_step_id=uuid4(),
        verified=True,
        verification_method="post",
        verified_at=NOON,
        verified_by="eve",
        confidence=0.25,
        requires_confirmation=True,
        collected_at=NOON,
        expires_at=datetime(2999, 1, 1, tzinfo=UTC),
        valid_from=NOON - timedelta(days=1),
    )
    stored = await profiles.update_field(ada.id, field)
    assert {"city": stored} == await profiles.get_fields(ada.id)
    assert [stored] == await profiles.get_field_history(ada.id, "city")
    assert field.model_dump(exclude=OURS) == stored.model_dump(exclude=OURS)
    assert 1 == stored.revision


@pytest.mark.parametrize("value", [None, False, 0, -(2**63), 2.5, "", [], {}])
async def test_a_value_is_kept_whatever_it_is(
    profiles: ProfileStore, ada: CustomerProfile, value: object
) -> None:
    """Null too, which is a value."""
    stored = await profiles.update_field(ada.id, a_field(ada, value))
    assert stored == (await profiles.get_fields(ada.id))["city"]
    assert (value, type(value)) == (stored.value, type(stored.value))


async def test_channels_and_assets_come_back_as_they_were_stored(
    profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """With every field, by id."""
    link = ChannelIdentity(
        profile_id=ada.id, channel=Channel.EMAIL, channel_user_id="å@b", verified=True, verified_at=NOON
    )
    linked = await profiles.link_channel(ada.id, link)
    first = an_asset(
        ada,
        uploaded_at=NOON,
        uploaded_in_session_id=uuid4(),
        verified=True,
        verification_result={"score": 0.5, "by": ["a", None]},
        retention_policy="30 days",
    )
    second = an_asset(ada, name="photo")
    stored = [await profiles.add_asset(ada.id, asset) for asset in (second, first)]
    assert linked == (await profiles.list_channels(ada.id))[1]
    assert stored[::-1] == await profiles.list_assets(ada.id)
    for given, kept in ((link, linked), (second, stored[0]), (first, stored[1])):
        assert given.model_dump(exclude=OURS) == kept.model_dump(exclude=OURS)


async def test_what_has_expired_is_not_read(timed: ProfileStore, clock: Clock) -> None:
    """From that very moment, by the store's clock; in the history it stays."""
    ada = await timed.get_or_create(Channel.WEBCHAT, "ada")
    end = NOON + timedelta(hours=1)
    field = await timed.update_field(ada.id, a_field(ada, "Rome", expires_at=end))
    asset = await timed.add_asset(ada.id, an_asset(ada, expires_at=end))
    assert NOON == ada.created_at == field.created_at == asset.updated_at
    clock.time = end - timedelta(microseconds=1)
    assert ({"city": field}, [asset]) == (await timed.get_fields(ada.id), await timed.list_assets(ada.id))
    clock.time = end
    assert ({}, []) == (await timed.get_fields(ada.id, ["city"]), await timed.list_assets(ada.id))
    assert [field] == await timed.get_field_history(ada.id, "city")
    renewed = await timed.update_field(ada.id, a_field(ada, "Bonn", valid_from=end))
    assert {"city": renewed} == await timed.get_fields(ada.id)


async def test_a_value_that_ends_another_changes_its_revision(timed: ProfileStore, clock: Clock) -> None:
    """And its time of change, by the store's clock."""
    ada = await timed.get_or_create(Channel.WEBCHAT, "ada")
    await timed.update_field(ada.id, a_field(ada, "Rome", valid_from=NOON))
    clock.time = NOON + timedelta(minutes=1)
    new = await timed.update_field(ada.id, a_field(ada, "Bonn", valid_from=NOON))
    _, old = await timed.get_field_history(ada.id, "city")
    assert (2, clock.time, NOON) == (old.revision, old.updated_at, old.created_at)
    assert NOON + timedelta(microseconds=1) == old.valid_to == new.valid_from
    ahead = NOON + timedelta(days=1)
    last = await timed.update_field(ada.id, a_field(ada, "Oslo", valid_from=ahead))
    assert ahead == last.valid_from == (await timed.get_field_history(ada.id, "city"))[1].valid_to


async def test_a_value_stored_once_is_not_stored_again(profiles: ProfileStore, ada: CustomerProfile) -> None:
    """And leaves the one that it would have ended."""
    stored = await profiles.update_field(ada.id, a_field(ada, "Rome"))
    for again in (stored, stored.evolve(revision=0), stored.evolve(revision=0, name="other")):
        with pytest.raises((InvalidDataError, DuplicateError)):
            await profiles.update_field(ada.id, again)
    with pytest.raises(InvalidDataError) as caught:
        await profiles.update_field(ada.id, a_field(ada, "x", valid_to=datetime(2999, 1, 1, tzinfo=UTC)))
    assert "valid_to" == caught.value.field
    assert {"city": stored} == await profiles.get_fields(ada.id)


async def test_who_loses_a_race_for_a_channel_leaves_nothing(tenant: Tenant) -> None:
    """Neither a profile that nobody uses, nor a ``customer_id``."""
    async with tenant.transaction() as tx:
        winner = await tx.profiles.get_or_create(Channel.API, "x")
        calls = [tenant.profiles.get_or_create(Channel.API, "x", name) for name in (None, "a", "b")]
        losers = [asyncio.create_task(call) for call in calls]
        await asyncio.wait(losers, timeout=0.1)
    outcomes = await asyncio.gather(*losers, return_exceptions=True)
    assert winner == outcomes[0]
    assert [ConflictError] == [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)]
    assert 1 == await CustomerProfileRepository(tenant).count()
    assert 1 == len(await tenant.profiles.list_channels(winner.id))


async def test_a_stale_channel_and_a_second_asset_are_refused(
    profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """With what is current, and what is taken."""
    (link,) = await profiles.list_channels(ada.id)
    updated = await profiles.link_channel(ada.id, link.evolve(verified=True))
    with pytest.raises(StaleRevisionError) as caught:
        await profiles.link_channel(ada.id, link)
    assert 2 == caught.value.current_revision == updated.revision
    with pytest.raises(DuplicateError) as duplicate:
        await profiles.link_channel(ada.id, link.evolve(id=uuid4(), revision=0))
    assert ("channel", "channel_user_id") == duplicate.value.fields
    asset = await profiles.add_asset(ada.id, an_asset(ada))
    with pytest.raises(DuplicateError):
        await profiles.add_asset(ada.id, asset.evolve(revision=0))


async def test_many_parts_are_stored_or_none(
    tenant: Tenant, profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """Of one profile or of several."""
    assets, bob = ProfileAssetRepository(tenant), await profiles.get_or_create(Channel.API, "bob")
    stored = await assets.add_many([an_asset(ada), an_asset(bob)])
    assert [*stored] == [*await profiles.list_assets(ada.id), *await profiles.list_assets(bob.id)]
    with pytest.raises(NotFoundError):
        await assets.add_many([an_asset(ada), an_asset(CustomerProfile())])
    assert 2 == await assets.count()
    assert [] == await assets.add_many([])


async def test_calls_on_no_profile_find_none(profiles: ProfileStore) -> None:
    """Reads are empty; writes say so."""
    nobody = CustomerProfile()
    assert await profiles.get_by_id(nobody.id) is None
    assert await profiles.get_by_customer_id("c-1") is None
    assert await profiles.get_by_channel_identity(Channel.API, "x") is None
    assert {} == await profiles.get_fields(nobody.id)
    for lists in (profiles.list_channels, profiles.list_assets, profiles.get_merged_ids):
        assert [] == await lists(nobody.id)
    assert not await profiles.delete_profile(nobody.id)
    assert not await profiles.delete_asset(nobody.id)
    link = ChannelIdentity(profile_id=nobody.id, channel=Channel.API, channel_user_id="x")
    for write in (
        profiles.unlink_channel(nobody.id, Channel.API, "x"),
        profiles.link_channel(nobody.id, link),
        profiles.update_field(nobody.id, a_field(nobody, 1)),
        profiles.add_asset(nobody.id, an_asset(nobody)),
        profiles.save(nobody.evolve(revision=1)),
    ):
        with pytest.raises(NotFoundError):
            await write


async def test_another_tenant_touches_no_part(
    data: DataLayer, profiles: ProfileStore, ada: CustomerProfile
) -> None:
    """Neither by the profile's id, nor by a part's, nor with a part of ours."""
    field = await profiles.update_field(ada.id, a_field(ada, "Rome"))
    asset = await profiles.add_asset(ada.id, an_asset(ada))
    (link,) = await profiles.list_channels(ada.id)
    other = data.tenant(uuid4()).profiles
    own = await other.get_or_create(Channel.WEBCHAT, "eve")
    assert ({}, [], []) == (
        await other.get_fields(ada.id),
        await other.get_field_history(ada.id, "city"),
        await other.list_assets(ada.id),
    )
    assert not await other.delete_asset(asset.id)
    for write in (
        other.unlink_channel(ada.id, Channel.WEBCHAT, "ada"),
        other.link_channel(ada.id, ChannelIdentity(profile_id=ada.id, channel="api", channel_user_id="x")),
        other.add_asset(ada.id, an_asset(ada)),
        other.link_channel(own.id, link.evolve(tenant_id=own.tenant_id, profile_id=own.id)),
    ):
        with pytest.raises(NotFoundError):
            await write
    with pytest.raises(InvalidDataError, match="tenant_id"):
        await other.add_asset(ada.id, asset)
    assert ({"city": field}, [asset], [link]) == (
        await profiles.get_fields(ada.id),
        await profiles.list_assets(ada.id),
        await profiles.list_channels(ada.id),
    )


def _spoiled(entity: Any, **changes: object) -> Any:
    """``entity`` with what its model would have refused."""
    return type(entity).model_construct(**{**entity.__dict__, **changes})


Write = Callable[[ProfileStore, CustomerProfile], Coroutine[Any, Any, object]]
BAD: dict[str, Write] = {
    "customer_id": lambda p, a: p.save(_spoiled(a, customer_id=f"{SECRET}\x00")),
    "consents.0.consent_type": lambda p, a: p.save(
        _spoiled(a, consents=[_spoiled(Consent(consent_type="x", granted=True), consent_type=SECRET * 99)])
    ),
    "verification_level": lambda p, a: p.save(_spoiled(a, verification_level=SECRET)),
    "value": lambda p, a: p.update_field(a.id, _spoiled(a_field(a, 1), value=[SECRET, float("nan")])),
    "confidence": lambda p, a: p.update_field(a.id, _spoiled(a_field(a, SECRET), confidence=2)),
    "name": lambda p, a: p.update_field(a.id, _spoiled(a_field(a, 1), name=SECRET * 99)),
    "size_bytes": lambda p, a: p.add_asset(a.id, _spoiled(an_asset(a, storage_path=SECRET), size_bytes=-1)),
    "channel": lambda p, a: p.get_or_create(SECRET, "x"),  # type: ignore[arg-type]
    "channel_user_id": lambda p, a: p.get_or_create(Channel.API, f"{SECRET}\x00"),
    "names": lambda p, a: p.get_fields(a.id, SECRET),
}


@pytest.mark.parametrize("field", BAD)
async def test_bad_data_is_named_and_not_shown(
    profiles: ProfileStore, ada: CustomerProfile, field: str
) -> None:
    """Nor stored."""
    with pytest.raises(InvalidDataError) as caught:
        await BAD[field](profiles, ada)
    assert field == caught.value.field
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert ada == await profiles.get_by_id(ada.id)
    assert ({}, []) == (await profiles.get_fields(ada.id), await profiles.list_assets(ada.id))


async def test_a_conflict_does_not_tell_what_is_stored(profiles: ProfileStore, ada: CustomerProfile) -> None:
    """PostgreSQL's own messages would quote the row."""
    bob = await profiles.get_or_create(Channel.API, SECRET, f"{SECRET} 1")
    link = ChannelIdentity(profile_id=ada.id, channel=Channel.API, channel_user_id=SECRET)
    for call in (
        profiles.get_or_create(Channel.API, SECRET, f"{SECRET} 2"),
        profiles.get_or_create(Channel.WEBCHAT, "ada", f"{SECRET} 1"),
        profiles.save(CustomerProfile(customer_id=f"{SECRET} 1")),
        profiles.link_channel(ada.id, link),
        profiles.merge_profiles(bob.id, bob.id),
    ):
        with pytest.raises(ConflictError) as caught:
            await call
        assert SECRET not in "".join(traceback.format_exception(caught.value, chain=True))


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


async def test_a_cancelled_call_leaves_nothing_half_done(tenant: Tenant, ada: CustomerProfile) -> None:
    """Whenever it is cancelled: a value that was current still is, or the next one is."""
    profiles = tenant.profiles
    await profiles.update_field(ada.id, a_field(ada, 0))
    for number in range(1, 20):
        call = asyncio.create_task(profiles.update_field(ada.id, a_field(ada, number)))
        for _ in range(number):
            await asyncio.sleep(0)
        call.cancel()
        with suppress(asyncio.CancelledError, FocalDataError):
            await call
        history = await profiles.get_field_history(ada.id, "city")
        assert [None] == [field.valid_to for field in history if field.valid_to is None]
        assert history[0].id == (await profiles.get_fields(ada.id))["city"].id
