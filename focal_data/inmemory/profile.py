"""The profile store in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar
from uuid import UUID

from focal_data.domain.checking import checked, checked_member, checked_text, checked_uuid, copied
from focal_data.domain.profile import Channel, ChannelIdentity, CustomerProfile, ProfileAsset, ProfileField
from focal_data.errors import ConflictError, InvalidDataError
from focal_data.inmemory.customers import InMemoryCustomerProfileRepository
from focal_data.inmemory.database import InMemoryScope, Tables
from focal_data.inmemory.merging import merge
from focal_data.inmemory.profile_parts import (
    InMemoryChannelIdentityRepository,
    InMemoryProfileAssetRepository,
    InMemoryProfileFieldRepository,
)
from focal_data.stores.profile import ProfileStore, checked_current, checked_names, new_identity, new_profile

Part = TypeVar("Part", ChannelIdentity, ProfileField, ProfileAsset)


class InMemoryProfileStore(ProfileStore):
    """The profile store in memory."""

    def __init__(self, scope: InMemoryScope) -> None:
        self._scope = scope
        self._profiles = InMemoryCustomerProfileRepository(scope)
        self._channels = InMemoryChannelIdentityRepository(scope)
        self._fields = InMemoryProfileFieldRepository(scope)
        self._assets = InMemoryProfileAssetRepository(self._scope)

    async def get_by_id(self, profile_id: UUID) -> CustomerProfile | None:
        checked_uuid("profile_id", profile_id)
        return self._profiles.given(self._profiles.resolved(self._scope.tables(), profile_id))

    async def get_by_customer_id(self, customer_id: str) -> CustomerProfile | None:
        checked_text("customer_id", customer_id)
        return self._profiles.given(self._profiles.of_customer(self._scope.tables(), customer_id))

    async def get_by_channel_identity(self, channel: Channel, channel_user_id: str) -> CustomerProfile | None:
        word = checked_member("channel", channel, Channel)
        checked_text("channel_user_id", channel_user_id)
        return self._profiles.given(self._owner(self._scope.tables(), word, channel_user_id))

    async def get_or_create(
        self, channel: Channel, channel_user_id: str, customer_id: str | None = None
    ) -> CustomerProfile:
        profile = self._profiles.new(new_profile(customer_id))
        identity = self._channels.new(new_identity(profile.id, channel, channel_user_id))
        known = self._owner(self._scope.tables(), identity.channel, identity.channel_user_id)
        if known is not None and customer_id in (None, known.customer_id):
            return copied(known)  # without waiting for anybody
        return copied(await self._scope.write(lambda tables: self._found_or_made(tables, profile, identity)))

    async def save(self, profile: CustomerProfile) -> CustomerProfile:
        return await self._profiles.save(profile)

    async def update_field(self, profile_id: UUID, field: ProfileField) -> ProfileField:
        new = checked_current(self._fields.new(field))
        return await self._write(profile_id, new, self._fields.replace)

    async def get_fields(
        self, profile_id: UUID, names: Collection[str] | None = None
    ) -> dict[str, ProfileField]:
        checked_uuid("profile_id", profile_id)
        chosen = checked_names(names)
        now = self._scope.now()

        def asked(field: ProfileField) -> bool:
            alive = field.expires_at is None or field.expires_at > now
            return field.valid_to is None and alive and (chosen is None or field.name in chosen)

        found = self._fields.of(self._scope.tables(), profile_id, asked)
        return {field.name: copied(field) for field in sorted(found, key=lambda field: field.name)}

    async def get_field_history(self, profile_id: UUID, name: str) -> list[ProfileField]:
        checked_uuid("profile_id", profile_id)
        checked_text("name", name)
        found = self._fields.of(self._scope.tables(), profile_id, lambda field: field.name == name)
        newest = sorted(found, key=lambda field: (field.valid_from, field.id), reverse=True)
        return [copied(field) for field in newest]

    async def link_channel(self, profile_id: UUID, identity: ChannelIdentity) -> ChannelIdentity:
        mine = checked(identity, ChannelIdentity, self._scope.tenant_id)
        if mine.revision == 0:
            return await self._write(profile_id, self._channels.new(mine), self._channels.insert)
        return await self._write(profile_id, mine, self._channels.change)

    async def unlink_channel(self, profile_id: UUID, channel: Channel, channel_user_id: str) -> bool:
        checked_uuid("profile_id", profile_id)
        word = checked_member("channel", channel, Channel)
        checked_text("channel_user_id", channel_user_id)

        def work(tables: Tables) -> bool:
            root = self._profiles.held(tables, profile_id)
            link = self._channels.linked(tables, word, channel_user_id)
            return link is not None and link.profile_id == root.id and self._channels.remove(tables, link.id)

        return await self._scope.write(work)

    async def list_channels(self, profile_id: UUID) -> list[ChannelIdentity]:
        checked_uuid("profile_id", profile_id)
        return [copied(link) for link in self._channels.of(self._scope.tables(), profile_id)]

    async def add_asset(self, profile_id: UUID, asset: ProfileAsset) -> ProfileAsset:
        return await self._write(profile_id, self._assets.new(asset), self._assets.insert)

    async def list_assets(self, profile_id: UUID) -> list[ProfileAsset]:
        checked_uuid("profile_id", profile_id)
        now = self._scope.now()
        found = self._assets.of(self._scope.tables(), profile_id)
        return [copied(asset) for asset in found if asset.expires_at is None or asset.expires_at > now]

    async def delete_asset(self, asset_id: UUID) -> bool:
        return await self._assets.delete(checked_uuid("asset_id", asset_id))

    async def merge_profiles(self, source_id: UUID, target_id: UUID) -> CustomerProfile:
        checked_uuid("source_id", source_id)
        checked_uuid("target_id", target_id)
        merged = await self._scope.write(lambda tables: merge(self._scope, tables, source_id, target_id))
        return copied(merged)

    async def get_merged_ids(self, profile_id: UUID) -> list[UUID]:
        checked_uuid("profile_id", profile_id)
        return [merged.id for merged in self._profiles.merged(self._scope.tables(), profile_id)]

    async def delete_profile(self, profile_id: UUID) -> bool:
        return await self._profiles.delete(checked_uuid("profile_id", profile_id))

    async def _write(self, profile_id: UUID, part: Part, work: Callable[[Tables, Part], Part]) -> Part:
        """``work`` on ``part``, if that names the profile that ``profile_id`` stands for, by whatever id."""
        checked_uuid("profile_id", profile_id)

        def on_its_own(tables: Tables) -> Part:
            root = self._profiles.held(tables, profile_id)
            named = self._profiles.resolved(tables, part.profile_id)
            if named is None or named.id != root.id:
                raise InvalidDataError("profile_id", "names another profile")
            return work(tables, part)

        return copied(await self._scope.write(on_its_own))

    def _owner(self, tables: Tables, channel: Channel, channel_user_id: str) -> CustomerProfile | None:
        link = self._channels.linked(tables, channel, channel_user_id)
        return None if link is None else self._profiles.find(tables, link.profile_id)

    def _found_or_made(
        self, tables: Tables, profile: CustomerProfile, identity: ChannelIdentity
    ) -> CustomerProfile:
        """The channel's profile, with the ``customer_id``; a new one where there is none."""
        known = self._owner(tables, identity.channel, identity.channel_user_id)
        customer = self._profiles.of_customer(tables, profile.customer_id)
        if known is None:
            holder = customer or self._profiles.insert(tables, profile)
            self._channels.insert(tables, identity.model_copy(update={"profile_id": holder.id}))
            return holder
        if profile.customer_id is None or (customer is not None and customer.id == known.id):
            return known  # its own customer_id, or that of one that was merged into it
        if customer is not None or known.customer_id is not None:
            raise ConflictError("CustomerProfile: the channel's profile is another customer's")
        return self._profiles.change(tables, known.model_copy(update={"customer_id": profile.customer_id}))
