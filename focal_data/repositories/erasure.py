"""What of a tenant is about one person, and all that is a tenant's: told by the tables themselves, a user's own among them.

A *part* is some rows of one table. The same condition counts, reads and removes it, so that these three agree. Whoever uses
the statements here acts as the owner of the tables; they name their tenant all the same, on every table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    Table,
    all_,
    and_,
    bindparam,
    delete,
    false,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from focal_data.database.statement import Statement
from focal_data.repositories.base import any_of
from focal_data.repositories.customers import root_of
from focal_data.tables.audit import AuditEventTable, TurnRecordTable
from focal_data.tables.columns import SignCode
from focal_data.tables.memory import EntityHistoryTable, EntityTable, EpisodeTable, RelationshipHistoryTable
from focal_data.tables.profile import ChannelIdentityTable, CustomerProfileTable

BATCH: Final = 1000
"""Rows removed in one transaction: some ten milliseconds, during which nobody else waits for them."""

PERSON: Final = "customer_profile_id"
SESSION: Final = "session_id"
ORIGINS: Final = (SESSION, "source_session_id", "uploaded_in_session_id")
"""The columns that tell in which session something came up."""


def _table(kind: Any) -> Table:
    table: Table = kind.__table__
    return table


PROFILES: Final = _table(CustomerProfileTable)
EPISODES: Final = _table(EpisodeTable)
ENTITIES: Final = _table(EntityTable)
ENTITY_HISTORY: Final = _table(EntityHistoryTable)
RELATIONSHIP_HISTORY: Final = _table(RelationshipHistoryTable)
TURNS: Final = _table(TurnRecordTable)
EVENTS: Final = _table(AuditEventTable)
CHANNELS: Final = _table(ChannelIdentityTable)

BLANK: Final[dict[Table, dict[str, Any]]] = {
    TURNS: {
        "user_message": "",
        "agent_response": null(),
        "scenario_state": null(),
        "context_extracted": null(),
        "tool_calls": [],
    },
    EVENTS: {"event_data": {}},
}
"""What an erased audit row holds where its personal text was. Ids, numbers, times and the chain stay, without the salt."""


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of ``table`` for which ``condition`` holds, among the tenant's.

    The condition is about the arrays ``profiles``, ``sessions``, ``entities`` and ``events``, which are bound when it is used.
    """

    table: Table
    condition: ColumnElement[bool]


def audit_parts(tables: Sequence[Table]) -> Iterator[Part]:
    """The audit rows that name the person, those of the person's sessions that name nobody, and the events of such turns."""
    for table in (table for table in tables if table in BLANK):
        unerased = table.c.erased_at.is_(None)
        for condition in (_named(table), _anonymous(table)):
            yield Part(table, and_(unerased, condition))
    yield Part(EVENTS, and_(EVENTS.c.erased_at.is_(None), EVENTS.c.id == any_of("events")))


def anonymous_parts(tables: Sequence[Table]) -> Iterator[Part]:
    """What names nobody, and came up in the person's sessions or is about the person's entities.

    To be removed before what tells which sessions and entities those are.
    """
    for table in reversed(tables):
        people = _person_columns(table)
        if table not in BLANK and people and SESSION in table.c and all(c.nullable for c in people):
            yield Part(table, _anonymous(table))
    entities = bindparam("entities", type_=ARRAY(PG_UUID()))
    about = EPISODES.c.entity_ids.overlap(entities)
    any_at_all = func.cardinality(entities) > 0  # no index helps: who has no entities is not looked for
    yield Part(EPISODES, and_(any_at_all, EPISODES.c[PERSON].is_(None), about, not_(_anonymous(EPISODES))))


def named_parts(tables: Sequence[Table]) -> Iterator[Part]:
    """What names the person or one of the person's entities, in an order in which nothing loses what it is found by."""
    for table in reversed(tables):
        if of_entities := [column == any_of("entities") for column, _ in _links(table, ENTITIES)]:
            yield Part(table, and_(or_(*of_entities), *_counted_elsewhere(table)))
    ends = (RELATIONSHIP_HISTORY.c.from_entity_id, RELATIONSHIP_HISTORY.c.to_entity_id)
    yield Part(RELATIONSHIP_HISTORY, or_(*(column == any_of("entities") for column in ends)))
    yield Part(ENTITY_HISTORY, and_(ENTITY_HISTORY.c.id == any_of("entities"), _of_others(ENTITY_HISTORY)))
    yield Part(ENTITY_HISTORY, _named(ENTITY_HISTORY))
    for table in reversed(tables):
        if table not in (*BLANK, ENTITY_HISTORY) and _person_columns(table):
            yield Part(table, _named(table))


def profiles() -> Part:
    """The profiles themselves: the last that goes."""
    return Part(PROFILES, PROFILES.c.id == any_of("profiles"))


def everything_of(table: Table) -> Part:
    """All of it that is the tenant's."""
    return Part(table, true())


def leaves_of(table: Table) -> list[Part]:
    """The rows that no other row of the same table refers to, where it has a foreign key to itself: they go first."""
    return [Part(table, ~_referrers(table, *link).exists()) for link in _links(table, table)]


# -- statements of a part; every one is about tenant_id, as its rows are -------------------------------------------


def count_of(part: Part) -> Statement:
    """How many rows it has."""
    return Statement(select(func.count()).select_from(part.table).where(_mine(part.table), part.condition))


def rows_of(part: Part) -> Statement:
    """Its rows, by their key: what a person can read, so neither vectors, nor what is generated, nor bytes."""
    columns = [column for column in part.table.c if _is_legible(column)]
    rows = select(*columns).where(_mine(part.table), part.condition)
    return Statement(rows.order_by(*part.table.primary_key))


def removal_of(part: Part) -> Statement:
    """Remove its next ``BATCH`` rows."""
    return Statement(delete(part.table).where(_mine(part.table), _next(part)))


def blanking_of(part: Part) -> Statement:
    """Take the personal text out of its next ``BATCH`` rows, and mark them as erased ``now``."""
    salt = {"salt": null()} if "salt" in part.table.c else {}
    blank = update(part.table).values(erased_at=bindparam("now"), **BLANK[part.table], **salt)
    return Statement(blank.where(_mine(part.table), _next(part)))


def _next(part: Part) -> ColumnElement[bool]:
    """Few, by their key. How many is a number that PostgreSQL sees when it plans, or it would reckon with a tenth of all."""
    key = [column for column in part.table.primary_key if column.name != "tenant_id"]
    if not key:  # one row of each tenant
        return part.condition
    chosen = select(*key).where(_mine(part.table), part.condition).limit(literal_column(str(BATCH)))
    return tuple_(*key).in_(chosen.correlate(None)) if len(key) > 1 else key[0].in_(chosen.correlate(None))


# -- who it is, and what leads there -------------------------------------------------------------------------------


@cache
def family() -> Statement:
    """The profile that an id stands for, and everything merged into it, with their consents."""
    c = PROFILES.c
    root = root_of(bindparam("id"))
    whole = select(c.id, c.consents).where(_mine(PROFILES), or_(c.id == root, c.merged_into_id == root))
    return Statement(whole.order_by(c.id))


@cache
def channels() -> Statement:
    """Who the person is on which channel."""
    c = CHANNELS.c
    return Statement(select(c.channel, c.channel_user_id).where(_mine(CHANNELS), _named(CHANNELS)))


def sessions(tables: Sequence[Table]) -> Iterator[Statement]:
    """The sessions that what names the person came up in, one ``session_id`` a row."""
    for table in tables:
        for name in ORIGINS:
            if name in table.c and _person_columns(table):
                origin = table.c[name].label(SESSION)
                found = select(origin).where(_mine(table), _named(table), origin.is_not(None)).distinct()
                yield Statement(found)


@cache
def entities() -> Statement:
    """The person's entities: those that are now, and those that were deleted as the person's."""
    now, past, other = ENTITIES.c, ENTITY_HISTORY.c, ENTITIES.alias("other")
    kept = select(other.c.id).where(_mine(other), other.c.id == past.id, _of_others(other))
    were = select(past.id).where(_mine(ENTITY_HISTORY), _named(ENTITY_HISTORY), ~kept.exists())
    return Statement(select(now.id).where(_mine(ENTITIES), _named(ENTITIES)).union(were))


@cache
def events() -> Statement:
    """The events of the person's turns that name neither a person nor a session. No index helps, so it is asked once."""
    c = EVENTS.c
    turns = select(TURNS.c.id).where(_mine(TURNS), or_(_named(TURNS), _anonymous(TURNS)))
    nameless = and_(c[PERSON].is_(None), c.session_id.is_(None), c.erased_at.is_(None))
    return Statement(
        select(c.id).where(_mine(EVENTS), nameless, c.turn_id.is_not(None), c.turn_id.in_(turns))
    )


def _mine(table: FromClause) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = table.c.tenant_id == bindparam("tenant_id")
    return condition


def _links(table: Table, parent: Table) -> Iterator[tuple[Column[Any], Column[Any]]]:
    """The columns of ``table`` that refer to ``parent``, each with the column that it refers to; without the tenant's."""
    for constraint in table.foreign_key_constraints:
        if constraint.referred_table is parent:
            for element in constraint.elements:
                if element.parent.name != "tenant_id":
                    yield element.parent, element.column


def _referrers(table: Table, column: Column[Any], key: Column[Any]) -> Select[Any]:
    child = table.alias("child")
    own_key = [c for c in table.primary_key if c.name != "tenant_id"]
    another = or_(*(child.c[c.name] != c for c in own_key))
    return select(child.c.tenant_id).where(_mine(child), child.c[column.name] == key, another)


@cache
def _person_columns(table: Table) -> tuple[Column[Any], ...]:
    """The columns that name a profile."""
    if table is PROFILES:
        return ()
    named = [table.c[PERSON]] if PERSON in table.c else []
    linked = [column for column, _ in _links(table, PROFILES)]
    return tuple(dict.fromkeys([*named, *linked]))


def _named(table: Table) -> ColumnElement[bool]:
    """That a row names one of the profiles; with what a partial index wants to hear, since no array implies it."""
    return or_(
        *(
            and_(column.is_not(None), column == any_of("profiles"))
            if column.nullable
            else column == any_of("profiles")
            for column in _person_columns(table)
        )
    )


def _anonymous(table: Table) -> ColumnElement[bool]:
    """That a row came up in one of the sessions and names nobody."""
    nobody = (column.is_(None) for column in _person_columns(table))
    return and_(*nobody, table.c.session_id.is_not(None), table.c.session_id == any_of("sessions"))


def _of_others(table: FromClause) -> ColumnElement[bool]:
    """That a row names nobody, or somebody else."""
    person = table.c[PERSON]
    return or_(person.is_(None), person != all_(bindparam("profiles", type_=ARRAY(PG_UUID()))))


def _counted_elsewhere(table: Table) -> list[ColumnElement[bool]]:
    """That a row is in no part for another reason."""
    reasons = [_named(table)] if _person_columns(table) else []
    reasons += [_anonymous(table)] if reasons and SESSION in table.c else []
    return [not_(func.coalesce(or_(*reasons), false()))] if reasons else []


def _is_legible(column: Column[Any]) -> bool:
    unreadable = (
        isinstance(column.type, HALFVEC | VECTOR | SignCode | LargeBinary) or column.computed is not None
    )
    return not unreadable and column.name != "tenant_id"
