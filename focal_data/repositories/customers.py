"""Customers' profiles in PostgreSQL.

A merged profile points to the one that it is part of now, always directly: a merge moves the older pointers along. So one
condition, ``root_of``, resolves any id that a profile ever had, and another, ``of_person``, holds for what names any of them.
What belongs to a profile is written while the profile is locked and not merged, so that nothing is left behind under an old id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import array

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.profile import Channel, CustomerProfile
from focal_data.errors import NotFoundError, RetryableError
from focal_data.repositories.base import TenantRepository, any_of
from focal_data.tables.columns import uuids
from focal_data.tables.profile import ChannelIdentityTable, CustomerProfileTable

ATTEMPTS: Final = 5
"""How often is looked again after somebody else's change; each time, somebody else got on."""


class CustomerProfileRepository(TenantRepository[CustomerProfileTable, CustomerProfile]):
    """Profiles. Reads follow a merge, and a merged one is not written any more."""

    kept = (*TenantRepository.kept, "merged_into_id")

    async def resolved(self, id: UUID) -> CustomerProfile | None:  # noqa: A002
        """The profile of this id, or the one that it was merged into, or ``None``."""
        return await self.one(self._resolved(), {"id": id})

    async def of_customer(self, customer_id: str) -> CustomerProfile | None:
        """The profile with this id in the other system, or the one that it was merged into, or ``None``."""
        return await self.one(self._of_customer(), {"customer_id": customer_id})

    async def of_channel(self, channel: Channel, channel_user_id: str) -> CustomerProfile | None:
        """The profile that this channel is linked to, or ``None``."""
        values = {"channel": channel, "channel_user_id": channel_user_id}
        return await self.one(self._of_channel(), values)

    async def roots(self, ids: Iterable[UUID]) -> dict[UUID, UUID]:
        """The id of the profile that each of ``ids`` stands for; of those that are stored."""
        rows = await self.raw(self._roots(), {"ids": list(ids)})
        return {row["id"]: row["root"] for row in rows}

    async def locked(self, ids: Collection[UUID], *, alone: bool = False) -> dict[UUID, CustomerProfile]:
        """What each of ``ids`` stands for, of those that are stored, locked until the transaction ends.

        ``alone``: nobody can begin to refer to them meanwhile, and nobody else of the tenant locks so. Raises
        ``RetryableError`` when one was merged while this waited: it is still locked then, and who merges it further would
        wait for us, who would wait for its target. Whoever begins again waits with nothing in hand.
        """
        if alone:
            await self.raw(self._turn(), {})
        named = set(ids)
        if len(named) == 1:
            profile = await self.one(self._locked_one(alone), {"id": (only := named.pop())})
            found = {} if profile is None else {only: profile}
        else:
            rows = [dict(row) for row in await self.raw(self._locked(alone), {"ids": list(named)})]
            found = {row.pop("named_id"): self.mapper.from_row(row) for row in rows}
        if any(profile.merged_into_id is not None for profile in found.values()):
            raise RetryableError("a profile was merged meanwhile; nothing was written")
        return found

    async def held(self, id: UUID) -> CustomerProfile:  # noqa: A002
        """As ``locked``, of one. Raises ``NotFoundError``."""
        found = await self.locked([id])
        if id not in found:
            raise NotFoundError(CustomerProfile.__name__)
        return found[id]

    async def merged_ids(self, id: UUID) -> list[UUID]:  # noqa: A002
        """The ids of all that became part of the profile, by id."""
        return [row["id"] for row in await self.raw(self._merged_ids(), {"id": id})]

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Delete the profile with everything merged into it. Raises ``InUseError``."""

        async def work(tx: Transaction) -> bool:
            here = CustomerProfileRepository(tx)
            found = await here.locked([id], alone=True)
            return bool(found) and await here._execute(self._delete_whole(), {"id": found[id].id}) > 0

        return await self._scope.run(work)

    def _new(self, entity: CustomerProfile) -> CustomerProfile:
        return super()._new(entity).model_copy(update={"merged_into_id": None})

    @classmethod
    def _guard(cls) -> ColumnElement[bool]:
        condition: ColumnElement[bool] = cls.c.merged_into_id.is_(None)
        return condition

    @classmethod
    @cache
    def _revision(cls) -> Statement:
        """Of what a read gives: who holds a profile from before its merge has to read again."""
        return Statement(select(cls.c.revision).where(*cls.scoped(), cls.c.id == root_of(bindparam("id"))))

    @classmethod
    @cache
    def _resolved(cls) -> Statement:
        return Statement(cls.rows(cls.c.id == root_of(bindparam("id"))))

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
        link = ChannelIdentityTable.__table__.c  # type: ignore[attr-defined]
        names = ("tenant_id", "channel", "channel_user_id")
        owner = select(link.profile_id).where(*(link[name] == bindparam(name) for name in names))
        return Statement(cls.rows(cls.c.id == owner.scalar_subquery()))

    @classmethod
    @cache
    def _roots(cls) -> Statement:
        root = func.coalesce(cls.c.merged_into_id, cls.c.id).label("root")
        return Statement(select(cls.c.id, root).where(*cls.scoped(), cls.c.id == any_of("ids")))

    @classmethod
    @cache
    def _locked(cls, alone: bool) -> Statement:
        named = cls.table.alias("named")
        own = (named.c.tenant_id == bindparam("tenant_id"), named.c.id == any_of("ids"))
        root = cls.c.id == func.coalesce(named.c.merged_into_id, named.c.id)
        rows = cls.rows(root, *own).add_columns(named.c.id.label("named_id")).order_by(cls.c.id)
        return Statement(rows.with_for_update(of=cls.table, key_share=not alone))

    @classmethod
    @cache
    def _locked_one(cls, alone: bool) -> Statement:
        """By equality alone: a plan that was made while the table was small reads all of a tenant's for ``= ANY``."""
        rows = cls.rows(cls.c.id == root_of(bindparam("id")))
        return Statement(rows.with_for_update(of=cls.table, key_share=not alone))

    @classmethod
    @cache
    def _turn(cls) -> Statement:
        tenant = cast(bindparam("tenant_id", type_=Uuid()), Text())
        return Statement(select(func.pg_advisory_xact_lock(func.hashtextextended(tenant, 0))))

    @classmethod
    @cache
    def _merged_ids(cls) -> Statement:
        merged = cls.c.merged_into_id == root_of(bindparam("id"))
        return Statement(select(cls.c.id).where(*cls.scoped(), merged).order_by(cls.c.id))

    @classmethod
    @cache
    def _delete_whole(cls) -> Statement:
        whole = or_(cls.c.id == bindparam("id"), cls.c.merged_into_id == bindparam("id"))
        return Statement(delete(cls.table).where(*cls.scoped(), whole))


def of_person(column: Any) -> ColumnElement[bool]:
    """That ``column`` names the profile bound by its name, by any id: what comes under an old one after a merge keeps it.

    The id that is given is compared by itself, so that the planner knows how many rows it has, and what is left of a profile
    that was deleted is found, too. The others are read once: both ids of every merge that leads to the same profile.
    """
    profile_id = bindparam(column.name, type_=column.type)
    merged = CustomerProfileRepository.table.alias("merged")
    both = array([merged.c.id, merged.c.merged_into_id])
    others = select(func.unnest(func.array_remove(both, profile_id))).where(
        merged.c.tenant_id == bindparam("tenant_id"), merged.c.merged_into_id == root_of(profile_id)
    )
    return or_(column == profile_id, column == any_(func.array(others.scalar_subquery(), type_=uuids())))


def root_of(profile_id: Any) -> ScalarSelect[Any]:
    """The profile that an id stands for, as a subquery of the tenant's profiles."""
    own = CustomerProfileRepository.table.alias("own")
    condition = (own.c.tenant_id == bindparam("tenant_id"), own.c.id == profile_id)
    return select(func.coalesce(own.c.merged_into_id, own.c.id)).where(*condition).scalar_subquery()
