"""Merged profiles: an old id keeps its meaning, and nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from focal_data.domain.profile import Channel, Consent, CustomerProfile, VerificationLevel
from focal_data.errors import ConflictError, DuplicateError, NotFoundError, StaleRevisionError
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.profile.base import (
    FAR_OFF,
    LONG_AGO,
    NOON,
    ProfileSuite,
    a_field,
    a_link,
    an_asset,
)

TICK = timedelta(microseconds=1)


class MergingContract(ProfileSuite):
    """``merge_profiles`` and ``get_merged_ids``, and what becomes of every other call."""

    async def test_everything_moves_with_its_next_revision(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """Channels, fields with their history, and assets, the expired included; nothing else of them changes."""
        for value in ("Rome", "Bonn"):
            await profiles.update_field(ada.id, a_field(ada, value))
        await profiles.update_field(ada.id, a_field(ada, 7, name="age", expires_at=NOON))
        asset = await profiles.add_asset(ada.id, an_asset(ada))
        expired = await profiles.add_asset(ada.id, an_asset(ada, expires_at=NOON, uploaded_at=LONG_AGO))
        (link,) = await profiles.list_channels(ada.id)
        names = ("city", "age")
        before: list[Any] = [link, asset]
        before += [field for name in names for field in await profiles.get_field_history(ada.id, name)]
        await profiles.merge_profiles(ada.id, bob.id)
        after: list[Any] = [found for found in await profiles.list_channels(bob.id) if found.id == link.id]
        after += await profiles.list_assets(bob.id)
        after += [field for name in names for field in await profiles.get_field_history(bob.id, name)]
        for old, new in zip(before, after, strict=True):
            moved = old.evolve(profile_id=bob.id, revision=old.revision + 1, updated_at=new.updated_at)
            assert new == (moved.evolve(primary=False) if old is link else moved)
        assert await profiles.delete_asset(expired.id)

    async def test_both_ids_are_one_profile(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """In every call, and in what a call is given."""
        target = await profiles.merge_profiles(ada.id, bob.id)
        assert (bob.id, bob.revision + 1, None) == (target.id, target.revision, target.merged_into_id)
        field = await profiles.update_field(ada.id, a_field(ada, "Rome"))
        mixed = await profiles.update_field(bob.id, a_field(ada, "Bonn"))
        linked = await profiles.link_channel(ada.id, a_link(bob, "+1"))
        asset = await profiles.add_asset(ada.id, an_asset(ada))
        assert {bob.id} == {part.profile_id for part in (field, mixed, linked, asset)}
        for profile_id in (ada.id, bob.id):
            assert target == await profiles.get_by_id(profile_id)
            assert {"city": mixed} == await profiles.get_fields(profile_id)
            history = await profiles.get_field_history(profile_id, "city")
            assert [mixed.id, field.id] == [field.id for field in history]
            assert [asset] == await profiles.list_assets(profile_id)
            assert linked in await profiles.list_channels(profile_id)
            assert [ada.id] == await profiles.get_merged_ids(profile_id)
        for user in ((Channel.WEBCHAT, "ada"), (Channel.EMAIL, "bob"), (Channel.VOICE, "+1")):
            assert target == await profiles.get_by_channel_identity(*user)
            assert target == await profiles.get_or_create(*user)
        assert await profiles.unlink_channel(ada.id, Channel.VOICE, "+1")

    async def test_merges_are_followed_all_the_way(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile, eve: CustomerProfile
    ) -> None:
        """A chain of them leads to the last target, in whatever order it was made, and by whatever ids."""
        chain = [await profiles.get_or_create(Channel.VOICE, str(n)) for n in range(6)]
        for first, second in ((0, 1), (2, 3), (1, 2), (4, 5), (0, 4)):
            target = await profiles.merge_profiles(chain[first].id, chain[second].id)
        assert chain[5].id == target.id
        merged = sorted(profile.id for profile in chain[:5])
        for profile in chain:
            assert target == await profiles.get_by_id(profile.id)
            assert merged == await profiles.get_merged_ids(profile.id)
        assert 6 == len(await profiles.list_channels(chain[0].id))
        assert [] == await profiles.get_merged_ids(ada.id)

    async def test_a_merge_makes_no_loop(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile, eve: CustomerProfile
    ) -> None:
        """A profile is not merged into itself, nor into what it is part of, nor with what is part of it."""
        await profiles.merge_profiles(ada.id, bob.id)
        target = await profiles.merge_profiles(bob.id, eve.id)
        ids = [profile.id for profile in (ada, bob, eve)]
        for source in ids:
            for other in ids:
                with pytest.raises(ConflictError):
                    await profiles.merge_profiles(source, other)
        assert target == await profiles.get_by_id(ada.id)
        assert sorted(ids[:2]) == await profiles.get_merged_ids(eve.id)

    async def test_a_merge_with_nobody_is_refused(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """From either side, and changes nothing."""
        nobody = uuid4()
        for source, target in ((nobody, ada.id), (ada.id, nobody), (nobody, nobody)):
            with pytest.raises(NotFoundError) as caught:
                await profiles.merge_profiles(source, target)
            assert "CustomerProfile" == caught.value.entity
        assert ada == await profiles.get_by_id(ada.id)
        assert [] == await profiles.get_merged_ids(nobody)

    async def test_a_target_without_customer_id_takes_the_sources(
        self, profiles: ProfileStore, bob: CustomerProfile, eve: CustomerProfile
    ) -> None:
        """Also the one that is passed on by the next merge."""
        ada = await profiles.get_or_create(Channel.VOICE, "ada", "c-ada")
        for source, target in ((ada, bob), (bob, eve)):
            merged = await profiles.merge_profiles(source.id, target.id)
            assert (target.id, "c-ada") == (merged.id, merged.customer_id)
            assert merged == await profiles.get_by_customer_id("c-ada")
            assert merged == await profiles.get_or_create(Channel.VOICE, "ada", "c-ada")

    async def test_each_customer_id_leads_to_the_target(self, profiles: ProfileStore) -> None:
        """The target keeps its own, and the source's counts as its own as well, and stays taken."""
        ada = await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-ada")
        bob = await profiles.get_or_create(Channel.EMAIL, "bob", "c-bob")
        target = await profiles.merge_profiles(ada.id, bob.id)
        assert "c-bob" == target.customer_id
        for customer_id in ("c-ada", "c-bob"):
            assert target == await profiles.get_by_customer_id(customer_id)
            assert target == await profiles.get_or_create(Channel.WEBCHAT, "ada", customer_id)
            assert target == await profiles.get_or_create(Channel.VOICE, f"new {customer_id}", customer_id)
        with pytest.raises(ConflictError):
            await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-eve")
        with pytest.raises(DuplicateError):
            await profiles.save(CustomerProfile(customer_id="c-ada"))

    async def test_of_two_current_values_the_targets_stays(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """The source's ends now, or right after it began if that is only in the future."""
        ahead = await profiles.update_field(ada.id, a_field(ada, "Rome", valid_from=FAR_OFF))
        past = await profiles.update_field(ada.id, a_field(ada, 7, name="age"))
        city = await profiles.update_field(bob.id, a_field(bob, "Bonn"))
        age = await profiles.update_field(bob.id, a_field(bob, 8, name="age", expires_at=NOON))
        await profiles.merge_profiles(ada.id, bob.id)
        history = {
            f.id: f for name in ("city", "age") for f in await profiles.get_field_history(bob.id, name)
        }
        assert {"city": city} == await profiles.get_fields(bob.id)
        assert FAR_OFF + TICK == history[ahead.id].valid_to
        ended = history[past.id].valid_to
        assert ended is not None
        assert past.valid_from < ended <= datetime.now(UTC)
        assert age == history[age.id]

    async def test_the_target_keeps_its_primary_channel(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """As the only one; one without takes the source's."""
        await profiles.merge_profiles(ada.id, bob.id)
        links = await profiles.list_channels(bob.id)
        assert [Channel.EMAIL] == [link.channel for link in links if link.primary]
        assert 2 == len(links)
        bare = await profiles.save(CustomerProfile())
        await profiles.merge_profiles(bob.id, bare.id)
        links = await profiles.list_channels(bare.id)
        assert [Channel.EMAIL] == [link.channel for link in links if link.primary]

    async def test_what_was_said_and_proved_stays_where_it_was(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """The target's consents, verification level and last interaction remain its own."""
        consents = [Consent(consent_type="mail", granted=True)]
        sure = ada.evolve(
            consents=consents, verification_level=VerificationLevel.KYC_COMPLETE, last_interaction_at=NOON
        )
        await profiles.save(sure)
        target = await profiles.merge_profiles(ada.id, bob.id)
        assert bob.evolve(revision=2, updated_at=target.updated_at) == target
        carried = target.evolve(consents=consents)
        assert consents == (await profiles.save(carried)).consents

    async def test_what_was_read_before_a_merge_can_not_be_written_after_it(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """It would take the old profile back, or overwrite the target."""
        (link,) = await profiles.list_channels(ada.id)
        target = await profiles.merge_profiles(ada.id, bob.id)
        with pytest.raises(StaleRevisionError):
            await profiles.link_channel(ada.id, link.evolve(verified=True))
        for revision in (1, 2, 3):
            with pytest.raises(StaleRevisionError) as caught:
                await profiles.save(ada.evolve(revision=revision))
            assert target.revision == caught.value.current_revision
        with pytest.raises(StaleRevisionError):
            await profiles.save(bob)
        assert target == await profiles.get_by_id(ada.id)

    async def test_the_target_is_written_as_before(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile, eve: CustomerProfile
    ) -> None:
        """By its revision; an old id stays taken."""
        target = await profiles.merge_profiles(ada.id, bob.id)
        saved = await profiles.save(target.evolve(customer_id="c-1"))
        assert saved == await profiles.get_by_id(ada.id)
        with pytest.raises(DuplicateError):
            await profiles.save(CustomerProfile(id=ada.id))
        other = await profiles.update_field(eve.id, a_field(eve, "Oslo"))
        await profiles.update_field(ada.id, a_field(ada, "Rome"))
        assert {"city": other} == await profiles.get_fields(eve.id)

    async def test_a_deletion_takes_all_that_was_merged_along(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile, eve: CustomerProfile
    ) -> None:
        """By any of the ids, and nothing else."""
        await profiles.update_field(ada.id, a_field(ada, "Rome"))
        await profiles.merge_profiles(ada.id, bob.id)
        assert await profiles.delete_profile(ada.id)
        for profile in (ada, bob):
            assert await profiles.get_by_id(profile.id) is None
            assert [] == await profiles.get_merged_ids(profile.id)
            assert {} == await profiles.get_fields(profile.id)
            assert not await profiles.delete_profile(profile.id)
        assert await profiles.get_by_channel_identity(Channel.WEBCHAT, "ada") is None
        assert eve == await profiles.get_by_id(eve.id)
        await profiles.save(CustomerProfile(id=ada.id))
