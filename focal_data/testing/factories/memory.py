"""What agents remember."""

from __future__ import annotations

from typing import Any

import factory

from focal_data.domain.memory import ContentType, Entity, Episode, EpisodeSource, Language, Relationship
from focal_data.testing.factories import chance
from focal_data.testing.factories.base import (
    EMBEDDED,
    FRACTION,
    NEW_ID,
    TIME,
    DomainFactory,
    Link,
    Parent,
    Stores,
    id_of,
    named,
    picked,
)
from focal_data.testing.factories.config import AgentFactory, AgentPartFactory

_CONTENTS = (
    "My order from last Tuesday has not arrived yet.",
    "I would rather be called in the afternoon.",
    "The lamp that you sent flickers when it is cold.",
    "Please send the invoice to my new address in Lyon.",
)


class EpisodeFactory(AgentPartFactory[Episode]):
    """In English, said by the customer; ``embedded=True`` for one with a vector."""

    class Meta:
        model = Episode

    class Params:
        customer_profile = Link()
        embedded = EMBEDDED

    customer_profile_id = id_of("customer_profile")
    content = factory.LazyFunction(lambda: chance.distinct(chance.pick(_CONTENTS)))
    content_type = ContentType.MESSAGE
    language = Language.ENGLISH
    source = EpisodeSource.USER
    source_metadata = factory.LazyFunction(lambda: {"turn": chance.number(1, 40)})
    importance = FRACTION
    occurred_at = TIME
    valid_from = factory.SelfAttribute("occurred_at")

    @classmethod
    async def _store(cls, stores: Stores, entity: Episode) -> Episode:
        return await stores.memory.add_episode(entity)


class EntityFactory(AgentPartFactory[Entity]):
    """Someone or something; ``embedded=True`` for one with a vector."""

    class Meta:
        model = Entity

    class Params:
        customer_profile = Link()
        embedded = EMBEDDED

    customer_profile_id = id_of("customer_profile")
    name = named("Maria Lindholm", "Harbor & Pine", "Blue armchair", "Lyon")
    canonical_name = factory.LazyAttribute(lambda entity: entity.name.casefold())
    entity_type = picked(("person", "company", "product", "place"))
    attributes = factory.LazyFunction(lambda: {"mentions": chance.number(1, 9)})
    valid_from = TIME

    @classmethod
    async def _store(cls, stores: Stores, entity: Entity) -> Entity:
        return await stores.memory.add_entity(entity)


def _same_agent(relationship: Any) -> dict[str, Any]:
    if relationship.agent is not None:
        return {"agent": relationship.agent}
    return {} if relationship.agent_id is None else {"agent_id": relationship.agent_id}


class RelationshipFactory(DomainFactory[Relationship]):
    """Between two entities of one agent: ``from_entity=…`` and ``to_entity=…`` or their ids, or they are made."""

    class Meta:
        model = Relationship

    class Params:
        agent = Parent(AgentFactory)
        agent_id = None
        from_entity = Parent(EntityFactory, _same_agent)
        to_entity = Parent(EntityFactory, _same_agent)

    id = NEW_ID
    from_entity_id = id_of("from_entity")
    to_entity_id = id_of("to_entity")
    relation_type = picked(("works_at", "owns", "lives_in", "knows"))
    attributes = factory.LazyFunction(lambda: {"since": chance.number(1990, 2025)})
    confidence = FRACTION
    valid_from = TIME

    @classmethod
    def _agreed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """An agent is made only for entities that are to be made, and an entity that is given has one already."""
        ends = [given.get("from_entity"), given.get("to_entity")]
        agents = [end.agent_id for end in ends if end is not None]
        if given.get("agent") is None and (agents or {"from_entity_id", "to_entity_id"} <= given.keys()):
            given = {"agent_id": agents[0] if agents else None} | given
        return super()._agreed(given)

    @classmethod
    async def _store(cls, stores: Stores, entity: Relationship) -> Relationship:
        return await stores.memory.add_relationship(entity)
