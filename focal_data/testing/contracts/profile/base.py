"""What the suites of profiles share: two customers, and what is known of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from focal_data.domain.profile import Channel, ChannelIdentity, CustomerProfile, ProfileAsset, ProfileField
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.base import StoreContract, TenantUnderTest

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO: Final = datetime(2001, 1, 1, tzinfo=UTC)
FAR_OFF: Final = datetime(2999, 1, 1, tzinfo=UTC)
STORES_OWN: Final = {"tenant_id", "revision", "created_at", "updated_at"}
"""What a store fills in, whatever it was given."""


def a_field(profile: CustomerProfile, value: object, **changes: object) -> ProfileField:
    """A value of the field ``city``."""
    return ProfileField.model_validate({"profile_id": profile.id, "name": "city", "value": value} | changes)


def an_asset(profile: CustomerProfile, **changes: object) -> ProfileAsset:
    """A file."""
    given = {"profile_id": profile.id, "name": "passport", "asset_type": "image", "storage_provider": "s3"}
    given |= {"storage_path": "a/b", "mime_type": "image/png", "size_bytes": 2**62, "checksum": "c"}
    return ProfileAsset.model_validate(given | changes)


def a_link(profile: CustomerProfile, channel_user_id: str, **changes: object) -> ChannelIdentity:
    """A way to reach them by voice."""
    given = {"profile_id": profile.id, "channel": Channel.VOICE, "channel_user_id": channel_user_id}
    return ChannelIdentity.model_validate(given | changes)


def spoiled(entity: Any, **changes: object) -> Any:
    """``entity`` with what its model would have refused."""
    return type(entity).model_construct(**{**entity.__dict__, **changes})


class ProfileSuite(StoreContract):
    """The fixtures of every suite of profiles."""

    @pytest.fixture
    def profiles(self, tenant: TenantUnderTest) -> ProfileStore:
        """The store of a tenant of this test alone."""
        return tenant.profiles

    @pytest.fixture
    async def ada(self, profiles: ProfileStore) -> CustomerProfile:
        """A customer on webchat."""
        return await profiles.get_or_create(Channel.WEBCHAT, "ada")

    @pytest.fixture
    async def bob(self, profiles: ProfileStore) -> CustomerProfile:
        """A customer by mail."""
        return await profiles.get_or_create(Channel.EMAIL, "bob")

    @pytest.fixture
    async def eve(self, profiles: ProfileStore) -> CustomerProfile:
        """A customer of the API."""
        return await profiles.get_or_create(Channel.API, "eve")
