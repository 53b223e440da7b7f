"""What belongs to another tenant is absent: not found, not listed, not a parent, and never changed."""

from __future__ import annotations

import pytest

from focal_data.domain.profile import Channel, CustomerProfile
from focal_data.errors import InvalidDataError, NotFoundError
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.profile.base import ProfileSuite, a_field, a_link, an_asset


class ProfileIsolationContract(ProfileSuite):
    """Every call of another tenant, by every id."""

    async def test_another_tenant_reads_nothing(
        self, other: TenantUnderTest, profiles: ProfileStore, bob: CustomerProfile
    ) -> None:
        """By no id, and by no name."""
        ada = await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-1")
        await profiles.update_field(ada.id, a_field(ada, "Rome"))
        await profiles.add_asset(ada.id, an_asset(ada))
        await profiles.merge_profiles(bob.id, ada.id)
        theirs = other.profiles
        assert await theirs.get_by_id(ada.id) is None
        assert await theirs.get_by_id(bob.id) is None
        assert await theirs.get_by_customer_id("c-1") is None
        assert await theirs.get_by_channel_identity(Channel.WEBCHAT, "ada") is None
        assert ({}, [], [], [], []) == (
            await theirs.get_fields(ada.id),
            await theirs.get_field_history(ada.id, "city"),
            await theirs.list_assets(ada.id),
            await theirs.list_channels(ada.id),
            await theirs.get_merged_ids(ada.id),
        )

    async def test_another_tenant_changes_nothing(
        self, other: TenantUnderTest, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """Neither by the profile's id, nor by a part's, nor with a part of ours."""
        field = await profiles.update_field(ada.id, a_field(ada, "Rome"))
        asset = await profiles.add_asset(ada.id, an_asset(ada))
        (link,) = await profiles.list_channels(ada.id)
        theirs = other.profiles
        own = await theirs.get_or_create(Channel.WEBCHAT, "ada")
        assert not await theirs.delete_asset(asset.id)
        assert not await theirs.delete_profile(ada.id)
        nobodys = {"tenant_id": own.tenant_id}
        for write in (
            theirs.save(ada.evolve(customer_id="c-1", **nobodys)),
            theirs.unlink_channel(ada.id, Channel.WEBCHAT, "ada"),
            theirs.update_field(ada.id, a_field(ada, "Bonn")),
            theirs.link_channel(ada.id, a_link(ada, "+1")),
            theirs.add_asset(ada.id, an_asset(ada)),
            theirs.link_channel(own.id, link.evolve(profile_id=own.id, **nobodys)),
            theirs.merge_profiles(ada.id, own.id),
            theirs.merge_profiles(own.id, ada.id),
            theirs.merge_profiles(ada.id, bob.id),
        ):
            with pytest.raises(NotFoundError):
                await write
        assert [ada, bob] == [await profiles.get_by_id(profile.id) for profile in (ada, bob)]
        assert ({"city": field}, [asset], [link]) == (
            await profiles.get_fields(ada.id),
            await profiles.list_assets(ada.id),
            await profiles.list_channels(ada.id),
        )
        assert own == await theirs.get_by_id(own.id)

    async def test_what_names_another_tenant_is_refused(
        self, other: TenantUnderTest, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """Whatever is written."""
        own = await other.profiles.get_or_create(Channel.API, "own")
        foreign = {"tenant_id": ada.tenant_id}
        for write in (
            other.profiles.save(CustomerProfile(**foreign)),
            other.profiles.save(ada),
            other.profiles.update_field(own.id, a_field(own, 1, **foreign)),
            other.profiles.link_channel(own.id, a_link(own, "+1", **foreign)),
            other.profiles.add_asset(own.id, an_asset(own, **foreign)),
        ):
            with pytest.raises(InvalidDataError) as caught:
                await write
            assert "tenant_id" == caught.value.field
        assert ada == await profiles.get_by_id(ada.id)

    async def test_two_tenants_may_have_the_same_ids_and_names(
        self, other: TenantUnderTest, profiles: ProfileStore
    ) -> None:
        """And each keeps its own."""
        ada = await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-1")
        (link,) = await profiles.list_channels(ada.id)
        field = await profiles.update_field(ada.id, a_field(ada, "Rome"))
        asset = await profiles.add_asset(ada.id, an_asset(ada))
        theirs, anew = other.profiles, {"tenant_id": other.tenant_id, "revision": 0}
        twin = await theirs.save(ada.evolve(**anew))
        linked = await theirs.link_channel(ada.id, link.evolve(**anew))
        known = await theirs.update_field(ada.id, field.evolve(value="Bonn", **anew))
        added = await theirs.add_asset(ada.id, asset.evolve(name="photo", **anew))
        assert await theirs.delete_asset(added.id)
        assert twin == await theirs.get_or_create(Channel.WEBCHAT, "ada", "c-1")
        assert ([linked], {"city": known}) == (
            await theirs.list_channels(ada.id),
            await theirs.get_fields(ada.id),
        )
        assert await theirs.delete_profile(ada.id)
        assert ada == await profiles.get_by_customer_id("c-1")
        assert ([link], {"city": field}, [asset]) == (
            await profiles.list_channels(ada.id),
            await profiles.get_fields(ada.id),
            await profiles.list_assets(ada.id),
        )
