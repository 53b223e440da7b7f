"""Who the customer is, in PostgreSQL: a repository per table.

A merged profile points to the one that it is part of now, always directly: a merge moves the older pointers along. So one
condition, ``root_of``, resolves any id that a profile ever had.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Text, bindparam, delete, func, or_, select, update

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.profile import Channel, ChannelIdentity, CustomerProfile, ProfileAsset, ProfileField
from focal_data.errors import NotFoundError, RetryableError
from focal_data.repositories.base import E, TableT, TenantRepository, any_of
from focal_data.tables.profile import (
    ChannelIdentityTable,
    CustomerProfileTable,
    ProfileAssetTable,
    ProfileFieldTable,
)

_TICK = timedelta(microseconds=1)
_ATTEMPTS = 5


class CustomerProfileRepository(TenantRepository[CustomerProfileTable, CustomerProfile]):
    """Profiles. Reads follow a merge."""

    kept = (*TenantRepository.kept, "merged_into_id")

    async def resolved(self, id: UUID) -> CustomerProfile | None:  # noqa: A002
        """The profile of this id, or the one that it was merged into, or ``None``."""
        return await self.one(self._resolved(), {"key_id": id})

    async def of_customer(self, customer_id: str) -> CustomerProfile | None:
        """The profile with this id in the other system, or the one that it was merged into, or ``None``."""
        return await self.one(self._of_customer(), {"customer_id": customer_id})

    async def of_channel(self, channel: Channel, channel_user_id: str) -> CustomerProfile | None:
        """The profile that this channel is linked to, or ``None``."""
        values = {"channel": channel, "channel_user_id": channel_user_id}
        return await self.one(self._of_channel(), values)

    async def locked(self, id: UUID) -> CustomerProfile:  # noqa: A002
        """As ``resolved``, locked until the transaction ends. Raises ``NotFoundError``."""
        for _ in range(_ATTEMPTS):
            found = await self.resolved(id)
            if found is None:
                raise NotFoundError(CustomerProfile.__name__)
            profile = await self.one(self._locked(), {"key_id": found.id})
            if profile is not None and profile.merged_into_id is None:
                return profile
        raise RetryableError("a profile is being merged again and again")

    async def merged_ids(self, id: UUID) -> list[UUID]:  # noqa: A002
        """The ids of all that became part of the profile, by id."""
        return [row["id"] for row in await self.raw(self._merged_ids(), {"key_id": id})]

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Delete the profile with everything merged into it. Raises ``InUseError``."""

        async def work(tx: Transaction) -> bool:
            here = CustomerProfileRepository(tx)
            root = await here.resolved(id)
            if root is None:
                return False
            await here._execute(self._delete_merged(), {"key_id": root.id})
            return await here.purge(root.id)

        return await self._scope.run(work)

    def _new(self, entity: CustomerProfile) -> CustomerProfile:
        return super()._new(entity.model_copy(update={"merged_into_id": None}))

    @classmethod
    @cache
    def _resolved(cls) -> Statement:
        return Statement(cls.rows(cls.c.id == root_of(bindparam("key_id"))))

    @classmethod
    @cache
    def _locked(cls) -> Statement:
        return Statement(cls.rows(cls.c.id == bindparam("key_id")).with_for_update())

    @classmethod
    @cache
    def _of_customer(cls) -> Statement:
        other = cls.table.alias("other")
        same = (other.c.tenant_id == bindparam("tenant_id"), other.c.customer_id == bindparam("customer_id"))
        root = select(func.coalesce(other.c.merged_into_id, other.c.id)).where(*same).scalar_subquery()
        return Statement(cls.rows(cls.c.id == root))

    @classmethod
    @cache
    def _of_channel(cls) -> Statement:
        link = ChannelIdentityRepository
        names = ("channel", "channel_user_id")
        owner = select(link.c.profile_id).where(*link.scoped(), *(link.c[n] == bindparam(n) for n in names))
        return Statement(cls.rows(cls.c.id == owner.scalar_subquery()))

    @classmethod
    @cache
    def _merged_ids(cls) -> Statement:
        merged = cls.c.merged_into_id == root_of(bindparam("key_id"))
        return Statement(select(cls.c.id).where(*cls.scoped(), merged).order_by(cls.c.id))

    @classmethod
    @cache
    def _delete_merged(cls) -> Statement:
        return Statement(delete(cls.table).where(*cls.scoped(), cls.c.merged_into_id == bindparam("key_id")))


def root_of(profile_id: Any) -> ScalarSelect[Any]:
    """The profile that an id stands for, as a subquery of the tenant's profiles."""
    own = CustomerProfileRepository.table.alias("own")
    condition = (own.c.tenant_id == bindparam("tenant_id"), own.c.id == profile_id)
    return select(func.coalesce(own.c.merged_into_id, own.c.id)).where(*condition).scalar_subquery()


class ProfilePartRepository(TenantRepository[TableT, E]):
    """What belongs to a profile, by any id that the profile ever had."""

    @classmethod
    def of_profile(cls) -> ColumnElement[bool]:
        """That it belongs to the profile bound as ``key_profile_id``."""
        condition: ColumnElement[bool] = cls.c.profile_id == root_of(bindparam("key_profile_id"))
        return condition

    @classmethod
    def _guard(cls) -> ColumnElement[bool]:
        condition: ColumnElement[bool] = cls.c.profile_id == bindparam("key_profile_id")
        return condition

    def _values(self, entity: E) -> dict[str, Any]:
        return super()._values(entity) | {"key_profile_id": entity.profile_id}  # type: ignore[attr-defined]


class ChannelIdentityRepository(ProfilePartRepository[ChannelIdentityTable, ChannelIdentity]):
    """Who a profile is on its channels."""

    async def of(self, profile_id: UUID) -> list[ChannelIdentity]:
        """The profile's channels, by id."""
        return await self.all(self._of(), {"key_profile_id": profile_id})

    async def unlink(self, profile_id: UUID, channel: Channel, channel_user_id: str) -> bool:
        """Remove the link if it is this profile's; whether it was."""
        values = {"channel": channel, "channel_user_id": channel_user_id, "key_profile_id": profile_id}
        return await self._execute(self._unlink(), values) > 0

    @classmethod
    @cache
    def _of(cls) -> Statement:
        return Statement(cls.rows(cls.of_profile()).order_by(cls.c.id))

    @classmethod
    @cache
    def _unlink(cls) -> Statement:
        link = (cls.c[name] == bindparam(name) for name in ("channel", "channel_user_id"))
        return Statement(delete(cls.table).where(*cls.scoped(), *link, cls.of_profile()))


class ProfileFieldRepository(ProfilePartRepository[ProfileFieldTable, ProfileField]):
    """What is known of a profile, now and before."""

    async def current(self, profile_id: UUID, names: Collection[str] | None) -> list[ProfileField]:
        """The current values that have not expired, by name."""
        values = {"key_profile_id": profile_id, "now": self._scope.now()}
        named = {} if names is None else {"names": list(names)}
        return await self.all(self._current(names is not None), values | named)

    async def history(self, profile_id: UUID, name: str) -> list[ProfileField]:
        """All values that the name ever had, newest first."""
        return await self.all(self._history(), {"key_profile_id": profile_id, "name": name})

    async def replace(self, field: ProfileField) -> ProfileField:
        """End the current value of the name where ``field`` begins, and insert that. The profile must be locked."""
        values = {"key_profile_id": field.profile_id, "name": field.name}
        current = await self.one(self._current_of_name(), values)
        if current is None:
            return await self.add(field)
        begin = max(field.valid_from, current.valid_from + _TICK)
        await self._execute(self._end(), {"id": current.id, "valid_to": begin, "now": self._scope.now()})
        return await self.add(field.model_copy(update={"valid_from": begin}))

    @classmethod
    @cache
    def _current(cls, named: bool) -> Statement:
        alive = or_(cls.c.expires_at.is_(None), cls.c.expires_at > bindparam("now"))
        conditions = [cls.of_profile(), cls.c.valid_to.is_(None), alive]
        conditions += [cls.c.name == any_of("names", Text())] if named else []
        return Statement(cls.rows(*conditions).order_by(cls.c.name))

    @classmethod
    @cache
    def _history(cls) -> Statement:
        rows = cls.rows(cls.of_profile(), cls.c.name == bindparam("name"))
        return Statement(rows.order_by(cls.c.valid_from.desc(), cls.c.id.desc()))

    @classmethod
    @cache
    def _current_of_name(cls) -> Statement:
        return Statement(cls.rows(cls._guard(), cls.c.name == bindparam("name"), cls.c.valid_to.is_(None)))

    @classmethod
    @cache
    def _end(cls) -> Statement:
        times: dict[str, Any] = {"valid_to": bindparam("valid_to"), "updated_at": bindparam("now")}
        changes = times | {"revision": cls.c.revision + 1}
        return Statement(update(cls.table).values(changes).where(*cls._key()))


class ProfileAssetRepository(ProfilePartRepository[ProfileAssetTable, ProfileAsset]):
    """Files of a profile, wherever they are kept."""

    async def of(self, profile_id: UUID) -> list[ProfileAsset]:
        """The profile's assets that have not expired, by id."""
        return await self.all(self._of(), {"key_profile_id": profile_id, "now": self._scope.now()})

    @classmethod
    @cache
    def _of(cls) -> Statement:
        alive = or_(cls.c.expires_at.is_(None), cls.c.expires_at > bindparam("now"))
        return Statement(cls.rows(cls.of_profile(), alive).order_by(cls.c.id))
