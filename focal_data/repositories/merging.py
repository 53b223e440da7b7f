"""Two profiles made one: everything that names the source is moved to the target, in the caller's transaction.

What has a revision gets the next one, so that who read it before the merge can't write the old profile back.
"""

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
from focal_data.errors import ConflictError, NotFoundError
from focal_data.repositories.base import any_of
from focal_data.repositories.customers import CustomerProfileRepository
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
    locked = await profiles.locked({source_id, target_id}, alone=True)
    if not locked.keys() >= {source_id, target_id}:
        raise NotFoundError(CustomerProfile.__name__)
    source, target = locked[source_id], locked[target_id]
    if source.id == target.id:
        raise ConflictError("CustomerProfile: the two are one profile already")
    values = {"tenant_id": tx.tenant_id, "source": source.id, "target": target.id, "now": tx.now()}
    takes_id = target.customer_id is None and source.customer_id is not None
    pointed = await tx.fetch(_pointed(takes_id), values)
    values["sources"] = [row["id"] for row in pointed]
    for statement in _moves():
        await tx.execute(statement, values)
    customer_id = source.customer_id if takes_id else target.customer_id
    gained = await profiles.one(_gained(), values | {"customer_id": customer_id})
    return gained or target


@cache
def _pointed(takes_id: bool) -> Statement:
    """The source, and what had been merged into it, point to the target; its ``customer_id`` is free when that is taken."""
    c = _columns(CustomerProfileTable)
    changes = _changed(c) | {"merged_into_id": bindparam("target")}
    if takes_id:
        changes["customer_id"] = case((c.id == bindparam("source"), null()), else_=c.customer_id)
    those = or_(c.id == bindparam("source"), c.merged_into_id == bindparam("source"))
    return Statement(update(CustomerProfileTable).values(changes).where(_mine(c), those).returning(c.id))


@cache
def _gained() -> Statement:
    c = _columns(CustomerProfileTable)
    changes = _changed(c) | {"customer_id": bindparam("customer_id")}
    gain = update(CustomerProfileTable).values(changes).where(_mine(c), c.id == bindparam("target"))
    return Statement(gain.returning(*CustomerProfileRepository.mapper.columns))


@cache
def _moves() -> tuple[Statement, ...]:
    """Everything that names one of the ``sources``: episodes may have come under an id that was merged long ago."""
    clauses = [
        _moved_channels(),
        _moved_fields(),
        _moved(ProfileAssetTable, "profile_id"),
        _moved(EpisodeTable, "customer_profile_id"),
        _moved(EntityTable, "customer_profile_id"),
        _moved_history(),
    ]
    return tuple(Statement(clause) for clause in clauses)


def _moved(table: type[SQLModel], column: str, **changes: ColumnElement[Any]) -> Update:
    c = _columns(table)
    moved = _changed(c) | changes | {column: bindparam("target")}
    return update(table).values(moved).where(_mine(c), *_of_sources(c[column]))


def _moved_channels() -> Update:
    """The target's primary channel stays the only one."""
    other = ChannelIdentityTable.__table__.alias("other")  # type: ignore[attr-defined]
    taken = select(other.c.id).where(
        _mine(other.c), other.c.profile_id == bindparam("target"), other.c.primary
    )
    primary = and_(_columns(ChannelIdentityTable).primary, ~taken.exists())
    return _moved(ChannelIdentityTable, "profile_id", primary=primary)


def _moved_fields() -> Update:
    """Of two current values of a name the target's stays: the source's ends now, or right after it began."""
    c = _columns(ProfileFieldTable)
    other = ProfileFieldTable.__table__.alias("other")  # type: ignore[attr-defined]
    current = (_mine(other.c), other.c.profile_id == bindparam("target"), other.c.valid_to.is_(None))
    names = select(other.c.name).where(*current)
    end = func.greatest(bindparam("now"), c.valid_from + text("interval '1 microsecond'"))
    ends = and_(c.valid_to.is_(None), c.name.in_(names))
    return _moved(ProfileFieldTable, "profile_id", valid_to=case((ends, end), else_=c.valid_to))


def _moved_history() -> Insert:
    """The application may add and remove versions and never change one: they leave, and come back renamed."""
    c = _columns(EntityHistoryTable)
    those = (_mine(c), *_of_sources(c.customer_profile_id))
    left = delete(EntityHistoryTable).where(*those).returning(*c).cte("left_behind")
    target = bindparam("target", type_=c.customer_profile_id.type)
    renamed = [target if column.name == "customer_profile_id" else column for column in left.c]
    return insert(EntityHistoryTable).from_select([column.name for column in left.c], select(*renamed))


def _changed(c: Any) -> dict[str, Any]:
    changes = {"revision": c.revision + 1} if "revision" in c else {}
    return changes | ({"updated_at": bindparam("now")} if "updated_at" in c else {})


def _of_sources(column: Any) -> tuple[ColumnElement[bool], ...]:
    """That it names one of them, and the condition of a partial index, which the planner can't derive from an array."""
    named = column == any_of("sources")
    return (named, column.is_not(None)) if column.nullable else (named,)


def _columns(table: type[SQLModel]) -> Any:
    return table.__table__.c  # type: ignore[attr-defined]


def _mine(c: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = c.tenant_id == bindparam("tenant_id")
    return condition
