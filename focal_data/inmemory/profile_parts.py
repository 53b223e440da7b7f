"""What belongs to a profile, in memory: its channels, fields and assets, by any id that the profile ever had."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from focal_data.domain.profile import Channel, ChannelIdentity, ProfileAsset, ProfileField
from focal_data.inmemory.customers import PROFILES, InMemoryCustomerProfileRepository
from focal_data.inmemory.database import Tables
from focal_data.inmemory.repository import InMemoryRepository, Parent, Unique

P = TypeVar("P", bound=ChannelIdentity | ProfileField | ProfileAsset)

TICK: Final = timedelta(microseconds=1)
"""What lies between two values of one name that would begin at once."""


def _part_of(kind: str) -> tuple[Parent]:
    return (Parent(f"fk_{kind}_profile_id", "profile_id", PROFILES, "CustomerProfile", cascade=True),)


class InMemoryProfilePartRepository(InMemoryRepository[P]):
    """What belongs to a profile. It is written to what ``profile_id`` stands for."""

    def insert(self, tables: Tables, entity: P) -> P:
        return super().insert(tables, self._placed(tables, entity))

    def change(self, tables: Tables, entity: Any, **stamps: Any) -> P:
        return super().change(tables, self._placed(tables, entity), **stamps)

    def of(self, tables: Tables, profile_id: UUID, condition: Callable[[P], bool] | None = None) -> list[P]:
        """The profile's parts that meet ``condition``, by id."""
        root = InMemoryCustomerProfileRepository(self._scope).resolved(tables, profile_id)
        if root is None:
            return []
        mine = self.those(tables, lambda part: part.profile_id == root.id)
        return mine if condition is None else [part for part in mine if condition(part)]

    def _placed(self, tables: Tables, part: P) -> P:
        root = InMemoryCustomerProfileRepository(self._scope).held(tables, part.profile_id)
        return self.stamped(part, profile_id=root.id)


_LINK = Unique("uq_channel_identities_channel", ("channel", "channel_user_id"))


class InMemoryChannelIdentityRepository(InMemoryProfilePartRepository[ChannelIdentity]):
    """Who a profile is on its channels."""

    kind = "channel_identities"
    domain = ChannelIdentity
    unique = (_LINK,)
    parents = _part_of(kind)

    def linked(self, tables: Tables, channel: Channel, channel_user_id: str) -> ChannelIdentity | None:
        """The link of this channel, or ``None``."""
        found: UUID | None = tables.rows(_LINK.name).get((channel, channel_user_id))
        return None if found is None else self.find(tables, found)


def is_current(field: ProfileField) -> bool:
    """Whether it is the current value of its name, expired or not."""
    return field.valid_to is None


class InMemoryProfileFieldRepository(InMemoryProfilePartRepository[ProfileField]):
    """What is known of a profile, now and before."""

    kind = "profile_fields"
    domain = ProfileField
    unique = (Unique("uq_profile_fields_profile_id_name", ("profile_id", "name"), is_current),)
    parents = _part_of(kind)

    def replace(self, tables: Tables, field: ProfileField) -> ProfileField:
        """End the current value of the name where ``field`` begins, and insert that."""
        for current in self.of(tables, field.profile_id, is_current):
            if current.name == field.name:
                begin = max(field.valid_from, current.valid_from + TICK)
                self.end(tables, current, begin)
                field = field.model_copy(update={"valid_from": begin})
        return self.insert(tables, field)

    def end(self, tables: Tables, current: ProfileField, at: datetime) -> None:
        """Make ``current`` history from ``at`` on."""
        stamps = {"valid_to": at, "updated_at": self._scope.now(), "revision": current.revision + 1}
        self.put(tables, self.stamped(current, **stamps))


class InMemoryProfileAssetRepository(InMemoryProfilePartRepository[ProfileAsset]):
    """Files of a profile, wherever they are kept."""

    kind = "profile_assets"
    domain = ProfileAsset
    parents = _part_of(kind)
