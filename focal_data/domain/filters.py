"""What a search or a list is narrowed to: typed, frozen values, one for each kind of thing.

``None`` leaves its aspect open, and everything that is given must hold. A collection means *any of these*:
an empty one is none of them, and nothing matches. A range of times holds its start and not its end.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from focal_data.domain.base import ExternalId, Fraction, Name, UtcDatetime, ValueObject
from focal_data.domain.config import Scope
from focal_data.domain.memory import (
    ContentType,
    Entity,
    EntityName,
    Episode,
    EpisodeSource,
    Language,
    Relationship,
    TypeName,
)
from focal_data.domain.validity import valid_at


class RuleFilter(ValueObject):
    """Which rules. ``enabled=None`` takes both; a scope without an id takes every rule of that scope."""

    enabled: bool | None = True
    scopes: tuple[tuple[Scope, UUID | None], ...] | None = None


class ScenarioFilter(ValueObject):
    """Which scenarios. ``enabled=None`` takes both; with ``tags``, those that carry at least one of them."""

    enabled: bool | None = True
    tags: tuple[Name, ...] | None = None


class EpisodeFilter(ValueObject):
    """Which episodes. ``as_of`` takes those that are valid at that time.

    ``customer_profile_id`` is any id of the person: stores take what names the profile or any that is part of it by now.
    """

    agent_id: UUID | None = None
    customer_profile_id: UUID | None = None
    group_id: ExternalId | None = None
    session_id: UUID | None = None
    content_types: tuple[ContentType, ...] | None = None
    sources: tuple[EpisodeSource, ...] | None = None
    languages: tuple[Language, ...] | None = None
    occurred_from: UtcDatetime | None = None
    occurred_to: UtcDatetime | None = None
    as_of: UtcDatetime | None = None
    min_importance: Fraction | None = None

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.occurred_from and self.occurred_to and self.occurred_from > self.occurred_to:
            raise PydanticCustomError("range", "occurred_from must not be after occurred_to")
        return self

    def matches(self, episode: Episode) -> bool:
        """Whether all that is asked for holds, of the customer by this very id."""
        return (
            _same(self.agent_id, episode.agent_id)
            and _same(self.customer_profile_id, episode.customer_profile_id)
            and _same(self.group_id, episode.group_id)
            and _same(self.session_id, episode.session_id)
            and _among(self.content_types, episode.content_type)
            and _among(self.sources, episode.source)
            and _among(self.languages, episode.language)
            and (self.occurred_from is None or self.occurred_from <= episode.occurred_at)
            and (self.occurred_to is None or episode.occurred_at < self.occurred_to)
            and (self.min_importance is None or self.min_importance <= episode.importance)
            and _valid(self.as_of, episode)
        )


class EntityFilter(ValueObject):
    """Which entities.

    ``as_of`` takes those valid at that time, and ``known_at`` sees them as they were known at that time.
    Left out, the one asks for nothing, and the other is now. ``customer_profile_id`` means what it does in ``EpisodeFilter``.
    """

    agent_id: UUID | None = None
    customer_profile_id: UUID | None = None
    group_id: ExternalId | None = None
    entity_types: tuple[TypeName, ...] | None = None
    canonical_name: EntityName | None = None
    as_of: UtcDatetime | None = None
    known_at: UtcDatetime | None = None

    def matches(self, entity: Entity) -> bool:
        """Whether all that is asked for holds of this version, whenever it was known; of the customer by this very id."""
        return (
            _same(self.agent_id, entity.agent_id)
            and _same(self.customer_profile_id, entity.customer_profile_id)
            and _same(self.group_id, entity.group_id)
            and _among(self.entity_types, entity.entity_type)
            and _same(self.canonical_name, entity.canonical_name)
            and _valid(self.as_of, entity)
        )


class RelationshipFilter(ValueObject):
    """Which relationships; ``as_of`` and ``known_at`` mean what they do in ``EntityFilter``."""

    from_entity_id: UUID | None = None
    to_entity_id: UUID | None = None
    relation_types: tuple[TypeName, ...] | None = None
    group_id: ExternalId | None = None
    as_of: UtcDatetime | None = None
    known_at: UtcDatetime | None = None

    def matches(self, relationship: Relationship) -> bool:
        """Whether all that is asked for holds of this version, whenever it was known."""
        return (
            _same(self.from_entity_id, relationship.from_entity_id)
            and _same(self.to_entity_id, relationship.to_entity_id)
            and _among(self.relation_types, relationship.relation_type)
            and _same(self.group_id, relationship.group_id)
            and _valid(self.as_of, relationship)
        )


def _same(asked: object, value: object) -> bool:
    return asked is None or asked == value


def _among(asked: Container[object] | None, value: object) -> bool:
    return asked is None or value in asked


def _valid(asked: datetime | None, thing: Episode | Entity | Relationship) -> bool:
    return asked is None or valid_at(thing.valid_from, thing.valid_to, asked)
