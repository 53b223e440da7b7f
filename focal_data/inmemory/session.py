"""Live sessions in memory. They stand outside of transactions, as those on Redis do.

There is one copy of each. That it is hot is a time until which it is: as long as a hot copy would have lived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from uuid import UUID

from focal_data.domain import cursors
from focal_data.domain.answers import Page
from focal_data.domain.checking import checked, checked_member, checked_text, checked_uuid, copied
from focal_data.domain.clock import Clock, utc_now
from focal_data.domain.config import ScopeFilter
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, SessionStatus, in_scope, step_of
from focal_data.errors import InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.ids import TenantId
from focal_data.stores.base import checked_limit
from focal_data.stores.session import SessionMaintenance, SessionStore, checked_step

HOT_TTL: Final = timedelta(minutes=30)
MAX_AGE: Final = timedelta(days=7)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


class InMemorySessions:
    """The sessions of every tenant, and how long each is hot."""

    def __init__(
        self, *, clock: Clock = utc_now, hot_ttl: timedelta = HOT_TTL, max_age: timedelta = MAX_AGE
    ) -> None:
        self.hot_until: dict[tuple[TenantId, UUID], datetime] = {}
        self._stored: dict[TenantId, dict[UUID, Session]] = {}
        self._clock = clock
        self._hot_ttl = hot_ttl
        self._max_age = max_age

    def now(self) -> datetime:
        """The store's clock, in UTC."""
        return self._clock().astimezone(UTC)

    def alive(self, tenant_id: TenantId, session_id: UUID) -> Session | None:
        """The tenant's session, unless it is too old."""
        session = self._stored.get(tenant_id, {}).get(session_id)
        return None if session is None or self._too_old(session) else session

    def all(self, tenant_id: TenantId) -> Iterator[Session]:
        """The tenant's sessions that are not too old, in no order."""
        stored = self._stored.get(tenant_id, {}).values()
        return (session for session in stored if not self._too_old(session))

    def keep(self, session: Session) -> None:
        """Store ``session``, whatever was there, and make it hot."""
        self._stored.setdefault(session.tenant_id, {})[session.session_id] = session
        self.heat(session)

    def heat(self, session: Session) -> None:
        """Make a stored session hot for its full time."""
        self.hot_until[session.tenant_id, session.session_id] = self.now() + self._hot_ttl

    def remove(self, session: Session) -> None:
        """Forget ``session``."""
        del self._stored[session.tenant_id][session.session_id]
        self.hot_until.pop((session.tenant_id, session.session_id), None)

    def sweep(self) -> int:
        """Forget what is too old, of every tenant; how many that were."""
        old = [
            session for kept in self._stored.values() for session in kept.values() if self._too_old(session)
        ]
        for session in old:
            self.remove(session)
        return len(old)

    def _too_old(self, session: Session) -> bool:
        return self.now() - _activity(session) > self._max_age


class InMemorySessionStore(SessionStore):
    """The sessions of one tenant."""

    def __init__(self, sessions: InMemorySessions, tenant_id: TenantId) -> None:
        self._sessions = sessions
        self._tenant_id = tenant_id

    async def get(self, session_id: UUID) -> Session | None:
        return self._used(self._alive(session_id))

    async def save(self, session: Session) -> Session:
        mine = checked(session, Session, self._tenant_id)
        stored, now = self._alive(mine.session_id), self._sessions.now()
        if stored is None and mine.revision:
            raise NotFoundError("Session")
        if stored is not None and stored.revision != mine.revision:
            raise StaleRevisionError("Session", stored.revision)
        created = now if stored is None else stored.created_at
        changes = {"revision": mine.revision + 1, "created_at": created, "last_activity_at": now}
        new = mine.model_copy(update=changes)
        self._sessions.keep(new)
        return copied(new)

    async def delete(self, session_id: UUID) -> bool:
        session = self._alive(session_id)
        if session is not None:
            self._sessions.remove(session)
        return session is not None

    async def get_by_channel(
        self, channel: Channel, channel_user_id: str, *, agent_id: UUID | None = None
    ) -> Session | None:
        here = (checked_member("channel", channel, Channel), checked_text("channel_user_id", channel_user_id))
        if agent_id is not None:
            checked_uuid("agent_id", agent_id)

        def wanted(session: Session) -> bool:
            open_here = (session.channel, session.channel_user_id) == here and _is_open(session)
            return open_here and agent_id in (None, session.agent_id)

        return self._used(next(iter(self._newest(wanted)), None))

    async def list_by_agent(
        self, agent_id: UUID, status: SessionStatus | None = None, limit: int = 100
    ) -> list[Session]:
        checked_uuid("agent_id", agent_id)
        known = None if status is None else checked_member("status", status, SessionStatus)
        found = self._newest(lambda s: s.agent_id == agent_id and known in (None, s.status))
        return [copied(session) for session in found[: checked_limit(limit)]]

    async def list_by_customer(self, customer_profile_id: UUID, limit: int = 100) -> list[Session]:
        checked_uuid("customer_profile_id", customer_profile_id)
        found = self._newest(lambda s: s.customer_profile_id == customer_profile_id)
        return [copied(session) for session in found[: checked_limit(limit)]]

    async def find_sessions_by_step_hash(
        self,
        scenario_id: UUID,
        scenario_version: int,
        step_content_hash: str,
        *,
        scope_filter: ScopeFilter | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Session]:
        step = checked_step(scenario_id, scenario_version, step_content_hash, scope_filter)
        question = cursors.mark(*step, scope_filter and scope_filter.model_dump_json())
        now, most = self._sessions.now(), checked_limit(limit)

        def wanted(session: Session) -> bool:
            stands_there = _is_open(session) and step_of(session) == step
            return stands_there and (scope_filter is None or in_scope(session, scope_filter, now))

        found = self._newest(wanted)
        if cursor is not None:
            start = _start(cursor, question)
            found = [session for session in found if _place(session) > start]
        further = cursors.cursor(question, _place(found[most - 1])) if len(found) > most else None
        return Page([copied(session) for session in found[:most]], further)

    async def promote_to_hot(self, session_id: UUID) -> bool:
        session = self._alive(session_id)
        if session is not None:
            self._sessions.heat(session)
        return session is not None

    async def demote_to_persistent(self, session_id: UUID) -> bool:
        if self._alive(session_id) is None:
            return False
        until = self._sessions.hot_until.pop((self._tenant_id, session_id), None)
        return until is not None and self._sessions.now() < until

    def _alive(self, session_id: UUID) -> Session | None:
        return self._sessions.alive(self._tenant_id, checked_uuid("session_id", session_id))

    def _used(self, session: Session | None) -> Session | None:
        """A copy of a session that somebody goes on with, so that it is hot."""
        if session is None:
            return None
        self._sessions.heat(session)
        return copied(session)

    def _newest(self, wanted: Callable[[Session], bool]) -> list[Session]:
        return sorted(filter(wanted, self._sessions.all(self._tenant_id)), key=_place)


class InMemorySessionMaintenance(SessionMaintenance):
    """The sessions of all tenants in this process."""

    def __init__(self, sessions: InMemorySessions) -> None:
        self._sessions = sessions

    async def cleanup(self) -> int:
        return self._sessions.sweep()

    async def health_check(self) -> bool:
        return True


def _is_open(session: Session) -> bool:
    return session.status is not SessionStatus.CLOSED


def _activity(session: Session) -> datetime:
    return cast("datetime", session.last_activity_at)  # a stored one has its times


def _place(session: Session) -> tuple[int, UUID]:
    """Newest activity first, and then by id."""
    return -((_activity(session) - _EPOCH) // _TICK), session.session_id


def _start(cursor: str, question: str) -> tuple[int, UUID]:
    score, session_id = cursors.place(cursor, question, [int, UUID])
    if score is None or session_id is None:
        raise InvalidDataError("cursor", "is not one that this call gave")
    return score, session_id
