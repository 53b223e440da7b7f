"""The channels and assets of a profile."""

from __future__ import annotations

from uuid import uuid4

import pytest

from focal_data.domain.profile import Channel, CustomerProfile
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.profile.base import (
    FAR_OFF,
    LONG_AGO,
    NOON,
    STORES_OWN,
    ProfileSuite,
    a_field,
    a_link,
    an_asset,
)


class ChannelsAndAssetsContract(ProfileSuite):
    """``link_channel``, ``unlink_channel``, ``list_channels``, ``add_asset``, ``list_assets`` and ``delete_asset``."""

    @pytest.mark.parametrize("channel", Channel)
    async def test_a_channel_comes_back_as_it_was_linked(
        self, profiles: ProfileStore, ada: CustomerProfile, channel: Channel
    ) -> None:
        """With every field, and leads to its profile."""
        link = a_link(ada, "å@b", channel=channel, verified=True, verified_at=NOON, created_at=LONG_AGO)
        linked = await profiles.link_channel(ada.id, link)
        assert linked in await profiles.list_channels(ada.id)
        assert ada == await profiles.get_by_channel_identity(channel, "å@b")
        assert link.model_dump(exclude=STORES_OWN) == linked.model_dump(exclude=STORES_OWN)
        assert linked.created_at is not None
        assert (1, True) == (linked.revision, LONG_AGO < linked.created_at)

    async def test_channels_are_listed_by_id(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """Whatever the order in which they were linked."""
        links = [a_link(ada, str(number)) for number in range(5)]
        for link in reversed(links):
            await profiles.link_channel(ada.id, link)
        listed = [link.id for link in await profiles.list_channels(ada.id)]
        assert sorted(listed) == listed
        assert {link.id for link in links} < set(listed)

    async def test_a_channel_is_linked_once(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """To one profile, until it is unlinked."""
        stored = await profiles.link_channel(ada.id, a_link(ada, "+1"))
        for again in (a_link(ada, "+1"), a_link(bob, "+1")):
            with pytest.raises(DuplicateError) as caught:
                await profiles.link_channel(again.profile_id, again)
            assert ("channel", "channel_user_id") == caught.value.fields
        with pytest.raises(DuplicateError) as same:
            await profiles.link_channel(ada.id, a_link(ada, "+2", id=stored.id))
        assert ("id",) == same.value.fields
        assert await profiles.unlink_channel(ada.id, Channel.VOICE, "+1")
        moved = await profiles.link_channel(bob.id, a_link(bob, "+1"))
        assert moved in await profiles.list_channels(bob.id)

    async def test_a_channel_changes_by_its_revision(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """A stale one is refused with the current revision; one that is taken is a duplicate."""
        (link,) = await profiles.list_channels(ada.id)
        updated = await profiles.link_channel(ada.id, link.evolve(verified=True, verified_at=NOON))
        assert [updated] == await profiles.list_channels(ada.id)
        assert (2, link.created_at) == (updated.revision, updated.created_at)
        for revision in (1, 3):
            with pytest.raises(StaleRevisionError) as caught:
                await profiles.link_channel(ada.id, link.evolve(revision=revision))
            assert (2, "ChannelIdentity") == (caught.value.current_revision, caught.value.entity)
        with pytest.raises(DuplicateError):
            await profiles.link_channel(ada.id, updated.evolve(channel=Channel.EMAIL, channel_user_id="bob"))
        renamed = await profiles.link_channel(ada.id, updated.evolve(channel_user_id="Ada"))
        assert await profiles.get_by_channel_identity(Channel.WEBCHAT, "ada") is None
        assert ada == await profiles.get_by_channel_identity(Channel.WEBCHAT, "Ada")
        assert 3 == renamed.revision

    async def test_a_channel_moves_to_the_profile_that_it_is_linked_to(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """By its revision, and only to one that is stored."""
        (link,) = await profiles.list_channels(ada.id)
        moved = await profiles.link_channel(bob.id, link.evolve(profile_id=bob.id))
        assert moved in await profiles.list_channels(bob.id)
        assert [] == await profiles.list_channels(ada.id)
        nobody = uuid4()
        with pytest.raises(NotFoundError):
            await profiles.link_channel(nobody, moved.evolve(profile_id=nobody))
        with pytest.raises(InvalidDataError) as caught:
            await profiles.link_channel(ada.id, moved)
        assert "profile_id" == caught.value.field

    async def test_a_channel_that_is_gone_is_not_changed(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """Nor linked again by it."""
        (link,) = await profiles.list_channels(ada.id)
        await profiles.unlink_channel(ada.id, Channel.WEBCHAT, "ada")
        with pytest.raises(NotFoundError) as caught:
            await profiles.link_channel(ada.id, link)
        assert "ChannelIdentity" == caught.value.entity
        assert [] == await profiles.list_channels(ada.id)

    async def test_only_its_own_profile_unlinks_a_channel(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """Once; the profile stays, and the channel gets a new one."""
        assert not await profiles.unlink_channel(bob.id, Channel.WEBCHAT, "ada")
        assert not await profiles.unlink_channel(ada.id, Channel.API, "ada")
        assert await profiles.unlink_channel(ada.id, Channel.WEBCHAT, "ada")
        assert not await profiles.unlink_channel(ada.id, Channel.WEBCHAT, "ada")
        with pytest.raises(NotFoundError) as caught:
            await profiles.unlink_channel(uuid4(), Channel.EMAIL, "bob")
        assert "CustomerProfile" == caught.value.entity
        assert ada == await profiles.get_by_id(ada.id)
        assert ada.id != (await profiles.get_or_create(Channel.WEBCHAT, "ada")).id

    async def test_an_asset_comes_back_as_it_was_added(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """With every field."""
        asset = an_asset(
            ada,
            uploaded_at=NOON,
            uploaded_in_session_id=uuid4(),
            verified=True,
            verification_result={"score": 0.5, "by": ["a", None]},
            retention_policy="30 days",
            expires_at=FAR_OFF,
            storage_path="x" * 10_000_000,
        )
        stored = await profiles.add_asset(ada.id, asset)
        assert [stored] == await profiles.list_assets(ada.id)
        assert asset.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)

    async def test_assets_are_listed_by_id(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """Whatever the order in which they were added; two may have all in common but that."""
        assets = [an_asset(ada) for _ in range(3)]
        for asset in reversed(assets):
            await profiles.add_asset(ada.id, asset)
        assert [asset.id for asset in assets] == [a.id for a in await profiles.list_assets(ada.id)]

    async def test_assets_come_and_go(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """An expired one is not listed, and can be deleted like any other."""
        asset = await profiles.add_asset(ada.id, an_asset(ada))
        expired = await profiles.add_asset(ada.id, an_asset(ada, expires_at=NOON, uploaded_at=LONG_AGO))
        assert [asset] == await profiles.list_assets(ada.id)
        for gone in (asset, expired):
            assert await profiles.delete_asset(gone.id)
            assert not await profiles.delete_asset(gone.id)
        assert [] == await profiles.list_assets(ada.id)

    async def test_an_asset_is_added_once(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """By its id; with a revision it is none that is new."""
        asset = await profiles.add_asset(ada.id, an_asset(ada))
        with pytest.raises(DuplicateError) as caught:
            await profiles.add_asset(ada.id, asset.evolve(revision=0, name="other"))
        assert ("id",) == caught.value.fields
        with pytest.raises(InvalidDataError) as revised:
            await profiles.add_asset(ada.id, an_asset(ada, revision=1))
        assert "revision" == revised.value.field
        assert [asset] == await profiles.list_assets(ada.id)

    async def test_parts_of_nobody_are_refused(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """Lists are empty; writes say so, and refuse what names another profile than the call."""
        nobody = CustomerProfile()
        for listing in (profiles.list_channels, profiles.list_assets):
            assert [] == await listing(nobody.id)
        for write in (
            profiles.link_channel(nobody.id, a_link(nobody, "x")),
            profiles.add_asset(nobody.id, an_asset(nobody)),
        ):
            with pytest.raises(NotFoundError) as caught:
                await write
            assert "CustomerProfile" == caught.value.entity
        for write in (
            profiles.link_channel(ada.id, a_link(bob, "x")),
            profiles.add_asset(ada.id, an_asset(bob)),
        ):
            with pytest.raises(InvalidDataError) as named:
                await write
            assert "profile_id" == named.value.field

    async def test_a_deleted_profile_takes_its_parts_along(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """Not even the ids are taken any more."""
        field = await profiles.update_field(ada.id, a_field(ada, "Rome"))
        asset = await profiles.add_asset(ada.id, an_asset(ada))
        (link,) = await profiles.list_channels(ada.id)
        assert await profiles.delete_profile(ada.id)
        assert not await profiles.delete_asset(asset.id)
        again = await profiles.save(CustomerProfile(id=ada.id))
        assert ([], [], {}, []) == (
            await profiles.list_channels(again.id),
            await profiles.list_assets(again.id),
            await profiles.get_fields(again.id),
            await profiles.get_field_history(again.id, "city"),
        )
        await profiles.link_channel(again.id, link.evolve(revision=0))
        await profiles.add_asset(again.id, asset.evolve(revision=0))
        await profiles.update_field(again.id, field.evolve(revision=0))
