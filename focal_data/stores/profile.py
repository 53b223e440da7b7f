"""What the store of customers' profiles promises; ``stores/base.py`` says what holds for every call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from focal_data.domain.checking import checked_member, checked_text
from focal_data.domain.profile import Channel, ChannelIdentity, CustomerProfile, ProfileAsset, ProfileField
from focal_data.errors import InvalidDataError

_LAST_DAY: Final = datetime(9999, 12, 31, tzinfo=UTC)


class ProfileStore(ABC):
    """Profiles with their channels, fields and assets.

    The id of a profile that was merged into another stands for that other in every call. A call that takes
    ``profile_id`` and writes is ``NotFoundError`` when there is no such profile. What it is given must name the same
    profile: ``InvalidDataError("profile_id")`` otherwise. A channel may be given by its text.
    """

    @abstractmethod
    async def get_by_id(self, profile_id: UUID) -> CustomerProfile | None:
        """The profile, or the one it was merged into, or ``None``."""

    @abstractmethod
    async def get_by_customer_id(self, customer_id: str) -> CustomerProfile | None:
        """The profile with that id in the other system, or ``None``."""

    @abstractmethod
    async def get_by_channel_identity(self, channel: Channel, channel_user_id: str) -> CustomerProfile | None:
        """The profile that this channel is linked to, or ``None``."""

    @abstractmethod
    async def get_or_create(
        self, channel: Channel, channel_user_id: str, customer_id: str | None = None
    ) -> CustomerProfile:
        """The profile that this channel is linked to; a new one, linked to it, where there is none.

        However many call at once, they get one profile. ``customer_id`` is attached where the profile has none. Where
        the channel is new and a profile has the ``customer_id`` already, the channel is linked to that profile.
        ``ConflictError`` when the channel's profile has a different ``customer_id``, or another profile has this one;
        those of profiles that were merged into it count as its own. Who conflicts leaves nothing behind.
        """

    @abstractmethod
    async def save(self, profile: CustomerProfile) -> CustomerProfile:
        """Insert or update it. ``DuplicateError`` when another profile has its ``customer_id``.

        ``merged_into_id`` is for ``merge_profiles`` alone: what the caller puts there is ignored. One that was merged
        meanwhile is ``StaleRevisionError``, with the revision of what its id stands for now.
        """

    @abstractmethod
    async def update_field(self, profile_id: UUID, field: ProfileField) -> ProfileField:
        """Make it the current value of its name; the one that was current ends where it begins, and is history.

        ``field`` has revision 0, an id of its own and no ``valid_to``. It begins at ``valid_from``, or right after
        (1 µs) the start of the one that was current, if that is later; it can't begin on the last day that there is.
        """

    @abstractmethod
    async def get_fields(
        self, profile_id: UUID, names: Collection[str] | None = None
    ) -> dict[str, ProfileField]:
        """The current values that have not expired, by name: all, or those of ``names``."""

    @abstractmethod
    async def get_field_history(self, profile_id: UUID, name: str) -> list[ProfileField]:
        """All values that the name ever had, the current and the expired included, newest first by ``valid_from``."""

    @abstractmethod
    async def link_channel(self, profile_id: UUID, identity: ChannelIdentity) -> ChannelIdentity:
        """Insert or update it, by its revision. ``DuplicateError`` when the channel is linked already."""

    @abstractmethod
    async def unlink_channel(self, profile_id: UUID, channel: Channel, channel_user_id: str) -> bool:
        """Remove the link, if it is this profile's."""

    @abstractmethod
    async def list_channels(self, profile_id: UUID) -> list[ChannelIdentity]:
        """The profile's channels, by id."""

    @abstractmethod
    async def add_asset(self, profile_id: UUID, asset: ProfileAsset) -> ProfileAsset:
        """Store it. ``DuplicateError`` when its id is stored already."""

    @abstractmethod
    async def list_assets(self, profile_id: UUID) -> list[ProfileAsset]:
        """The profile's assets that have not expired, by id."""

    @abstractmethod
    async def delete_asset(self, asset_id: UUID) -> bool:
        """Delete what is known about it. The file itself is its keeper's."""

    @abstractmethod
    async def merge_profiles(self, source_id: UUID, target_id: UUID) -> CustomerProfile:
        """Make two profiles one, and return the target. All or nothing.

        Channels, fields, assets, episodes and entities move with their history; of two current values of a name the
        target's stays current. A ``customer_id`` moves to a target that has none, and otherwise stays where it is and
        still leads to the target. The source's id now stands for the target: audit rows and live sessions keep it.
        What has a revision gets its next one. The target's consents, verification level and last interaction stay its
        own: they were given and proved under one name, and whoever merges may carry them over, by reading the source
        before and saving the target after.
        Episodes and entities that come under the old id later keep it until the next merge; whoever filters by any of the
        ids finds what names any of them.
        ``NotFoundError`` when one is not stored; ``ConflictError`` when both are the same, or were merged already.
        """

    @abstractmethod
    async def get_merged_ids(self, profile_id: UUID) -> list[UUID]:
        """The ids of all profiles that became part of this one, over any number of merges, by id; not its own."""

    @abstractmethod
    async def delete_profile(self, profile_id: UUID) -> bool:
        """Delete for good the profile, all that was merged into it, and the channels, fields and assets of all.

        ``InUseError`` while episodes or entities name it. To erase a person everywhere is the operator's.
        """


def checked_current(field: ProfileField) -> ProfileField:
    """``field``, if it can become the current value of its name; otherwise ``InvalidDataError`` names what is wrong."""
    if field.valid_to is not None:
        raise InvalidDataError("valid_to", "must be left out: the value is the current one")
    if field.valid_from >= _LAST_DAY:  # there must be room for all that begin right after it
        raise InvalidDataError("valid_from", "must be before the last day that there is")
    return field


def new_profile(customer_id: str | None) -> CustomerProfile:
    """What ``get_or_create`` makes of a ``customer_id``: to be checked by the model, which knows how long it may be."""
    if customer_id is not None:
        checked_text("customer_id", customer_id)
    return CustomerProfile().model_copy(update={"customer_id": customer_id})


def new_identity(profile_id: UUID, channel: Channel, channel_user_id: str) -> ChannelIdentity:
    """The primary link that ``get_or_create`` makes, to be checked by the model as well."""
    word = checked_member("channel", channel, Channel)
    checked_text("channel_user_id", channel_user_id)
    new = ChannelIdentity(profile_id=profile_id, channel=word, channel_user_id="unchecked", primary=True)
    return new.model_copy(update={"channel_user_id": channel_user_id})


def checked_names(names: Collection[str] | None) -> list[str] | None:
    """``names`` if each is text, or ``None``. ``InvalidDataError("names")``, also for one text, which is a collection too."""
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Collection):
        raise InvalidDataError("names", "must be a collection of names")
    return [checked_text("names", name) for name in names]
