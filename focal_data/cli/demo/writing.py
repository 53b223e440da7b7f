"""What a message leaves in PostgreSQL, all of it in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from focal_data.cli.demo.ids import named, timed
from focal_data.cli.demo.latency import Latencies
from focal_data.cli.demo.messages import Message, Role
from focal_data.cli.demo.pipeline import Step
from focal_data.cli.demo.references import references
from focal_data.cli.demo.setup import Stage
from focal_data.cli.demo.turns import Event, Turn
from focal_data.domain.answers import Scored
from focal_data.domain.audit import AuditEvent, TurnRecord
from focal_data.domain.config import Rule
from focal_data.domain.memory import Entity, Episode, EpisodeSource, Relationship
from focal_data.domain.profile import CustomerProfile, FieldSource, ProfileField
from focal_data.domain.session import Session
from focal_data.unit_of_work import UnitOfWork

_SOURCES: Final = {Role.USER: EpisodeSource.USER, Role.ASSISTANT: EpisodeSource.AGENT}


class Writer:
    """Writes for one tenant."""

    def __init__(self, stage: Stage, latencies: Latencies) -> None:
        self._tenant = stage.tenant
        self._agent_id = stage.agent.id
        self._timed = latencies.timed

    async def write(
        self, step: Step, message: Message, session: Session, rules: Sequence[Scored[Rule]]
    ) -> UUID:
        """Everything about a message, and the turn that it ends; the id of the customer's profile."""

        async def work(tx: UnitOfWork) -> UUID:
            profile = await self._profile(tx, message)
            mentioned = await self._entities(tx, message, profile, new=session.revision == 0)
            with self._timed("episode_add"):
                await tx.memory.add_episode(self._episode(step, message, session, profile, mentioned))
            with self._timed("event_add"):
                await tx.audit.save_event(self._event(step, message, session, profile, rules))
            if step.event.over is not None:
                await self._turn(tx, step.event, step.event.over, session)
            return profile.id

        with self._timed("transaction"):
            return await self._tenant.in_transaction(work)

    async def end_turn(self, event: Event, session: Session) -> None:
        """The turn that nothing follows any more."""
        assert event.over is not None
        turn = event.over

        async def work(tx: UnitOfWork) -> None:
            await self._turn(tx, event, turn, session)

        await self._tenant.in_transaction(work)

    async def profile_id(self, message: Message) -> UUID:
        """The id of the customer's profile, which is there."""
        profile = await self._tenant.profiles.get_or_create(message.channel, message.user, message.user)
        return profile.id

    async def _profile(self, tx: UnitOfWork, message: Message) -> CustomerProfile:
        """The customer's profile, touched. The customer's handle is the same on every channel, so it is their id."""
        with self._timed("profile_get_or_create"):
            profile = await tx.profiles.get_or_create(message.channel, message.user, message.user)
        last = max(profile.last_interaction_at or message.timestamp, message.timestamp)
        with self._timed("profile_save"):
            return await tx.profiles.save(profile.evolve(last_interaction_at=last))

    async def _entities(
        self, tx: UnitOfWork, message: Message, profile: CustomerProfile, *, new: bool
    ) -> list[UUID]:
        """The entities of a message: the customer, and the numbers mentioned. What is not known yet is added."""
        customer = self._entity(message, profile, "customer", message.user)
        if new and await tx.memory.get_entity(customer.id) is None:
            await tx.memory.add_entity(customer)
            await self._learn(tx, message, profile, "language", message.language.value)
        mentioned = [
            self._entity(message, profile, "reference", number) for number in references(message.content)
        ]
        for entity in mentioned:
            with self._timed("entity_write"):
                await self._mention(tx, message, profile, customer, entity)
        return [customer.id, *(entity.id for entity in mentioned)]

    async def _mention(
        self, tx: UnitOfWork, message: Message, profile: CustomerProfile, customer: Entity, entity: Entity
    ) -> None:
        if await tx.memory.get_entity(entity.id) is not None:
            return
        await tx.memory.add_entity(entity)
        relationship = Relationship(
            id=named(entity.id, "asked_about"),
            from_entity_id=customer.id,
            to_entity_id=entity.id,
            relation_type="asked_about",
            attributes={"first_said_by": message.role.value},
            valid_from=message.timestamp,
        )
        await tx.memory.add_relationship(relationship)
        await self._learn(tx, message, profile, "last_reference", entity.name)

    async def _learn(
        self, tx: UnitOfWork, message: Message, profile: CustomerProfile, name: str, value: str
    ) -> None:
        field = ProfileField(
            profile_id=profile.id,
            name=name,
            value=value,
            source=FieldSource.SYSTEM_INFERRED,
            collected_at=message.timestamp,
        )
        await tx.profiles.update_field(profile.id, field)

    def _entity(self, message: Message, profile: CustomerProfile, kind: str, name: str) -> Entity:
        return Entity(
            id=named(self._tenant.tenant_id, "entity", message.user, kind, name),
            agent_id=self._agent_id,
            customer_profile_id=profile.id,
            name=name,
            entity_type=kind,
            valid_from=message.timestamp,
        )

    def _episode(
        self,
        step: Step,
        message: Message,
        session: Session,
        profile: CustomerProfile,
        mentioned: Sequence[UUID],
    ) -> Episode:
        assert step.episode_id is not None
        return Episode(
            id=step.episode_id,
            agent_id=self._agent_id,
            customer_profile_id=profile.id,
            session_id=session.session_id,
            content=message.content,
            language=message.language,
            source=_SOURCES[message.role],
            source_metadata={"channel": message.channel.value, "line": message.line},
            occurred_at=message.timestamp,
            embedding=step.embedding,
            entity_ids=list(mentioned),
        )

    def _event(
        self,
        step: Step,
        message: Message,
        session: Session,
        profile: CustomerProfile,
        rules: Sequence[Scored[Rule]],
    ) -> AuditEvent:
        turn = step.event.turn
        assert turn is not None
        return AuditEvent(
            id=timed(self._tenant.tenant_id, message.timestamp, "event", str(message.index)),
            event_type="message_received" if message.role is Role.USER else "message_sent",
            event_data={
                "line": message.line,
                "channel": message.channel.value,
                "characters": len(message.content),
                "rules": {str(hit.item.id): round(hit.score, 4) for hit in rules},
            },
            session_id=session.session_id,
            customer_profile_id=profile.id,
            turn_id=self._turn_id(step.event, turn),
        )

    async def _turn(self, tx: UnitOfWork, event: Event, turn: Turn, session: Session) -> None:
        """Record a turn that is over. It may be there: the file ended with it, and has grown since then."""
        turn_id = self._turn_id(event, turn)
        if turn.known and await tx.audit.get_turn(turn_id) is not None:
            return
        number = session.turn_count
        record = TurnRecord(
            id=turn_id,
            session_id=session.session_id,
            customer_profile_id=session.customer_profile_id,
            agent_id=self._agent_id,
            turn_number=number,
            user_message="\n".join(turn.questions),
            agent_response="\n".join(turn.answers) or None,
            matched_rule_ids=[rule for rule, last in session.rule_last_fire_turn.items() if last == number],
            scenario_id=session.active_scenario_id,
            step_id=session.active_step_id,
            context_extracted={"references": list(references("\n".join(turn.questions)))},
            latency_ms=turn.latency_ms,
        )
        with self._timed("turn_add"):
            await tx.audit.save_turn(record)

    def _turn_id(self, event: Event, turn: Turn) -> UUID:
        names = (*event.conversation, str(turn.first.index))
        return timed(self._tenant.tenant_id, turn.first.timestamp, "turn", *names)
