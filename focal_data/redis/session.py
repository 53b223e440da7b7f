"""Live sessions in Redis: a hot copy that expires, a cold one that stays, and indexes that lead to both.

Both copies are written by one script, wholly or not at all. Demotion is the hot copy expiring: the cold one was
written with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from uuid import UUID

from focal_data.domain.answers import Page
from focal_data.domain.checking import checked, checked_member, checked_text, checked_uuid
from focal_data.domain.clock import Clock, utc_now
from focal_data.domain.config import ScopeFilter
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, SessionStatus, in_scope, step_of
from focal_data.errors import CorruptDataError, NotFoundError, SettingsError, StaleRevisionError, StoreError
from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.cluster_client import ClusterClient
from focal_data.redis.cluster_writer import writer_of
from focal_data.redis.codec import microseconds
from focal_data.redis.index import cursor_of, place_of
from focal_data.redis.metrics import measured, session_metrics
from focal_data.redis.places import Place, Slot
from focal_data.redis.script import Effect, Script
from focal_data.redis.session_reader import SessionReader, order
from focal_data.stores.base import checked_limit
from focal_data.stores.session import SessionMaintenance, SessionStore, checked_step

_GET: Final = Script("get", Effect.READ)
_PROMOTE: Final = Script("promote", Effect.REPEATABLE)
_DEMOTE: Final = Script("demote", Effect.ONCE)

_STALE, _ABSENT, _OTHER_CREATION, _NO_INDEX = 1, 2, 3, 5  # what save.lua says
_UNREADABLE: Final = "holds no session that can be read"

_SWEPT_AT_ONCE: Final = 100
_CANDIDATES: Final = 8


class RedisSessionStore(SessionStore):
    """The sessions of one tenant."""

    def __init__(self, client: RedisClient, tenant_id: TenantId, *, clock: Clock = utc_now) -> None:
        self._client = client
        self._tenant_id = tenant_id
        self._reader = SessionReader(client, tenant_id, clock=clock)
        self.metrics = session_metrics()
        self._in_cluster = isinstance(client, ClusterClient)
        self._hot_milliseconds = b"%d" % max(1, client.settings.hot_ttl // timedelta(milliseconds=1))

    @measured
    async def get(self, session_id: UUID) -> Session | None:
        return await self._first([self._slot(session_id)])

    @measured
    async def save(self, session: Session) -> Session:
        new = checked(session, Session, self._tenant_id)
        now, before = self._reader.now(), new.last_activity_at
        write = (self._hot_milliseconds, self._reader.cutoff(now), os.urandom(8))
        created = new.created_at if new.revision and new.created_at else now
        slot = self._reader.slot(new.session_id)
        facts = vars(new)  # nobody has this copy yet
        facts.update(revision=new.revision + 1, last_activity_at=now)
        new.model_fields_set.update(("revision", "created_at", "last_activity_at"))
        while True:
            facts["created_at"] = created
            reply = await self._reader.writer.save(slot, new, before, write)
            if isinstance(reply, int):
                if reply and self.metrics is not None:
                    self.metrics.swept(-reply)
                return new
            created = await self._other_creation(cast("list[bytes]", reply), slot, new)

    @measured
    async def delete(self, session_id: UUID) -> bool:
        slot = self._slot(session_id)
        return await self._reader.writer.delete(slot, self._reader.cutoff())

    @measured
    async def get_by_channel(
        self, channel: Channel, channel_user_id: str, *, agent_id: UUID | None = None
    ) -> Session | None:
        channel = checked_member("channel", channel, Channel)
        checked_text("channel_user_id", channel_user_id)
        if agent_id is not None:
            checked_uuid("agent_id", agent_id)
        term = keys.channel_term(channel, channel_user_id)
        entries = await self._reader.index.newest(
            [term], oldest=int(self._reader.cutoff()), count=_CANDIDATES
        )
        if not entries:
            return self._found(None)

        def wanted(session: Session) -> bool:
            here = session.channel == channel and session.channel_user_id == channel_user_id
            return (
                here and session.status is not SessionStatus.CLOSED and agent_id in (None, session.agent_id)
            )

        if self._in_cluster:
            entries = entries[:1]  # the others lie in other slots
        found = await self._first([self._reader.slot(entry.session_id) for entry in entries], agent_id)
        if found is not None and wanted(found) and order(found) <= _entry_of(found, entries):
            return found
        others = await self._reader.newest([term], wanted, 1)
        if not others:
            return self._found(None)
        found = await self.get(others[0].session_id)
        return found if found is not None and wanted(found) else others[0]  # it was saved since it was read

    @measured
    async def list_by_agent(
        self, agent_id: UUID, status: SessionStatus | None = None, limit: int = 100
    ) -> list[Session]:
        checked_uuid("agent_id", agent_id)
        statuses = (
            tuple(SessionStatus) if status is None else (checked_member("status", status, SessionStatus),)
        )
        return await self._reader.newest(
            keys.agent_terms(agent_id, statuses),
            lambda session: session.agent_id == agent_id and session.status in statuses,
            checked_limit(limit),
        )

    @measured
    async def list_by_customer(self, customer_profile_id: UUID, limit: int = 100) -> list[Session]:
        checked_uuid("customer_profile_id", customer_profile_id)
        return await self._reader.newest(
            [keys.customer_term(customer_profile_id)],
            lambda session: session.customer_profile_id == customer_profile_id,
            checked_limit(limit),
        )

    @measured
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
        term = keys.step_term(*step)
        question = term + (scope_filter.model_dump_json().encode() if scope_filter else b"")
        now = self._reader.now()

        def wanted(session: Session) -> bool:
            stands_there = session.status is not SessionStatus.CLOSED and step_of(session) == step
            return stands_there and (scope_filter is None or in_scope(session, scope_filter, now))

        after = None if cursor is None else place_of(cursor, question)
        found, behind = await self._reader.page(term, wanted, checked_limit(limit), after)
        return Page(found, None if behind is None else cursor_of(behind, question))

    @measured
    async def promote_to_hot(self, session_id: UUID) -> bool:
        slot = self._slot(session_id)
        code = await self._client.run(
            _PROMOTE, (slot.cold, slot.hot), (self._hot_milliseconds, self._reader.cutoff())
        )
        if code == 2:
            raise CorruptDataError(slot.cold.decode(), _UNREADABLE)
        return code == 1

    @measured
    async def demote_to_persistent(self, session_id: UUID) -> bool:
        slot = self._slot(session_id)
        return await self._client.run(_DEMOTE, (slot.cold, slot.hot), (self._reader.cutoff(),)) == 1

    def _slot(self, session_id: UUID) -> Slot:
        return self._reader.slot(checked_uuid("session_id", session_id))

    async def _other_creation(self, refusal: Sequence[bytes], slot: Slot, new: Session) -> datetime:
        """When the session was created in truth, if that is why it was refused; otherwise raises what is wrong."""
        code, *detail = map(int, refusal)
        if code == _OTHER_CREATION:  # or its head is damaged, which the whole of it tells
            (value,) = await self._client.values([slot.cold])
            truth = new if value is None else self._reader.decoded(value, slot, slot.cold)
            return cast("datetime", truth.created_at)
        if code == _NO_INDEX:
            index = keys.index(slot.tag[:32], keys.terms(new)[detail[0]])
            raise CorruptDataError(index.decode(), "is not of the type that is kept there")
        if code == _STALE:
            if self.metrics is not None:
                self.metrics.conflict(1)
            raise StaleRevisionError("Session", detail[0])
        if code == _ABSENT:
            raise NotFoundError("Session")
        raise CorruptDataError(slot.cold.decode(), _UNREADABLE)

    async def _first(self, slots: Sequence[Slot], agent_id: UUID | None = None) -> Session | None:
        """The first that there is, of one agent or of any, made hot in the same round trip."""
        names = [name for slot in slots for name in (slot.hot, slot.cold)]
        agent = keys.agent_digest(agent_id) if agent_id else b""
        cutoff = self._reader.cutoff()
        reply = await self._client.run(_GET, names, (self._hot_milliseconds, cutoff, agent))
        if reply is None:
            return self._found(None)
        value, place = (
            cast("tuple[bytes, int]", reply) if isinstance(reply, list) else (cast("bytes", reply), 1)
        )
        slot, hot = slots[(place - 1) // 2], bool(place % 2)
        session = self._reader.decoded(value, slot, slot.hot if hot else slot.cold)
        if microseconds(cast("datetime", session.last_activity_at)) < int(cutoff):
            return self._found(None)
        return self._found(session, hot=hot)

    def _found(self, session: Session | None, *, hot: bool = False) -> Session | None:
        if (metrics := self.metrics) is not None:
            count = metrics.miss if session is None else metrics.hot_hit if hot else metrics.promotion
            count(1)
        return session


class RedisSessionMaintenance(SessionMaintenance):
    """The sessions of all tenants on one server."""

    def __init__(self, client: RedisClient, *, clock: Clock = utc_now) -> None:
        self._client = client
        self.metrics = session_metrics()
        self._writer = writer_of(client)
        self._clock = clock

    @measured
    async def cleanup(self) -> int:
        cutoff = b"%d" % microseconds(self._clock().astimezone(UTC) - self._client.settings.max_age)
        return sum([await self._sweep(shard, cutoff) for shard in keys.AGE_SHARDS])

    async def health_check(self) -> bool:
        try:
            await self._client.check()
        except (StoreError, SettingsError):
            return False
        return True

    async def _sweep(self, shard: bytes, cutoff: bytes) -> int:
        """Short scripts, so that nobody waits long in between."""
        removed, looked = 0, _SWEPT_AT_ONCE
        while looked == _SWEPT_AT_ONCE:
            looked, more = await self._writer.sweep(shard, cutoff, _SWEPT_AT_ONCE)
            removed += more
            if self.metrics is not None and more:
                self.metrics.swept(more)
        return removed


def _entry_of(session: Session, entries: Sequence[Place]) -> Place:
    return next(entry for entry in entries if entry.session_id == session.session_id)
