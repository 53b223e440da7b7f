"""Two profiles made one: everything that names the source is moved to the target, in the caller's transaction."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Insert,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    text,
    update,
)
from sqlmodel import SQLModel

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import ConflictError
from focal_data.repositories.profile_parts import CustomerProfileRepository
from focal_data.tables.memory import EntityHistoryTable, EntityTable, EpisodeTable
from focal_data.tables.profile import (
    ChannelIdentityTable,
    CustomerProfileTable,
    ProfileAssetTable,
    ProfileFieldTable,
)


async def merge(tx: Transaction, source_id: UUID, target_id: UUID) -> CustomerProfile:
    """The target, with everything that was the source's. Raises ``NotFoundError``, and ``ConflictError`` for one profile."""
    profiles = CustomerProfileRepository(tx)
    source, target = await _both_locked(profiles, source_id, target_id)
    values = {"tenant_id": tx.tenant_id, "source": source.id, "target": target.id, "now": tx.now()}
    moves_id = target.customer_id is None and source.customer_id is not None
    for statement in _moves(moves_id):
        await tx.execute(statement, values | ({"customer_id": source.customer_id} if moves_id else {}))
    merged = await profiles.resolved(target.id)
    assert merged is not None
    return merged


async def _both_locked(
    profiles: CustomerProfileRepository, source_id: UUID, target_id: UUID
) -> tuple[CustomerProfile, CustomerProfile]:
    """Both, locked in one order whoever is the source, so that two merges of the same two don't deadlock."""
    locked = {profile_id: await profiles.locked(profile_id) for profile_id in sorted((source_id, target_id))}
    source, target = locked[source_id], locked[target_id]
    if source.id == target.id:
        raise ConflictError("CustomerProfile: the two are one profile already")
    return source, target


@cache
def _moves(moves_id: bool) -> tuple[Statement, ...]:
    clauses = [
        _ended_fields(),
        _moved(ProfileFieldTable, "profile_id"),
        _moved_channels(),
        _moved(ProfileAssetTable, "profile_id"),
        _moved(EpisodeTable, "customer_profile_id"),
        _moved(EntityTable, "customer_profile_id"),
        _moved_history(),
        _pointed(moves_id),
        _gained(moves_id),
    ]
    return tuple(Statement(clause) for clause in clauses)


def _moved(table: type[SQLModel], column: str) -> Update:
    c = _columns(table)
    return (
        update(table).values({column: bindparam("target")}).where(_mine(c), c[column] == bindparam("source"))
    )


def _moved_channels() -> Update:
    """The target's primary channel stays the only one."""
    c = _columns(ChannelIdentityTable)
    other = ChannelIdentityTable.__table__.alias("other")  # type: ignore[attr-defined]
    taken = select(other.c.id).where(
        _mine(other.c), other.c.profile_id == bindparam("target"), other.c.primary
    )
    changes = {"profile_id": bindparam("target"), "primary": and_(c.primary, ~taken.exists())}
    return update(ChannelIdentityTable).values(changes).where(_mine(c), c.profile_id == bindparam("source"))


def _ended_fields() -> Update:
    """Of two current values of a name the target's stays: the source's ends now, or right after it began."""
    c = _columns(ProfileFieldTable)
    other = ProfileFieldTable.__table__.alias("other")  # type: ignore[attr-defined]
    current = (_mine(other.c), other.c.profile_id == bindparam("target"), other.c.valid_to.is_(None))
    names = select(other.c.name).where(*current)
    changes = {
        "valid_to": func.greatest(bindparam("now"), c.valid_from + text("interval '1 microsecond'")),
        "updated_at": bindparam("now"),
        "revision": c.revision + 1,
    }
    mine = (_mine(c), c.profile_id == bindparam("source"), c.valid_to.is_(None), c.name.in_(names))
    return update(ProfileFieldTable).values(changes).where(*mine)


def _moved_history() -> Insert:
    """The application may add and remove versions and never change one: they leave, and come back renamed."""
    c = _columns(EntityHistoryTable)
    mine = (_mine(c), c.customer_profile_id == bindparam("source"))
    left = delete(EntityHistoryTable).where(*mine).returning(*c).cte("left_behind")
    renamed = [bindparam("target") if column.name == "customer_profile_id" else column for column in left.c]
    return insert(EntityHistoryTable).from_select([column.name for column in left.c], select(*renamed))


def _pointed(moves_id: bool) -> Update:
    """The source, and what had been merged into it, point to the target; its ``customer_id`` is free when that moves."""
    c = _columns(CustomerProfileTable)
    changes: dict[str, Any] = {
        "merged_into_id": bindparam("target"),
        "revision": c.revision + 1,
        "updated_at": bindparam("now"),
    }
    if moves_id:
        changes["customer_id"] = case((c.id == bindparam("source"), null()), else_=c.customer_id)
    those = or_(c.id == bindparam("source"), c.merged_into_id == bindparam("source"))
    return update(CustomerProfileTable).values(changes).where(_mine(c), those)


def _gained(moves_id: bool) -> Update:
    c = _columns(CustomerProfileTable)
    changes = {"revision": c.revision + 1, "updated_at": bindparam("now")}
    if moves_id:
        changes["customer_id"] = bindparam("customer_id")
    return update(CustomerProfileTable).values(changes).where(_mine(c), c.id == bindparam("target"))


def _columns(table: type[SQLModel]) -> Any:
    return table.__table__.c  # type: ignore[attr-defined]


def _mine(c: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = c.tenant_id == bindparam("tenant_id")
    return condition
