"""One message through every store: the session from Redis, what its agent is told to do, what is remembered, what happened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from focal_data.cli.demo import scenario
from focal_data.cli.demo.ids import named
from focal_data.cli.demo.latency import Latencies
from focal_data.cli.demo.messages import Message, Role
from focal_data.cli.demo.pipeline import Step
from focal_data.cli.demo.references import references, series
from focal_data.cli.demo.setup import Stage
from focal_data.cli.demo.turns import Conversation, Event
from focal_data.cli.demo.writing import Writer
from focal_data.domain.answers import Scored
from focal_data.domain.base import JsonObject
from focal_data.domain.config import Rule
from focal_data.domain.embedding import Embedding
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session
from focal_data.errors import ConflictError

RULES: Final = 3
"""At most so many rules fire on a message, the nearest ones."""

_ATTEMPTS: Final = 20
_POSITION: Final = "message"
"""The session's variable that holds the index of the last message that the session has seen."""


class Conversations:
    """Carries the messages of one transcript. Those of one customer must come one after another."""

    def __init__(self, stage: Stage, latencies: Latencies) -> None:
        self._stage = stage
        self._tenant = stage.tenant
        self._latencies = latencies
        self._writer = Writer(stage, latencies)
        self._series = series(stage.variables)
        self.new_messages = 0
        """How many were not stored by an earlier run."""

    async def carry_all(self, steps: Iterable[Step]) -> AsyncIterator[Step]:
        """Carry one after another, and yield each when it is done."""
        seen: dict[Conversation, int] = {}
        for step in steps:
            message, conversation = step.event.message, step.event.conversation
            if message is None or not step.stored or seen.get(conversation, 0) < message.index:
                seen[conversation] = await self._carry(step)
            yield step

    async def _carry(self, step: Step) -> int:
        """Carry one message, or end one turn; how far the session has come then.

        Nothing that an earlier run did is done again. PostgreSQL takes all of a message in one transaction, then Redis the
        session: where a run was cut off in between, the message is there and the session has not seen it yet. Another run
        at the same time is met as a conflict, after which what it did is found.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._attempt(step)
            except ConflictError:
                await self._look_again(step)
        return await self._attempt(step)

    async def _look_again(self, step: Step) -> None:
        if step.event.over is not None:
            step.event.over.known = True
        if step.episode_id is not None:
            step.note(stored=await self._tenant.memory.get_episode(step.episode_id) is not None)

    async def _attempt(self, step: Step) -> int:
        session = await self._session(step.event)
        message, seen = step.event.message, session.variables.get(_POSITION)
        position = seen if isinstance(seen, int) else 0
        if message is None:
            await self._writer.end_turn(step.event, session)
        elif position < message.index:
            with self._latencies.timed("message"):
                await self._spoken(step, message, session)
            return message.index
        return position

    async def _session(self, event: Event) -> Session:
        """The live session of the conversation; a new one when there is none."""
        channel, user = event.conversation
        with self._latencies.timed("session_get"):
            session = await self._tenant.sessions.get_by_channel(
                Channel(channel), user, agent_id=self._stage.agent.id
            )
        return session or Session(
            session_id=named(self._tenant.tenant_id, "session", channel, user),
            agent_id=self._stage.agent.id,
            channel=Channel(channel),
            channel_user_id=user,
            variables={variable.name: variable.default_value for variable in self._stage.variables},
        )

    async def _spoken(self, step: Step, message: Message, session: Session) -> None:
        assert step.embedding is not None
        rules = await self._rules(message, step.embedding)
        advanced = await self._advanced(session, step, message, rules)
        if not step.stored:
            profile_id = await self._writer.write(step, message, session, rules)
            step.stored = True
            self.new_messages += 1
        else:
            profile_id = await self._writer.profile_id(message)
        with self._latencies.timed("session_save"):
            await self._tenant.sessions.save(advanced.evolve(customer_profile_id=profile_id))

    async def _rules(self, message: Message, embedding: Embedding) -> list[Scored[Rule]]:
        """The rules that a message matches; of an answer, the hard constraints that it touches."""
        with self._latencies.timed("rule_search"):
            found = await self._tenant.config.vector_search_rules(
                self._stage.agent.id, embedding, limit=RULES, min_score=self._stage.plan.near
            )
        return [hit for hit in found if message.role is Role.USER or hit.item.is_hard_constraint]

    async def _advanced(
        self, session: Session, step: Step, message: Message, rules: Sequence[Scored[Rule]]
    ) -> Session:
        """The session after this message."""
        turn = session.turn_count + step.event.begins
        fires, last = dict(session.rule_fires), dict(session.rule_last_fire_turn)
        for rule_id in (hit.item.id for hit in rules):
            fires[rule_id] = fires.get(rule_id, 0) + 1
            last[rule_id] = turn
        variables = self._variables(message)
        updated = dict.fromkeys(variables, message.timestamp)
        return session.evolve(
            turn_count=turn,
            rule_fires=fires,
            rule_last_fire_turn=last,
            variables={**session.variables, **variables},
            variable_updated_at={**session.variable_updated_at, **updated},
            **await self._place(session, step, message, turn),
        )

    async def _place(self, session: Session, step: Step, message: Message, turn: int) -> dict[str, object]:
        """Where the message takes the session in the scenario, or into it."""
        assert step.embedding is not None
        if message.role is Role.ASSISTANT:
            return {}
        if session.active_step_id is not None:
            return scenario.moved(session, self._stage, message, turn, step.embedding)
        if not step.event.begins:
            return {}
        with self._latencies.timed("scenario_search"):
            found = await self._tenant.config.vector_search_scenarios(
                self._stage.agent.id, step.embedding, limit=1, min_score=self._stage.plan.near_to_one
            )
        return scenario.entered(session, self._stage, message, turn, found[0].score) if found else {}

    def _variables(self, message: Message) -> JsonObject:
        """The last number mentioned goes to the variable that is there for numbers of its series."""
        found: JsonObject = {_POSITION: message.index}
        for number in references(message.content):
            if name := self._series.get(number.partition("-")[0]):
                found[name] = number
        return found
