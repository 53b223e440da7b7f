"""Who the customers are."""

from __future__ import annotations

import factory

from focal_data.domain.profile import (
    Channel,
    ChannelIdentity,
    Consent,
    CustomerProfile,
    ProfileAsset,
    ProfileField,
    VerificationLevel,
)
from focal_data.testing.factories import chance
from focal_data.testing.factories.base import (
    DIGEST,
    NEW_ID,
    TIME,
    DomainFactory,
    E,
    Parent,
    Stores,
    ValueFactory,
    drawn,
    id_of,
    named,
    picked,
)

_VALUES = {"email": "maria@example.org", "city": "Lyon", "age": 41, "newsletter": True}


class ConsentFactory(ValueFactory[Consent]):
    class Meta:
        model = Consent

    consent_type = picked(("marketing", "recording"))
    granted = True
    granted_at = TIME
    source_session_id = NEW_ID
    ip_address = "192.0.2.7"


class CustomerProfileFactory(DomainFactory[CustomerProfile]):
    class Meta:
        model = CustomerProfile

    id = NEW_ID
    customer_id = named("customer")
    verification_level = picked(VerificationLevel)
    consents = factory.LazyFunction(lambda: [ConsentFactory.build()])
    last_interaction_at = TIME

    @classmethod
    async def _store(cls, stores: Stores, entity: CustomerProfile) -> CustomerProfile:
        return await stores.profiles.save(entity)


class ProfilePartFactory(DomainFactory[E]):
    """What hangs on a profile: ``profile=…`` or ``profile_id=…``, or one is made."""

    class Meta:
        abstract = True

    class Params:
        profile = Parent(CustomerProfileFactory)

    id = NEW_ID
    profile_id = id_of("profile")


class ChannelIdentityFactory(ProfilePartFactory[ChannelIdentity]):
    class Meta:
        model = ChannelIdentity

    channel = picked(Channel)
    channel_user_id = named("user")
    verified = True
    verified_at = TIME

    @classmethod
    async def _store(cls, stores: Stores, entity: ChannelIdentity) -> ChannelIdentity:
        return await stores.profiles.link_channel(entity.profile_id, entity)


class ProfileFieldFactory(ProfilePartFactory[ProfileField]):
    """A current value, which does not expire."""

    class Meta:
        model = ProfileField

    class Params:
        known = picked(_VALUES)

    name = factory.LazyAttribute(lambda field: chance.distinct(field.known, "_"))
    value = factory.LazyAttribute(lambda field: _VALUES[field.known])
    source_session_id = NEW_ID
    confidence = 1.0
    collected_at = TIME
    valid_from = factory.SelfAttribute("collected_at")

    @classmethod
    async def _store(cls, stores: Stores, entity: ProfileField) -> ProfileField:
        return await stores.profiles.update_field(entity.profile_id, entity)


class ProfileAssetFactory(ProfilePartFactory[ProfileAsset]):
    class Meta:
        model = ProfileAsset

    name = named("passport", "photo", "contract")
    asset_type = "document"
    storage_provider = "s3"
    storage_path = factory.LazyAttribute(lambda asset: f"customers/{asset.profile_id}/{asset.checksum[:12]}")
    mime_type = picked(("application/pdf", "image/png"))
    size_bytes = drawn(1_000, 5_000_000_000)
    checksum = DIGEST
    uploaded_at = TIME
    uploaded_in_session_id = NEW_ID

    @classmethod
    async def _store(cls, stores: Stores, entity: ProfileAsset) -> ProfileAsset:
        return await stores.profiles.add_asset(entity.profile_id, entity)
