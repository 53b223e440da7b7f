"""What a search or a list is narrowed to: typed, frozen values, one for each kind of thing.

``None`` leaves its aspect open, and everything that is given must hold. A collection means *any of these*:
an empty one is none of them, and nothing matches. A range of times holds its start and not its end.
"""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from focal_data.domain.base import ExternalId, Fraction, Name, UtcDatetime, ValueObject
from focal_data.domain.config import Scope
from focal_data.domain.memory import ContentType, EntityName, EpisodeSource, Language, TypeName


class RuleFilter(ValueObject):
    """Which rules. ``enabled=None`` takes both; a scope without an id takes every rule of that scope."""

    enabled: bool | None = True
    scopes: tuple[tuple[Scope, UUID | None], ...] | None = None


class ScenarioFilter(ValueObject):
    """Which scenarios. ``enabled=None`` takes both; with ``tags``, those that carry at least one of them."""

    enabled: bool | None = True
    tags: tuple[Name, ...] | None = None


class EpisodeFilter(ValueObject):
    """Which episodes. ``as_of`` takes those that are valid at that time."""

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


class EntityFilter(ValueObject):
    """Which entities.

    ``as_of`` takes those valid at that time, and ``known_at`` sees them as they were known at that time.
    Left out, the one asks for nothing, and the other is now.
    """

    agent_id: UUID | None = None
    customer_profile_id: UUID | None = None
    group_id: ExternalId | None = None
    entity_types: tuple[TypeName, ...] | None = None
    canonical_name: EntityName | None = None
    as_of: UtcDatetime | None = None
    known_at: UtcDatetime | None = None


class RelationshipFilter(ValueObject):
    """Which relationships; ``as_of`` and ``known_at`` mean what they do in ``EntityFilter``."""

    from_entity_id: UUID | None = None
    to_entity_id: UUID | None = None
    relation_types: tuple[TypeName, ...] | None = None
    group_id: ExternalId | None = None
    as_of: UtcDatetime | None = None
    known_at: UtcDatetime | None = None
