"""Profiles in a transaction: seen by itself alone until it commits, and gone when it does not."""

from __future__ import annotations

import asyncio

import pytest

from focal_data.domain.profile import Channel, CustomerProfile
from focal_data.errors import ConflictError, DuplicateError, NotFoundError, StoreError, UsageError
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.profile.base import ProfileSuite, a_field, a_link, an_asset


class ProfileTransactionsContract(ProfileSuite):
    """``tx.profiles``."""

    async def test_what_is_committed_lasts(self, tenant: TenantUnderTest) -> None:
        """And was seen by nobody else before."""
        async with tenant.transaction() as tx:
            ada = await tx.profiles.get_or_create(Channel.WEBCHAT, "ada", "c-1")
            field = await tx.profiles.update_field(ada.id, a_field(ada, "Rome"))
            assert ada == await tx.profiles.get_by_customer_id("c-1")
            assert {"city": field} == await tx.profiles.get_fields(ada.id)
            outside = asyncio.create_task(tenant.profiles.get_by_id(ada.id))
            assert await outside is None
        assert ada == await tenant.profiles.get_by_id(ada.id)
        assert {"city": field} == await tenant.profiles.get_fields(ada.id)

    async def test_what_is_rolled_back_never_was(
        self, tenant: TenantUnderTest, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """Whatever was done: a merge as well."""
        field = await profiles.update_field(ada.id, a_field(ada, "Rome"))
        channels = await profiles.list_channels(ada.id)
        with pytest.raises(KeyError):
            async with tenant.transaction() as tx:
                await tx.profiles.update_field(ada.id, a_field(ada, "Bonn"))
                await tx.profiles.link_channel(ada.id, a_link(ada, "+1"))
                await tx.profiles.add_asset(ada.id, an_asset(ada))
                await tx.profiles.merge_profiles(ada.id, bob.id)
                assert bob.id == (await tx.profiles.get_fields(bob.id))["city"].profile_id
                await tx.profiles.get_or_create(Channel.API, "new", "c-1")
                assert await tx.profiles.delete_profile(ada.id)
                raise KeyError
        assert [ada, bob] == [await profiles.get_by_id(profile.id) for profile in (ada, bob)]
        assert ({"city": field}, channels, [], {}) == (
            await profiles.get_fields(ada.id),
            await profiles.list_channels(ada.id),
            await profiles.list_assets(ada.id),
            await profiles.get_fields(bob.id),
        )
        assert await profiles.get_by_customer_id("c-1") is None

    async def test_a_refusal_does_not_end_a_transaction(
        self, tenant: TenantUnderTest, ada: CustomerProfile
    ) -> None:
        """Where it was found out by looking: the next call works, and what was done commits."""
        nobody = CustomerProfile()
        async with tenant.transaction() as tx:
            with pytest.raises(NotFoundError):
                await tx.profiles.update_field(nobody.id, a_field(nobody, 1))
            with pytest.raises(ConflictError):
                await tx.profiles.merge_profiles(ada.id, ada.id)
            field = await tx.profiles.update_field(ada.id, a_field(ada, "Rome"))
        assert {"city": field} == await tenant.profiles.get_fields(ada.id)

    async def test_what_must_be_unique_ends_a_transaction(
        self, tenant: TenantUnderTest, ada: CustomerProfile
    ) -> None:
        """It can only be left, and then it says that nothing was written."""
        with pytest.raises(StoreError, match="nothing was written"):
            async with tenant.transaction() as tx:
                await tx.profiles.update_field(ada.id, a_field(ada, "Rome"))
                with pytest.raises(DuplicateError):
                    await tx.profiles.link_channel(ada.id, a_link(ada, "ada", channel=Channel.WEBCHAT))
                with pytest.raises(UsageError):
                    await tx.profiles.get_by_id(ada.id)
        assert {} == await tenant.profiles.get_fields(ada.id)

    async def test_who_waits_for_a_channel_gets_what_was_made(self, tenant: TenantUnderTest) -> None:
        """And leaves no profile of its own behind, nor a customer_id."""
        async with tenant.transaction() as tx:
            winner = await tx.profiles.get_or_create(Channel.API, "x")
            calls = [tenant.profiles.get_or_create(Channel.API, "x", name) for name in (None, "a", "b")]
            losers = [asyncio.create_task(call) for call in calls]
            await asyncio.wait(losers, timeout=0.1)
        outcomes = await asyncio.gather(*losers, return_exceptions=True)
        assert winner == outcomes[0]
        assert [ConflictError] == [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)]
        found = [await tenant.profiles.get_by_customer_id(name) for name in ("a", "b")]
        assert [winner.id] == [profile.id for profile in found if profile is not None]
        assert 1 == len(await tenant.profiles.list_channels(winner.id))

    async def test_who_waits_for_one_that_is_rolled_back_makes_it(self, tenant: TenantUnderTest) -> None:
        """As if nobody had been before."""
        with pytest.raises(KeyError):
            async with tenant.transaction() as tx:
                lost = await tx.profiles.get_or_create(Channel.API, "x", "c-1")
                call = asyncio.create_task(tenant.profiles.get_or_create(Channel.API, "x", "c-1"))
                await asyncio.wait({call}, timeout=0.1)
                raise KeyError
        made = await call
        assert lost.id != made.id
        assert made == await tenant.profiles.get_by_customer_id("c-1")
