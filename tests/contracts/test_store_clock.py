"""Profiles and audit by a clock that is set by hand, on each backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.answers import Page
from focal_data.domain.audit import AuditEvent
from focal_data.domain.profile import Channel
from focal_data.settings import Settings
from focal_data.testing.contracts.audit.base import a_turn
from focal_data.testing.contracts.profile.base import a_field, an_asset

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


class Clock:
    """A clock that is set by hand."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    """It is noon."""
    return Clock(NOON)


@pytest.fixture(params=["PostgreSQL", "memory"])
async def timed(
    request: pytest.FixtureRequest, focal_settings: Settings, clock: Clock
) -> AsyncIterator[Tenant]:
    """A tenant whose stores go by ``clock``."""
    if request.param == "memory":
        yield DataLayer.in_memory(clock=clock).tenant(uuid4())
    else:
        async with DataLayer.open(focal_settings, clock=clock) as data:
            yield data.tenant(uuid4())


async def test_what_has_expired_is_not_read(timed: Tenant, clock: Clock) -> None:
    """From that very moment, by the store's clock; in the history it stays."""
    profiles = timed.profiles
    ada = await profiles.get_or_create(Channel.WEBCHAT, "ada")
    end = NOON + timedelta(hours=1)
    field = await profiles.update_field(ada.id, a_field(ada, "Rome", expires_at=end))
    asset = await profiles.add_asset(ada.id, an_asset(ada, expires_at=end))
    assert NOON == ada.created_at == field.created_at == asset.updated_at
    clock.time = end - TICK
    assert ({"city": field}, [asset]) == (
        await profiles.get_fields(ada.id),
        await profiles.list_assets(ada.id),
    )
    clock.time = end
    assert ({}, []) == (await profiles.get_fields(ada.id, ["city"]), await profiles.list_assets(ada.id))
    assert [field] == await profiles.get_field_history(ada.id, "city")
    renewed = await profiles.update_field(ada.id, a_field(ada, "Bonn", valid_from=end))
    assert {"city": renewed} == await profiles.get_fields(ada.id)


async def test_a_value_that_ends_another_changes_its_revision(timed: Tenant, clock: Clock) -> None:
    """And its time of change, by the store's clock."""
    profiles = timed.profiles
    ada = await profiles.get_or_create(Channel.WEBCHAT, "ada")
    await profiles.update_field(ada.id, a_field(ada, "Rome", valid_from=NOON))
    clock.time = NOON + timedelta(minutes=1)
    new = await profiles.update_field(ada.id, a_field(ada, "Bonn", valid_from=NOON))
    _, old = await profiles.get_field_history(ada.id, "city")
    assert (2, clock.time, NOON) == (old.revision, old.updated_at, old.created_at)
    assert NOON + TICK == old.valid_to == new.valid_from
    ahead = NOON + timedelta(days=1)
    last = await profiles.update_field(ada.id, a_field(ada, "Oslo", valid_from=ahead))
    assert ahead == last.valid_from == (await profiles.get_field_history(ada.id, "city"))[1].valid_to


async def test_a_merge_is_at_one_time(timed: Tenant, clock: Clock) -> None:
    """Of the target and of all that it moves; what it ends, it ends then."""
    profiles = timed.profiles
    ada, bob = [await profiles.get_or_create(Channel.API, name) for name in ("ada", "bob")]
    for profile in (ada, bob):
        await profiles.update_field(profile.id, a_field(profile, "Rome", valid_from=NOON))
    clock.time = NOON + timedelta(days=1)
    target = await profiles.merge_profiles(ada.id, bob.id)
    assert (clock.time, NOON) == (target.updated_at, target.created_at)
    assert {clock.time, NOON} == {link.updated_at for link in await profiles.list_channels(bob.id)}
    history = await profiles.get_field_history(bob.id, "city")
    assert {(None, NOON), (clock.time, clock.time)} == {
        (field.valid_to, field.updated_at) for field in history
    }


async def test_what_happened_at_one_time_is_in_the_order_of_ids(timed: Tenant) -> None:
    """Turns the newest first, events the oldest; and no page repeats or misses one."""
    audit, session_id = timed.audit, uuid4()
    turns = [await audit.save_turn(a_turn(session_id, number)) for number in range(7)]
    events = [AuditEvent(event_type="e", session_id=session_id) for _ in range(3)]
    for event in reversed(events):
        await audit.save_event(event)
    pages = [await audit.list_turns(limit=3)]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(await audit.list_turns(limit=3, cursor=cursor))
    assert [3, 3, 1] == [len(page) for page in pages]
    assert turns[::-1] == [turn for page in pages for turn in page]
    assert [turns[0]] == await audit.list_turns_by_session(session_id, limit=1)
    listed = await audit.list_events_by_session(session_id)
    assert [event.id for event in events] == [event.id for event in listed]
    assert Page([]) == await audit.list_turns(end_time=NOON)
    assert 7 == len(await audit.list_turns(start_time=NOON))
