"""Many callers at once: one profile, one current value, one winner, and no merge that waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import pytest

from focal_data.domain.profile import Channel, CustomerProfile
from focal_data.errors import ConflictError, DuplicateError, FocalDataError, NotFoundError, StaleRevisionError
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.profile.base import ProfileSuite, a_field, a_link, an_asset

T = TypeVar("T")

WRITERS: Final = 50


async def merged_meanwhile(
    tenant: TenantUnderTest,
    source: CustomerProfile,
    target: CustomerProfile,
    call: Coroutine[Any, Any, T],
) -> T:
    """The outcome of ``call``, which begins while a merge is under way that is committed only then."""
    async with tenant.transaction() as tx:
        await tx.profiles.merge_profiles(source.id, target.id)
        running = asyncio.create_task(call)
        await asyncio.wait({running}, timeout=0.1)
    return await running


async def merged_once(tenant: TenantUnderTest, source: CustomerProfile, target: CustomerProfile) -> None:
    """Merge them in a transaction that is not run again after a deadlock."""
    async with tenant.transaction() as tx:
        await tx.profiles.merge_profiles(source.id, target.id)


class ProfileRacesContract(ProfileSuite):
    """What holds for one caller holds for many."""

    @pytest.mark.parametrize("customer_id", [None, "c-1"])
    async def test_two_hundred_callers_get_one_profile(
        self, profiles: ProfileStore, customer_id: str | None
    ) -> None:
        """Whoever wins, it has one channel."""
        calls = (profiles.get_or_create(Channel.WEBCHAT, "u-1", customer_id) for _ in range(200))
        made = await asyncio.gather(*calls)
        assert 1 == len({profile.id for profile in made})
        assert made[0] == await profiles.get_by_channel_identity(Channel.WEBCHAT, "u-1")
        assert 1 == len(await profiles.list_channels(made[0].id))

    async def test_many_new_channels_of_one_customer_make_one_profile(self, profiles: ProfileStore) -> None:
        """Each channel is linked to it."""
        made = await asyncio.gather(
            *(profiles.get_or_create(Channel.WEBCHAT, f"u-{n}", "c-1") for n in range(WRITERS))
        )
        assert 1 == len({profile.id for profile in made})
        assert WRITERS == len(await profiles.list_channels(made[0].id))

    async def test_of_many_customers_of_one_channel_one_has_it(self, profiles: ProfileStore) -> None:
        """The others conflict, and leave nothing behind."""
        calls = [profiles.get_or_create(Channel.API, "x", f"c-{n}") for n in range(10)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, CustomerProfile)]
        assert 9 == sum(isinstance(outcome, ConflictError) for outcome in outcomes)
        found = [await profiles.get_by_customer_id(f"c-{n}") for n in range(10)]
        assert [winner] == [profile for profile in found if profile is not None]

    async def test_of_many_writers_of_one_revision_one_wins(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """The others get the current revision."""
        writers = (profiles.save(ada.evolve(customer_id=f"c-{n}")) for n in range(WRITERS))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, CustomerProfile)]
        stale = [outcome for outcome in outcomes if isinstance(outcome, StaleRevisionError)]
        assert [2] * (WRITERS - 1) == [error.current_revision for error in stale]
        assert winner == await profiles.get_by_id(ada.id)

    async def test_of_many_writers_of_one_channel_one_wins(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """By its revision as well."""
        (link,) = await profiles.list_channels(ada.id)
        writers = (profiles.link_channel(ada.id, link.evolve(channel_user_id=str(n))) for n in range(WRITERS))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        stale = [outcome for outcome in outcomes if isinstance(outcome, StaleRevisionError)]
        assert [2] * (WRITERS - 1) == [error.current_revision for error in stale]
        assert 1 == len(await profiles.list_channels(ada.id))

    async def test_of_many_links_of_one_channel_one_is_made(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """Whichever profile it leads to."""
        links = (
            profiles.link_channel(owner.id, a_link(owner, "+1")) for _ in range(10) for owner in (ada, bob)
        )
        outcomes = await asyncio.gather(*links, return_exceptions=True)
        assert 19 == sum(isinstance(outcome, DuplicateError) for outcome in outcomes)
        found = [*await profiles.list_channels(ada.id), *await profiles.list_channels(bob.id)]
        assert 3 == len(found)

    async def test_of_many_updates_of_a_field_one_is_current(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """They take turns, none is lost, and each ends where the next begins."""
        await asyncio.gather(*(profiles.update_field(ada.id, a_field(ada, n)) for n in range(WRITERS)))
        history = await profiles.get_field_history(ada.id, "city")
        assert [*range(WRITERS)] == sorted(field.value for field in history)  # type: ignore[type-var]
        ends = [field.valid_to for field in history]
        assert [None, *(field.valid_from for field in history[:-1])] == ends
        assert {"city": history[0]} == await profiles.get_fields(ada.id)

    async def test_opposite_merges_at_once_make_one_profile(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """One succeeds, the others find them merged; none waits for ever."""
        pairs = [(ada, bob), (bob, ada)] * 5
        outcomes = await asyncio.gather(
            *(profiles.merge_profiles(source.id, target.id) for source, target in pairs),
            return_exceptions=True,
        )
        assert 1 == sum(isinstance(outcome, CustomerProfile) for outcome in outcomes)
        assert 9 == sum(isinstance(outcome, ConflictError) for outcome in outcomes)
        roots = [await profiles.get_by_id(profile.id) for profile in (ada, bob)]
        assert roots[0] == roots[1]

    async def test_merges_in_a_ring_make_one_profile(self, profiles: ProfileStore) -> None:
        """All but one succeed, and every id leads to one that was not merged."""
        made = [await profiles.get_or_create(Channel.API, str(n)) for n in range(10)]
        ring = zip(made, [*made[1:], made[0]], strict=True)
        outcomes = await asyncio.gather(
            *(profiles.merge_profiles(source.id, target.id) for source, target in ring),
            return_exceptions=True,
        )
        assert 9 == sum(isinstance(outcome, CustomerProfile) for outcome in outcomes)
        assert 1 == sum(isinstance(outcome, ConflictError) for outcome in outcomes)
        root = await profiles.get_by_id(made[0].id)
        assert root is not None
        assert root.merged_into_id is None
        assert {root.id} == {found.id for p in made if (found := await profiles.get_by_id(p.id)) is not None}
        assert 9 == len(await profiles.get_merged_ids(root.id))
        assert 10 == len(await profiles.list_channels(root.id))

    async def test_a_channel_that_comes_during_a_merge_leads_to_the_target(
        self, tenant: TenantUnderTest, profiles: ProfileStore, bob: CustomerProfile
    ) -> None:
        """Found by the source's customer_id, it waits for the merge."""
        ada = await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-ada")
        call = profiles.get_or_create(Channel.VOICE, "+1", "c-ada")
        assert bob.id == (await merged_meanwhile(tenant, ada, bob, call)).id
        assert bob.id == (await profiles.get_or_create(Channel.VOICE, "+1")).id

    async def test_what_is_written_during_a_merge_is_the_targets(
        self, tenant: TenantUnderTest, profiles: ProfileStore, bob: CustomerProfile
    ) -> None:
        """Whichever way it is written."""
        made = [await profiles.get_or_create(Channel.API, str(number)) for number in range(3)]
        calls: list[Coroutine[Any, Any, object]] = [
            profiles.update_field(made[0].id, a_field(made[0], "Rome")),
            profiles.link_channel(made[1].id, a_link(made[1], "+1")),
            profiles.add_asset(made[2].id, an_asset(made[2])),
        ]
        for source, call in zip(made, calls, strict=True):
            await merged_meanwhile(tenant, source, bob, call)
        assert {"city"} == (await profiles.get_fields(bob.id)).keys()
        assert 1 == len(await profiles.list_assets(bob.id))
        assert {"+1", "0", "1", "2", "bob"} == {
            link.channel_user_id for link in await profiles.list_channels(bob.id)
        }

    async def test_who_is_deleted_during_a_merge_is_gone_with_its_target(
        self, tenant: TenantUnderTest, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """The old id stood for both when its turn came."""
        assert await merged_meanwhile(tenant, ada, bob, profiles.delete_profile(ada.id))
        assert [None, None] == [await profiles.get_by_id(profile.id) for profile in (ada, bob)]
        eve, ida = [await profiles.get_or_create(Channel.API, name) for name in ("eve", "ida")]
        assert await merged_meanwhile(tenant, eve, ida, profiles.delete_profile(ida.id))
        assert [] == await profiles.get_merged_ids(ida.id)

    async def test_a_deletion_and_writes_at_once_leave_nothing(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """A write comes before it, or finds nobody."""
        calls: list[Coroutine[Any, Any, object]] = []
        for number in range(10):
            calls.append(profiles.update_field(ada.id, a_field(ada, number)))
            calls.append(profiles.link_channel(ada.id, a_link(ada, str(number))))
        calls.insert(10, profiles.delete_profile(ada.id))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert outcomes.pop(10) is True
        assert {NotFoundError} >= {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)}
        assert await profiles.get_by_id(ada.id) is None
        for number in range(10):
            assert await profiles.get_by_channel_identity(Channel.VOICE, str(number)) is None

    async def test_merges_and_writes_in_a_throng_leave_nothing_behind(
        self, tenant: TenantUnderTest, profiles: ProfileStore
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

    async def test_a_cancelled_call_leaves_nothing_half_done(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """Whenever it is cancelled: a value that was current still is, or the next one is."""
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
