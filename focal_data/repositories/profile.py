"""The profile store in PostgreSQL, composed of the repositories of its tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar
from uuid import UUID

from focal_data.database.scope import HasScope, Scope, Transaction
from focal_data.domain.profile import Channel, ChannelIdentity, CustomerProfile, ProfileAsset, ProfileField
from focal_data.errors import ConflictError, DuplicateError, InvalidDataError, RetryableError
from focal_data.mappers.base import checked
from focal_data.repositories.merging import merge
from focal_data.repositories.profile_parts import (
    ChannelIdentityRepository,
    CustomerProfileRepository,
    ProfileAssetRepository,
    ProfileFieldRepository,
)
from focal_data.stores.profile import ProfileStore

Part = TypeVar("Part", ChannelIdentity, ProfileField, ProfileAsset)

_ATTEMPTS = 5


class PostgresProfileStore(ProfileStore):
    """The profile store in PostgreSQL."""

    def __init__(self, source: HasScope | Scope) -> None:
        self._scope: Scope = source.scope if hasattr(source, "scope") else source
        self._profiles = CustomerProfileRepository(source)
        self._channels = ChannelIdentityRepository(source)
        self._fields = ProfileFieldRepository(source)
        self._assets = ProfileAssetRepository(source)

    async def get_by_id(self, profile_id: UUID) -> CustomerProfile | None:
        return await self._profiles.resolved(profile_id)

    async def get_by_customer_id(self, customer_id: str) -> CustomerProfile | None:
        return await self._profiles.of_customer(customer_id)

    async def get_by_channel_identity(self, channel: Channel, channel_user_id: str) -> CustomerProfile | None:
        return await self._profiles.of_channel(channel, channel_user_id)

    async def get_or_create(
        self, channel: Channel, channel_user_id: str, customer_id: str | None = None
    ) -> CustomerProfile:
        # The names are checked as the model would check them, before anything is read.
        profile = self._profiles.mapper.checked(_new_profile(customer_id), self._scope.tenant_id)
        identity = checked(_new_identity(profile.id, channel, channel_user_id), self._scope.tenant_id)
        known = await self._profiles.of_channel(identity.channel, identity.channel_user_id)
        if known is not None and customer_id in (None, known.customer_id):
            return known

        async def work(tx: Transaction) -> CustomerProfile:
            return await _found_or_made(tx, profile, identity)

        return await self._scope.run(work)

    async def save(self, profile: CustomerProfile) -> CustomerProfile:
        return await self._profiles.save(profile)

    async def update_field(self, profile_id: UUID, field: ProfileField) -> ProfileField:
        if field.valid_to is not None:
            raise InvalidDataError("valid_to", "must be left out: the value is the current one")

        async def work(tx: Transaction) -> ProfileField:
            return await ProfileFieldRepository(tx).replace(await _of(tx, profile_id, field))

        return await self._scope.run(work)

    async def get_fields(
        self, profile_id: UUID, names: Collection[str] | None = None
    ) -> dict[str, ProfileField]:
        return {field.name: field for field in await self._fields.current(profile_id, names)}

    async def get_field_history(self, profile_id: UUID, name: str) -> list[ProfileField]:
        return await self._fields.history(profile_id, name)

    async def link_channel(self, profile_id: UUID, identity: ChannelIdentity) -> ChannelIdentity:
        async def work(tx: Transaction) -> ChannelIdentity:
            return await ChannelIdentityRepository(tx).save(await _of(tx, profile_id, identity))

        return await self._scope.run(work)

    async def unlink_channel(self, profile_id: UUID, channel: Channel, channel_user_id: str) -> bool:
        return await self._channels.unlink(profile_id, channel, channel_user_id)

    async def list_channels(self, profile_id: UUID) -> list[ChannelIdentity]:
        return await self._channels.of(profile_id)

    async def add_asset(self, profile_id: UUID, asset: ProfileAsset) -> ProfileAsset:
        async def work(tx: Transaction) -> ProfileAsset:
            return await ProfileAssetRepository(tx).add(await _of(tx, profile_id, asset))

        return await self._scope.run(work)

    async def list_assets(self, profile_id: UUID) -> list[ProfileAsset]:
        return await self._assets.of(profile_id)

    async def delete_asset(self, asset_id: UUID) -> bool:
        return await self._assets.delete(asset_id)

    async def merge_profiles(self, source_id: UUID, target_id: UUID) -> CustomerProfile:
        return await self._scope.run(lambda tx: merge(tx, source_id, target_id))

    async def get_merged_ids(self, profile_id: UUID) -> list[UUID]:
        return await self._profiles.merged_ids(profile_id)

    async def delete_profile(self, profile_id: UUID) -> bool:
        return await self._profiles.delete(profile_id)


async def _found_or_made(
    tx: Transaction, profile: CustomerProfile, identity: ChannelIdentity
) -> CustomerProfile:
    """The channel's profile, with the ``customer_id``; a new one where there is none. Whoever loses a race looks again."""
    profiles, channels = CustomerProfileRepository(tx), ChannelIdentityRepository(tx)
    for _ in range(_ATTEMPTS):
        known = await profiles.of_channel(identity.channel, identity.channel_user_id)
        if known is not None:
            return await _attached(tx, known, profile.customer_id)
        owner = await profiles.of_customer(profile.customer_id) if profile.customer_id is not None else None
        made = None if owner is not None else await profiles.add_if_free(profile)
        holder = owner or made
        if holder is None:  # somebody else took the customer_id meanwhile
            continue
        if await channels.add_if_free(identity.model_copy(update={"profile_id": holder.id})):
            return holder
        if made is not None:
            await profiles.purge(made.id)
    raise RetryableError("a channel is being linked and unlinked again and again")


async def _attached(tx: Transaction, known: CustomerProfile, customer_id: str | None) -> CustomerProfile:
    if customer_id is None:
        return known
    profiles = CustomerProfileRepository(tx)
    locked = await profiles.locked(known.id)
    owner = await profiles.of_customer(customer_id)
    if owner is not None and owner.id == locked.id:  # its own, or that of one that was merged into it
        return locked
    if owner is not None or locked.customer_id is not None:
        raise ConflictError("CustomerProfile: the channel's profile is another customer's")
    try:
        return await profiles.update(locked.model_copy(update={"customer_id": customer_id}))
    except DuplicateError:
        raise ConflictError("CustomerProfile: another profile has this customer_id") from None


async def _of(tx: Transaction, profile_id: UUID, part: Part) -> Part:
    """``part``, checked, as one of the profile that ``profile_id`` stands for, which is locked."""
    copy = checked(part, tx.tenant_id)
    root = await CustomerProfileRepository(tx).locked(profile_id)
    if copy.profile_id not in (profile_id, root.id):
        raise InvalidDataError("profile_id", "names another profile")
    return copy.model_copy(update={"profile_id": root.id})


def _new_profile(customer_id: str | None) -> CustomerProfile:
    return CustomerProfile().model_copy(update={"customer_id": customer_id})


def _new_identity(profile_id: UUID, channel: Channel, channel_user_id: str) -> ChannelIdentity:
    new = ChannelIdentity(
        profile_id=profile_id, channel=Channel.API, channel_user_id="unchecked", primary=True
    )
    return new.model_copy(update={"channel": channel, "channel_user_id": channel_user_id})
