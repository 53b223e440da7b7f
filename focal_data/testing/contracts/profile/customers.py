"""Profiles themselves: stored whole, found by every name they have, locked by their revision."""

from __future__ import annotations

from uuid import uuid4

import pytest

from focal_data.domain.profile import Channel, Consent, CustomerProfile, VerificationLevel
from focal_data.errors import (
    ConflictError,
    DuplicateError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
)
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.profile.base import LONG_AGO, NOON, STORES_OWN, ProfileSuite


class CustomersContract(ProfileSuite):
    """``get_by_*``, ``get_or_create``, ``save`` and ``delete_profile``."""

    async def test_a_profile_comes_back_as_it_was_stored(
        self, tenant: TenantUnderTest, profiles: ProfileStore
    ) -> None:
        """With every field, the tenant filled in, and the store's times instead of the caller's."""
        consent = Consent(
            consent_type="mail",
            granted=True,
            granted_at=NOON,
            revoked_at=NOON,
            source_session_id=uuid4(),
            ip_address="::1",
        )
        profile = CustomerProfile(
            customer_id="Å 🦊",
            verification_level=VerificationLevel.KYC_COMPLETE,
            consents=[consent, Consent(consent_type="voice", granted=False)],
            last_interaction_at=NOON,
            created_at=LONG_AGO,
            updated_at=LONG_AGO,
        )
        stored = await profiles.save(profile)
        assert stored == await profiles.get_by_id(profile.id) == await profiles.get_by_customer_id("Å 🦊")
        assert profile.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert (tenant.tenant_id, 1) == (stored.tenant_id, stored.revision)
        assert stored.created_at is not None
        assert NOON < stored.created_at == stored.updated_at

    @pytest.mark.parametrize("level", VerificationLevel)
    async def test_every_level_of_verification_is_kept(
        self, profiles: ProfileStore, level: VerificationLevel
    ) -> None:
        """As itself."""
        stored = await profiles.save(CustomerProfile(verification_level=level))
        assert stored == await profiles.get_by_id(stored.id)
        assert level is stored.verification_level

    async def test_what_a_caller_changes_is_not_what_is_stored(self, profiles: ProfileStore) -> None:
        """Neither in what was handed over, nor in what was got back."""
        given = CustomerProfile(consents=[Consent(consent_type="mail", granted=True)])
        stored = await profiles.save(given)
        for changed in (given, stored, await profiles.get_by_id(given.id)):
            assert changed is not None
            changed.consents.clear()
        found = await profiles.get_by_id(given.id)
        assert found is not None
        assert ["mail"] == [consent.consent_type for consent in found.consents]

    async def test_a_profile_changes_by_its_revision(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """It keeps its time of creation; a stale one is refused with the current revision, and changes nothing."""
        changed = ada.evolve(customer_id="c-1", last_interaction_at=NOON, created_at=LONG_AGO)
        stored = await profiles.save(changed)
        assert ("c-1", 2, ada.created_at) == (stored.customer_id, stored.revision, stored.created_at)
        assert stored.updated_at is not None
        assert ada.updated_at is not None
        assert ada.updated_at <= stored.updated_at
        assert stored == await profiles.get_by_id(ada.id)
        for revision in (1, 3, 2**31 - 2):
            with pytest.raises(StaleRevisionError) as caught:
                await profiles.save(ada.evolve(revision=revision, customer_id="c-2"))
            assert (2, "CustomerProfile") == (caught.value.current_revision, caught.value.entity)
        assert stored == await profiles.get_by_id(ada.id)

    async def test_what_is_not_stored_is_not_changed(self, profiles: ProfileStore) -> None:
        """It is not found, and not made either."""
        nobody = CustomerProfile(revision=1)
        with pytest.raises(NotFoundError) as caught:
            await profiles.save(nobody)
        assert "CustomerProfile" == caught.value.entity
        assert await profiles.get_by_id(nobody.id) is None

    async def test_an_id_is_taken_once(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """What was stored first stays."""
        with pytest.raises(DuplicateError) as caught:
            await profiles.save(CustomerProfile(id=ada.id, customer_id="other"))
        assert ("id",) == caught.value.fields
        assert ada == await profiles.get_by_id(ada.id)

    async def test_a_customer_id_is_taken_once(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """Until it is given up; any number of profiles have none."""
        first = await profiles.save(CustomerProfile(customer_id="c-1"))
        for second in (CustomerProfile(customer_id="c-1"), ada.evolve(customer_id="c-1")):
            with pytest.raises(DuplicateError) as caught:
                await profiles.save(second)
            assert ("customer_id",) == caught.value.fields
        await profiles.save(first.evolve(customer_id=None))
        assert await profiles.get_by_customer_id("c-1") is None
        taken = await profiles.save(ada.evolve(customer_id="c-1"))
        assert taken == await profiles.get_by_customer_id("c-1")

    async def test_only_a_merge_merges(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """What a caller puts there is ignored, in a new profile and in a known one."""
        new = await profiles.save(CustomerProfile(merged_into_id=bob.id))
        old = await profiles.save(ada.evolve(merged_into_id=uuid4()))
        assert (None, None) == (new.merged_into_id, old.merged_into_id)
        assert [new, old] == [await profiles.get_by_id(new.id), await profiles.get_by_id(ada.id)]
        assert [] == await profiles.get_merged_ids(bob.id)

    async def test_a_new_channel_makes_a_profile(self, profiles: ProfileStore) -> None:
        """Once; the channel leads to it from then on."""
        made = await profiles.get_or_create(Channel.WEBCHAT, "u-1", "c-1")
        assert made == await profiles.get_or_create(Channel.WEBCHAT, "u-1")
        assert made == await profiles.get_or_create(Channel.WEBCHAT, "u-1", "c-1")
        assert made == await profiles.get_by_channel_identity(Channel.WEBCHAT, "u-1")
        assert made == await profiles.get_by_id(made.id) == await profiles.get_by_customer_id("c-1")
        assert ("c-1", 1, VerificationLevel.UNVERIFIED) == (
            made.customer_id,
            made.revision,
            made.verification_level,
        )
        (link,) = await profiles.list_channels(made.id)
        assert (Channel.WEBCHAT, "u-1", True) == (link.channel, link.channel_user_id, link.primary)

    async def test_one_user_on_two_channels_is_two_profiles(self, profiles: ProfileStore) -> None:
        """Until somebody who knows better merges them."""
        made = [await profiles.get_or_create(channel, "u-1") for channel in Channel]
        assert len(Channel) == len({profile.id for profile in made})

    async def test_a_known_customer_gets_a_new_channel(self, profiles: ProfileStore) -> None:
        """And no second profile."""
        stored = await profiles.save(CustomerProfile(customer_id="c-1"))
        assert stored == await profiles.get_or_create(Channel.VOICE, "+1", "c-1")
        assert stored == await profiles.get_or_create(Channel.EMAIL, "a@b", "c-1")
        assert 2 == len(await profiles.list_channels(stored.id))

    async def test_a_customer_id_is_attached_where_there_is_none(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """And one that differs is a conflict, as is one that another profile has."""
        attached = await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-1")
        assert (ada.id, "c-1", 2) == (attached.id, attached.customer_id, attached.revision)
        assert attached == await profiles.get_by_customer_id("c-1")
        await profiles.get_or_create(Channel.VOICE, "other")
        for user in ((Channel.WEBCHAT, "ada", "c-2"), (Channel.VOICE, "other", "c-1")):
            with pytest.raises(ConflictError):
                await profiles.get_or_create(*user)
        assert attached == await profiles.get_by_id(ada.id)
        assert await profiles.get_by_customer_id("c-2") is None

    async def test_a_channel_is_named_by_its_text_as_well(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """It is the same word."""
        assert ada == await profiles.get_or_create("webchat", "ada")  # type: ignore[arg-type]
        assert ada == await profiles.get_by_channel_identity("webchat", "ada")  # type: ignore[arg-type]

    async def test_what_is_not_stored_is_absent(self, profiles: ProfileStore) -> None:
        """Not an error: reads are empty, and there is nothing to delete."""
        assert await profiles.get_by_id(uuid4()) is None
        assert await profiles.get_by_customer_id("c-1") is None
        assert await profiles.get_by_channel_identity(Channel.API, "x") is None
        assert not await profiles.delete_profile(uuid4())

    async def test_names_are_not_folded(self, profiles: ProfileStore) -> None:
        """Neither by case, nor by blanks, nor by how a letter is composed."""
        names = ["ada", "Ada", " ada", "ada ", "ådа", "a\u030ada"]
        made = [await profiles.get_or_create(Channel.API, name, name) for name in names]
        assert len(names) == len({profile.id for profile in made})
        for name, profile in zip(names, made, strict=True):
            assert profile == await profiles.get_by_customer_id(name)

    async def test_a_deleted_profile_is_gone_with_its_names(
        self, profiles: ProfileStore, bob: CustomerProfile
    ) -> None:
        """Which are free again; nothing else is touched."""
        made = await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-1")
        assert await profiles.delete_profile(made.id)
        assert not await profiles.delete_profile(made.id)
        assert await profiles.get_by_id(made.id) is None
        assert await profiles.get_by_customer_id("c-1") is None
        assert await profiles.get_by_channel_identity(Channel.WEBCHAT, "ada") is None
        with pytest.raises(NotFoundError):
            await profiles.save(made)
        assert made.id != (await profiles.get_or_create(Channel.WEBCHAT, "ada", "c-1")).id
        assert bob == await profiles.get_by_id(bob.id)

    @pytest.mark.parametrize(
        "channel_user_id", ["", "x" * 256, "x" * 10_000_000, "a\x00b", "\ud800", 5, None]
    )
    async def test_a_bad_channel_user_is_named(self, profiles: ProfileStore, channel_user_id: str) -> None:
        """And nothing is made."""
        with pytest.raises(InvalidDataError) as caught:
            await profiles.get_or_create(Channel.WEBCHAT, channel_user_id, "c-1")
        assert "channel_user_id" == caught.value.field
        assert await profiles.get_by_customer_id("c-1") is None

    @pytest.mark.parametrize("customer_id", ["", "x" * 256, "x" * 10_000_000, "a\x00b", "\ud800", 5, b"c"])
    async def test_a_bad_customer_id_is_named(self, profiles: ProfileStore, customer_id: str) -> None:
        """And nothing is made."""
        with pytest.raises(InvalidDataError) as caught:
            await profiles.get_or_create(Channel.WEBCHAT, "u-1", customer_id)
        assert "customer_id" == caught.value.field
        assert await profiles.get_by_channel_identity(Channel.WEBCHAT, "u-1") is None
