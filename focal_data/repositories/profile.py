"""The profile store in PostgreSQL, composed of the repositories of its tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar
from uuid import UUID

from focal_data.database.scope import HasScope, Scope, Transaction
from focal_data.domain.checking import checked, checked_member, checked_text, checked_uuid
from focal_data.domain.profile import Channel, ChannelIdentity, CustomerProfile, ProfileAsset, ProfileField
from focal_data.errors import ConflictError, InvalidDataError, NotFoundError, RetryableError
from focal_data.repositories.customers import ATTEMPTS, CustomerProfileRepository
from focal_data.repositories.merging import merge
from focal_data.repositories.profile_parts import (
    ChannelIdentityRepository,
    ProfileAssetRepository,
    ProfileFieldRepository,
)
from focal_data.stores.profile import ProfileStore, checked_names, new_identity, new_profile

Part = TypeVar("Part", ChannelIdentity, ProfileField, ProfileAsset)


class PostgresProfileStore(ProfileStore):
    """The profile store in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._scope: Scope = source.scope if hasattr(source, "scope") else source
        self._profiles = CustomerProfileRepository(source)
        self._channels = ChannelIdentityRepository(source)
        self._fields = ProfileFieldRepository(source)
        self._assets = ProfileAssetRepository(source)

    async def get_by_id(self, profile_id: UUID) -> CustomerProfile | None:
        return await self._profiles.resolved(checked_uuid("profile_id", profile_id))

    async def get_by_customer_id(self, customer_id: str) -> CustomerProfile | None:
        return await self._profiles.of_customer(checked_text("customer_id", customer_id))

    async def get_by_channel_identity(self, channel: Channel, channel_user_id: str) -> CustomerProfile | None:
        word = checked_member("channel", channel, Channel)
        return await self._profiles.of_channel(word, checked_text("channel_user_id", channel_user_id))

    async def get_or_create(
        self, channel: Channel, channel_user_id: str, customer_id: str | None = None
    ) -> CustomerProfile:
        # The names are checked as the model would check them, before anything is read.
        profile = checked(new_profile(customer_id), CustomerProfile, self._scope.tenant_id)
        identity = new_identity(profile.id, channel, channel_user_id)
        link = checked(identity, ChannelIdentity, self._scope.tenant_id)
        return await self._scope.run(lambda tx: _found_or_made(tx, profile, link))

    async def save(self, profile: CustomerProfile) -> CustomerProfile:
        return await self._profiles.save(checked(profile, CustomerProfile, self._scope.tenant_id))

    async def update_field(self, profile_id: UUID, field: ProfileField) -> ProfileField:
        return await self._fields.replace(await self._own(profile_id, field, ProfileField))

    async def get_fields(
        self, profile_id: UUID, names: Collection[str] | None = None
    ) -> dict[str, ProfileField]:
        chosen = checked_names(names)
        fields = await self._fields.current(checked_uuid("profile_id", profile_id), chosen)
        return {field.name: field for field in fields}

    async def get_field_history(self, profile_id: UUID, name: str) -> list[ProfileField]:
        return await self._fields.history(checked_uuid("profile_id", profile_id), checked_text("name", name))

    async def link_channel(self, profile_id: UUID, identity: ChannelIdentity) -> ChannelIdentity:
        return await self._channels.save(await self._own(profile_id, identity, ChannelIdentity))

    async def unlink_channel(self, profile_id: UUID, channel: Channel, channel_user_id: str) -> bool:
        checked_uuid("profile_id", profile_id)
        word = checked_member("channel", channel, Channel)
        return await self._channels.unlink(profile_id, word, checked_text("channel_user_id", channel_user_id))

    async def list_channels(self, profile_id: UUID) -> list[ChannelIdentity]:
        return await self._channels.of(checked_uuid("profile_id", profile_id))

    async def add_asset(self, profile_id: UUID, asset: ProfileAsset) -> ProfileAsset:
        return await self._assets.add(await self._own(profile_id, asset, ProfileAsset))

    async def list_assets(self, profile_id: UUID) -> list[ProfileAsset]:
        return await self._assets.of(checked_uuid("profile_id", profile_id))

    async def delete_asset(self, asset_id: UUID) -> bool:
        return await self._assets.delete(checked_uuid("asset_id", asset_id))

    async def merge_profiles(self, source_id: UUID, target_id: UUID) -> CustomerProfile:
        checked_uuid("source_id", source_id)
        checked_uuid("target_id", target_id)
        return await self._scope.run(lambda tx: merge(tx, source_id, target_id))

    async def get_merged_ids(self, profile_id: UUID) -> list[UUID]:
        return await self._profiles.merged_ids(checked_uuid("profile_id", profile_id))

    async def delete_profile(self, profile_id: UUID) -> bool:
        return await self._profiles.delete(checked_uuid("profile_id", profile_id))

    async def _own(self, profile_id: UUID, part: Part, kind: type[Part]) -> Part:
        """``part``, checked, if it names the profile that ``profile_id`` stands for, by whatever id."""
        checked_uuid("profile_id", profile_id)
        copy = checked(part, kind, self._scope.tenant_id)
        if copy.profile_id == profile_id:
            return copy
        roots = await self._profiles.roots((profile_id, copy.profile_id))
        if profile_id not in roots:
            raise NotFoundError(CustomerProfile.__name__)
        if roots.get(copy.profile_id) != roots[profile_id]:
            raise InvalidDataError("profile_id", "names another profile")
        return copy


async def _found_or_made(
    tx: Transaction, profile: CustomerProfile, identity: ChannelIdentity
) -> CustomerProfile:
    """The channel's profile, with the ``customer_id``; a new one where there is none. Whoever loses a race looks again."""
    profiles = CustomerProfileRepository(tx)
    for _ in range(ATTEMPTS):
        known = await profiles.of_channel(identity.channel, identity.channel_user_id)
        if known is None:
            linked = await _linked(tx, profile, identity)
            if linked is not None:
                return linked
        elif profile.customer_id in (None, known.customer_id):
            return known
        else:
            return await _attached(profiles, known, profile.customer_id)
    raise RetryableError("a channel is being linked and unlinked again and again")


async def _linked(
    tx: Transaction, profile: CustomerProfile, identity: ChannelIdentity
) -> CustomerProfile | None:
    """``profile``, new, or the one that has its ``customer_id``, linked to the channel; ``None`` when a race was lost."""
    profiles, channels = CustomerProfileRepository(tx), ChannelIdentityRepository(tx)
    made = await profiles.add_if_free(profile)
    holder = made
    if made is None and profile.customer_id is not None:
        holder = await profiles.of_customer(profile.customer_id)
    if holder is None:
        return None
    if await channels.add_if_free(identity.model_copy(update={"profile_id": holder.id})):
        return holder
    if made is not None:
        await profiles.purge(made.id)
    return None


async def _attached(
    profiles: CustomerProfileRepository, known: CustomerProfile, customer_id: str
) -> CustomerProfile:
    locked = await profiles.held(known.id)
    owner = await profiles.of_customer(customer_id)
    if owner is not None and owner.id == locked.id:  # its own, or that of one that was merged into it
        return locked
    if owner is not None or locked.customer_id is not None:
        raise ConflictError("CustomerProfile: the channel's profile is another customer's")
    return await profiles.update(locked.model_copy(update={"customer_id": customer_id}))
