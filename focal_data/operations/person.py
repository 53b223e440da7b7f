"""One person as the stores know them: every profile they were, where they came from, and the sessions they were in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session
from focal_data.operations.ground import Ground
from focal_data.redis import keys
from focal_data.repositories import erasure as sql
from focal_data.repositories.erasure import Part


@dataclass(frozen=True)
class Person:
    """Who somebody is, at one moment."""

    stored: bool
    """Whether there is a profile; without one, other things may still name its id."""
    profiles: frozenset[UUID]
    channels: frozenset[tuple[Channel, str]]
    sessions: frozenset[UUID]
    """Every session that something of the person came up in, live or not."""
    live: tuple[Session, ...]
    entities: frozenset[UUID]
    events: frozenset[UUID]
    """Of the person's turns, those that say themselves neither whose they are nor where they came up."""

    @cached_property
    def values(self) -> dict[str, Any]:
        """What the conditions of the person's parts are about."""
        return {
            name: sorted(getattr(self, name), key=lambda id_: id_.int)
            for name in ("profiles", "sessions", "entities", "events")
        }

    def parts(self, tables: Collection[Table]) -> Iterator[Part]:
        """Everything in PostgreSQL but the profiles themselves."""
        ordered = tuple(tables)
        yield from sql.audit_parts(ordered)
        yield from sql.anonymous_parts(ordered)
        yield from sql.named_parts(ordered)

    def terms(self) -> list[bytes]:
        """What leads to the person's live sessions."""
        return [
            *(keys.customer_term(profile) for profile in self.profiles),
            *(keys.channel_term(channel, user) for channel, user in self.channels),
        ]


@dataclass(frozen=True)
class _Stored:
    """What PostgreSQL knows."""

    profiles: frozenset[UUID]
    channels: frozenset[tuple[Channel, str]]
    sessions: frozenset[UUID]
    entities: frozenset[UUID]


async def find(ground: Ground, profile_id: UUID, earlier: Person | None = None) -> Person:
    """The person that ``profile_id`` is, or was merged into; and what was found ``earlier`` and may lead nowhere by now."""
    stored = await ground.scope.run(lambda tx: _stored(ground, tx, profile_id), custom_plan=True)
    profiles = stored.profiles | {profile_id} | (earlier.profiles if earlier else frozenset())
    channels = stored.channels | (earlier.channels if earlier else frozenset())
    sessions = stored.sessions | (earlier.sessions if earlier else frozenset())

    def theirs(session: Session) -> bool:
        if session.customer_profile_id is not None:
            return session.customer_profile_id in profiles
        return session.session_id in sessions or (session.channel, session.channel_user_id) in channels

    live = await ground.live.find(theirs)
    sessions |= {session.session_id for session in live}
    came_up = ground.bound({"profiles": list(profiles), "sessions": list(sessions)})
    events = await ground.scope.run(lambda tx: tx.fetch(sql.events(), came_up), custom_plan=True)
    return Person(
        stored=bool(stored.profiles) or (earlier is not None and earlier.stored),
        profiles=profiles,
        channels=channels,
        sessions=sessions,
        live=tuple(live),
        entities=stored.entities,
        events=_ids(row["id"] for row in events),
    )


async def _stored(ground: Ground, tx: Transaction, profile_id: UUID) -> _Stored:
    async def asked(statement: Statement, **values: object) -> list[Any]:
        return await tx.fetch(statement, ground.bound(values))

    family = await asked(sql.family(), id=profile_id)
    profiles = [row["id"] for row in family] or [profile_id]
    consented = (consent.get("source_session_id") for row in family for consent in row["consents"])
    sessions = [UUID(session) for session in consented if session]
    for statement in sql.sessions(ground.tables):
        sessions += [row["session_id"] for row in await asked(statement, profiles=profiles)]
    channels = await asked(sql.channels(), profiles=profiles)
    entities = await asked(sql.entities(), profiles=profiles)
    return _Stored(
        _ids(row["id"] for row in family),
        frozenset((Channel(row["channel"]), row["channel_user_id"]) for row in channels),
        _ids(sessions),
        _ids(row["id"] for row in entities),
    )


def _ids(found: Iterable[UUID]) -> frozenset[UUID]:
    """Plain ones: the driver makes its own kind."""
    return frozenset(UUID(int=id_.int) for id_ in found)
