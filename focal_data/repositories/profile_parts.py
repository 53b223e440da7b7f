"""What belongs to a profile, in PostgreSQL: its channels, fields and assets, by any id that the profile ever had."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Text, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.profile import Channel, ChannelIdentity, CustomerProfile, ProfileAsset, ProfileField
from focal_data.errors import InvalidDataError, NotFoundError, RetryableError
from focal_data.repositories.base import E, TableT, TenantRepository, any_of
from focal_data.repositories.customers import ATTEMPTS, CustomerProfileRepository, root_of
from focal_data.stores.profile import checked_current
from focal_data.tables.profile import ChannelIdentityTable, ProfileAssetTable, ProfileFieldTable

_TICK: Final = timedelta(microseconds=1)


class ProfilePartRepository(TenantRepository[TableT, E]):
    """What belongs to a profile. It is written to what ``profile_id`` stands for, which no merge overtakes."""

    async def add(self, entity: E) -> E:
        """Insert it. Raises ``NotFoundError`` when there is no such profile, ``DuplicateError``."""
        stored = self._new(entity)
        for _ in range(ATTEMPTS):
            kept = await self._row(self._insert(), self._values(stored))
            if kept is not None:
                return stored.model_copy(update=dict(kept))
            if not await CustomerProfileRepository(self._scope).exists(_profile_of(stored)):
                raise NotFoundError(CustomerProfile.__name__)
        raise RetryableError("a profile is being merged again and again")

    async def add_if_free(self, entity: E) -> E | None:
        """Insert it, or do nothing: something unique in it is taken, or its profile is gone or was merged meanwhile."""
        stored = self._new(entity)
        kept = await self._row(self._insert_if_free(), self._values(stored))
        return None if kept is None else stored.model_copy(update=dict(kept))

    async def add_many(self, entities: Iterable[E]) -> list[E]:
        """Insert all of them or none, and return them as stored, in their order."""
        new = self._all_new(entities)
        ids = {_profile_of(part) for part in new}

        async def work(tx: Transaction) -> list[E]:
            found = await CustomerProfileRepository(tx).locked(ids)
            if len(found) < len(ids):
                raise NotFoundError(CustomerProfile.__name__)
            stored = [part.model_copy(update={"profile_id": found[_profile_of(part)].id}) for part in new]
            await tx.execute_many(self._insert(), map(self._values, stored))
            return stored

        return await self._scope.run(work) if new else []

    async def update(self, entity: E) -> E:
        """Update the stored one if it still has the entity's revision; it may move to another profile."""
        checked = self.mapper.checked(entity, self._scope.tenant_id)

        async def work(tx: Transaction) -> E:
            profile = await CustomerProfileRepository(tx).held(checked.profile_id)
            moved = checked.model_copy(update={"profile_id": profile.id})
            return await super(ProfilePartRepository, type(self)(tx)).update(moved)

        return await self._scope.run(work)

    @classmethod
    def of_profile(cls) -> ColumnElement[bool]:
        """That it belongs to the profile bound as ``profile_id``."""
        condition: ColumnElement[bool] = cls.c.profile_id == root_of(bindparam("profile_id"))
        return condition

    @classmethod
    def _inserted(cls) -> Insert:
        """INSERT … SELECT from the profile itself, locked, so that none slips in while it is being merged or deleted."""
        profile = CustomerProfileRepository
        given = {c.name: bindparam(c.name, type_=c.type) for c in cls.mapper.columns}
        values = select(*(given | {"profile_id": profile.c.id}).values()).select_from(profile.table)
        root = profile.c.id == root_of(bindparam("profile_id"))
        whole = values.where(*profile.scoped(), root, profile.c.merged_into_id.is_(None))
        locked = whole.with_for_update(read=True, key_share=True)
        new = insert(cls.table).from_select(list(given), locked)
        return new.returning(cls.c.profile_id)  # type: ignore[return-value]  # it is the same Insert


def _profile_of(part: Any) -> UUID:
    profile_id: UUID = part.profile_id
    return profile_id


class ChannelIdentityRepository(ProfilePartRepository[ChannelIdentityTable, ChannelIdentity]):
    """Who a profile is on its channels."""

    async def of(self, profile_id: UUID) -> list[ChannelIdentity]:
        """The profile's channels, by id."""
        return await self.all(self._of(), {"profile_id": profile_id})

    async def unlink(self, profile_id: UUID, channel: Channel, channel_user_id: str) -> bool:
        """Remove the link if it is this profile's; whether it was. Raises ``NotFoundError`` for no profile."""
        values = {"channel": channel, "channel_user_id": channel_user_id, "profile_id": profile_id}
        if await self._execute(self._unlink(), values) > 0:
            return True
        if not await CustomerProfileRepository(self._scope).exists(profile_id):
            raise NotFoundError(CustomerProfile.__name__)
        return False

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
        if isinstance(names, str):
            raise InvalidDataError("names", "must be a collection of names, and is one text")
        values = {"profile_id": profile_id, "now": self._scope.now()}
        named = {} if names is None else {"names": list(names)}
        return await self.all(self._current(names is not None), values | named)

    async def history(self, profile_id: UUID, name: str) -> list[ProfileField]:
        """All values that the name ever had, newest first."""
        return await self.all(self._history(), {"profile_id": profile_id, "name": name})

    async def replace(self, field: ProfileField) -> ProfileField:
        """End the current value of the name where ``field`` begins, and insert that."""
        new = checked_current(self._new(field))

        async def work(tx: Transaction) -> ProfileField:
            # A lock of its own: a statement that waited would not see the value that it waited for.
            profile = await CustomerProfileRepository(tx).held(new.profile_id)
            stored = new.model_copy(update={"profile_id": profile.id})
            kept = await ProfileFieldRepository(tx)._row(self._replace(), self._values(stored))
            return stored.model_copy(update=dict(kept or {}))

        return await self._scope.run(work)

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
    def _replace(cls) -> Statement:
        given = {c.name: bindparam(c.name, type_=c.type) for c in cls.mapper.columns}
        current = (
            cls.c.profile_id == given["profile_id"],
            cls.c.name == given["name"],
            cls.c.valid_to.is_(None),
        )
        changes = {
            "valid_to": func.greatest(given["valid_from"], cls.c.valid_from + _TICK),
            "updated_at": given["updated_at"],
            "revision": cls.c.revision + 1,
        }
        end = update(cls.table).values(changes).where(*cls.scoped(), *current)
        ended = end.returning(cls.c.valid_to).cte("ended")
        begin = func.coalesce(select(ended.c.valid_to).scalar_subquery(), given["valid_from"])
        new = insert(cls.table).values(given | {"valid_from": begin})
        return Statement(new.returning(cls.c.valid_from))


class ProfileAssetRepository(ProfilePartRepository[ProfileAssetTable, ProfileAsset]):
    """Files of a profile, wherever they are kept."""

    async def of(self, profile_id: UUID) -> list[ProfileAsset]:
        """The profile's assets that have not expired, by id."""
        return await self.all(self._of(), {"profile_id": profile_id, "now": self._scope.now()})

    @classmethod
    @cache
    def _of(cls) -> Statement:
        alive = or_(cls.c.expires_at.is_(None), cls.c.expires_at > bindparam("now"))
        return Statement(cls.rows(cls.of_profile(), alive).order_by(cls.c.id))
