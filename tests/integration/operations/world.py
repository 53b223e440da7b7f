"""A customer who left a mark in every place where something of a person can be, and looking for that mark everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import asyncpg
import redis

from focal_data.data_layer import Tenant
from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Entity, Episode, Relationship
from focal_data.domain.profile import Channel, Consent, CustomerProfile, ProfileAsset, ProfileField
from focal_data.domain.session import Session, SessionStatus, StepVisit
from focal_data.errors import CorruptDataError
from focal_data.ids import new_id
from focal_data.redis import codec
from focal_data.settings import Settings, dsn

SKELETON = {"audit_events", "turn_records"}
"""Tables whose rows stay."""

_numbers = count(1)


def a_mark() -> str:
    """A word that is nowhere else, and that full-text search and JSON leave as it is."""
    return f"zq{next(_numbers)}x{new_id().hex}"


@dataclass(frozen=True)
class Customer:
    """Who it is, and where it was."""

    mark: str
    profile: UUID
    """The one that is left of two."""
    merged: UUID
    entity: UUID
    sessions: tuple[UUID, ...]


def places(settings: Settings) -> asyncpg.Connection:
    """A connection as the owner; awaited, it is open."""
    return asyncpg.connect(dsn(settings.owner_url()))


async def rows(settings: Settings) -> dict[str, list[str]]:
    """Every row of every table, as text, by table."""
    connection = await places(settings)
    try:
        names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        return {
            name: sorted(row[0] for row in await connection.fetch(f'SELECT t::text FROM "{name}" t'))
            for (name,) in names
        }
    finally:
        await connection.close()


def with_mark(found: dict[str, list[str]], mark: str) -> dict[str, list[str]]:
    """The rows that hold ``mark``, of the tables that have such."""
    marked = {table: [row for row in texts if mark in row] for table, texts in found.items()}
    return {table: texts for table, texts in marked.items() if texts}


def on_redis(settings: Settings) -> dict[bytes, bytes]:
    """Every key with its value, sessions as JSON, sorted sets as text; what other tests have left there, as it is."""
    with redis.Redis.from_url(settings.sessions_url()) as connection:
        return {key: _content(connection, key) for key in connection.scan_iter()}


def _content(connection: redis.Redis, key: bytes) -> bytes:
    if connection.type(key) == b"zset":
        entries = connection.zrange(key, 0, -1, withscores=True)
        return b"\n".join(b"%b %d" % entry for entry in entries)
    if connection.type(key) != b"string":
        return bytes(connection.dump(key))
    value = connection.get(key)
    try:
        return codec.decode(value, key).model_dump_json().encode()
    except CorruptDataError:
        return bytes(value)


def naming(found: dict[bytes, bytes], *texts: str) -> dict[bytes, bytes]:
    """The keys that hold one of ``texts`` in their name or value, with the lines of the value that do."""
    wanted = [text.encode() for text in texts]
    lines = {key: [line for line in value.split(b"\n") if _has(line, wanted)] for key, value in found.items()}
    return {key: b"\n".join(lines[key]) for key in found if lines[key] or _has(key, wanted)}


def _has(data: bytes, wanted: list[bytes]) -> bool:
    return any(text in data for text in wanted)


class World:
    """Two customers of one tenant, say: each is put there in the same way."""

    def __init__(self, tenant: Tenant, agent_id: UUID) -> None:
        self.tenant = tenant
        self.agent_id = agent_id

    async def customer(self, bystander: UUID | None = None) -> Customer:
        """Somebody new, with a mark in everything, whose entity is related to ``bystander``, or to a new one."""
        mark = a_mark()
        if bystander is None:
            bystander = (await self.tenant.memory.add_entity(_entity(self.agent_id, "bystander"))).id
        live = [session async for session in self._sessions(mark)]
        profile, merged = await self._profiles(mark, live[0].session_id)
        await self._memory(mark, merged, live, bystander)
        await self.tenant.profiles.merge_profiles(merged.id, profile.id)
        entity = await self._graph(mark, profile.id, bystander)
        live[0] = await self.tenant.sessions.save(live[0].evolve(customer_profile_id=profile.id))
        await self._audit(mark, profile.id, merged.id, [session.session_id for session in live])
        return Customer(mark, profile.id, merged.id, entity, tuple(session.session_id for session in live))

    async def _sessions(self, mark: str) -> Iterator[Session]:
        """One that will name the profile, one that never does, and one of those that is closed and in no index by it."""
        for status in (SessionStatus.ACTIVE, SessionStatus.ACTIVE, SessionStatus.CLOSED):
            visit = StepVisit(step_id=new_id(), step_name=mark, entered_at=datetime.now(UTC), turn_number=1)
            session = Session(
                agent_id=self.agent_id,
                channel=Channel.WEBCHAT,
                channel_user_id=f"{mark}-user",
                status=status,
                variables={mark: [mark]},
                step_history=[visit],
            )
            yield await self.tenant.sessions.save(session)

    async def _profiles(self, mark: str, session_id: UUID) -> tuple[CustomerProfile, CustomerProfile]:
        store = self.tenant.profiles
        profile = await store.get_or_create(Channel.WEBCHAT, f"{mark}-user", f"{mark}-customer")
        consent = Consent(consent_type=mark, granted=True, source_session_id=session_id)
        profile = await store.save(profile.evolve(consents=[consent]))
        merged = await store.get_or_create(Channel.EMAIL, f"{mark}@example.org", f"{mark}-other")
        for owner in (profile, profile, merged):
            field = ProfileField(
                profile_id=owner.id,
                name=f"{mark}-name",
                value={mark: mark},
                value_type=mark,
                source_session_id=session_id,
                verification_method=mark,
                verified_by=mark,
            )
            await store.update_field(owner.id, field)
            await store.add_asset(owner.id, _asset(owner.id, mark))
        return profile, merged

    async def _memory(self, mark: str, merged: CustomerProfile, live: list[Session], bystander: UUID) -> None:
        named = {"customer_profile_id": merged.id, "session_id": live[0].session_id}
        for whose in (named, {"session_id": live[0].session_id}, {"session_id": live[2].session_id}):
            episode = Episode(
                agent_id=self.agent_id,
                group_id=mark,
                content=f"{mark} said it",
                source_metadata={mark: mark},
                embedding=Embedding([1.0, 2.0], model=mark),
                entity_ids=[bystander],
                **whose,
            )
            await self.tenant.memory.add_episode(episode)

    async def _graph(self, mark: str, profile_id: UUID, bystander: UUID) -> UUID:
        """One entity that was anonymous once, one that is gone, and what they were to each other and to the bystander."""
        memory = self.tenant.memory
        entity = await memory.add_entity(_entity(self.agent_id, mark))
        entity = await memory.update_entity(entity.evolve(customer_profile_id=profile_id))
        gone = await memory.add_entity(_entity(self.agent_id, mark).evolve(customer_profile_id=profile_id))
        ends = [(entity.id, gone.id), (entity.id, bystander), (bystander, gone.id)]
        for start, end in ends:
            relationship = Relationship(
                from_entity_id=start,
                to_entity_id=end,
                relation_type=mark,
                attributes={mark: mark},
                group_id=mark,
            )
            relationship = await memory.add_relationship(relationship)
            await memory.update_relationship(relationship.evolve(attributes={mark: [mark]}))
        await memory.delete_entity(gone.id)
        return entity.id

    async def _audit(self, mark: str, profile: UUID, merged: UUID, sessions: list[UUID]) -> None:
        """Anonymous turns before the one that names the customer, and events of a session, of a turn, of a person."""
        audit = self.tenant.audit
        for session_id, number, whom in (
            (sessions[0], 1, None),
            (sessions[0], 2, profile),
            (sessions[1], 1, None),
            (sessions[2], 1, None),
            (new_id(), 1, merged),
        ):
            turn = await audit.save_turn(_turn(self.agent_id, mark, session_id, number, whom))
            event = AuditEvent(event_type="said", event_data={mark: [mark]}, turn_id=turn.id)
            await audit.save_event(event)
            await audit.save_event(event.evolve(id=new_id(), session_id=session_id))
            await audit.save_event(event.evolve(id=new_id(), turn_id=None, customer_profile_id=profile))


def _asset(profile_id: UUID, mark: str) -> ProfileAsset:
    return ProfileAsset(
        profile_id=profile_id,
        name=mark,
        asset_type=mark,
        storage_provider=mark,
        storage_path=mark,
        mime_type=mark,
        size_bytes=1,
        checksum=mark,
        verification_result={mark: mark},
        retention_policy=mark,
    )


def _entity(agent_id: UUID, mark: str) -> Entity:
    return Entity(
        agent_id=agent_id,
        group_id=mark,
        name=mark,
        canonical_name=mark,
        entity_type=mark,
        attributes={mark: mark},
        embedding=Embedding([1.0, 2.0], model=mark),
    )


def _turn(agent_id: UUID, mark: str, session_id: UUID, number: int, whom: UUID | None) -> TurnRecord:
    call = ToolCall(
        tool_id=mark, tool_name=mark, input=mark, output={mark: mark}, success=False, error=mark, latency_ms=1
    )
    return TurnRecord(
        session_id=session_id,
        customer_profile_id=whom,
        agent_id=agent_id,
        turn_number=number,
        user_message=mark,
        agent_response=mark,
        matched_rule_ids=[new_id()],
        scenario_id=new_id(),
        scenario_state={mark: mark},
        context_extracted={mark: mark},
        tool_calls=[call],
        token_usage={"prompt": 3},
        tokens_used=3,
        latency_ms=4,
    )
