"""What an agent remembers: episodes, and a graph of entities and relationships in two times.

*Valid* time says when something was true, *recorded* time when we learned it. A valid period holds its start
and not its end; without ``valid_to`` it is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from focal_data.domain import base
from focal_data.domain.base import NO_NUL, Count, ExternalId, Fraction, JsonObject, Text, UtcDatetime
from focal_data.domain.embedding import Embedding
from focal_data.domain.validity import check_period, now

EntityName = Annotated[str, Field(min_length=1, max_length=500), NO_NUL]
TypeName = Annotated[str, Field(min_length=1, max_length=100), NO_NUL]


class ContentType(StrEnum):
    """What an episode holds."""

    MESSAGE = "message"
    TURN = "turn"
    SUMMARY = "summary"
    FACT = "fact"
    EVENT = "event"
    DOCUMENT = "document"


class EpisodeSource(StrEnum):
    """Who or what an episode came from."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"
    EXTERNAL = "external"


class Language(StrEnum):
    """The text-search configurations of PostgreSQL 16. ``simple`` suits any: no stems, no stop words."""

    SIMPLE = "simple"
    ARABIC = "arabic"
    ARMENIAN = "armenian"
    BASQUE = "basque"
    CATALAN = "catalan"
    DANISH = "danish"
    DUTCH = "dutch"
    ENGLISH = "english"
    FINNISH = "finnish"
    FRENCH = "french"
    GERMAN = "german"
    GREEK = "greek"
    HINDI = "hindi"
    HUNGARIAN = "hungarian"
    INDONESIAN = "indonesian"
    IRISH = "irish"
    ITALIAN = "italian"
    LITHUANIAN = "lithuanian"
    NEPALI = "nepali"
    NORWEGIAN = "norwegian"
    PORTUGUESE = "portuguese"
    ROMANIAN = "romanian"
    RUSSIAN = "russian"
    SERBIAN = "serbian"
    SPANISH = "spanish"
    SWEDISH = "swedish"
    TAMIL = "tamil"
    TURKISH = "turkish"
    YIDDISH = "yiddish"


class Direction(StrEnum):
    """Which way relationships are followed: as they point, against that, or either way."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"
    BOTH = "both"


class Episode(base.Entity):
    """Something said, or something that happened. It is added, embedded anew or deleted: no revision."""

    agent_id: UUID
    customer_profile_id: UUID | None = None
    session_id: UUID | None = None
    group_id: ExternalId | None = None
    """An isolation group: what belongs together, to be read and deleted together."""
    content: Text
    content_type: ContentType = ContentType.MESSAGE
    language: Language = Language.SIMPLE
    source: EpisodeSource = EpisodeSource.USER
    source_metadata: JsonObject = Field(default_factory=dict)
    importance: Fraction = 0.5
    occurred_at: UtcDatetime = Field(default_factory=now)
    recorded_at: UtcDatetime | None = None
    """The store's time; ``None`` until stored."""
    valid_from: UtcDatetime = Field(default_factory=now)
    """``occurred_at`` when left out."""
    valid_to: UtcDatetime | None = None
    embedding: Embedding | None = None
    entity_ids: list[UUID] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check_period(self) -> Self:
        if "valid_from" not in self.model_fields_set:
            self.__dict__["valid_from"] = self.occurred_at  # the model is frozen, but not yet in use
        check_period(self.valid_from, self.valid_to)
        return self


class _SystemVersioned(base.Entity):
    """What has a history in recorded time (SQL:2011): a write makes a version, and keeps the one before."""

    revision: Count = 0
    """0 means not stored yet."""
    recorded_at: UtcDatetime | None = None
    """When this version was recorded: the store's time; ``None`` until stored."""
    valid_from: UtcDatetime = Field(default_factory=now)
    valid_to: UtcDatetime | None = None

    @model_validator(mode="after")
    def _check_period(self) -> Self:
        check_period(self.valid_from, self.valid_to)
        return self


class Entity(_SystemVersioned):
    """Someone or something. It is valid as long as it exists; its attributes change in recorded time only."""

    agent_id: UUID
    customer_profile_id: UUID | None = None
    group_id: ExternalId | None = None
    name: EntityName
    canonical_name: EntityName | None = None
    entity_type: TypeName
    attributes: JsonObject = Field(default_factory=dict)
    embedding: Embedding | None = None


class Relationship(_SystemVersioned):
    """How one entity stands to another. One for each pair, type and ``valid_from``.

    A fact that changes over time is a relationship, replaced by its successor.
    """

    from_entity_id: UUID
    to_entity_id: UUID
    relation_type: TypeName
    attributes: JsonObject = Field(default_factory=dict)
    confidence: Fraction = 1.0
    group_id: ExternalId | None = None


@dataclass(frozen=True, slots=True)
class Traversal:
    """An entity that a traversal reached, and how.

    ``path`` holds the ids of the relationships followed, from a start entity on; ``depth`` is their number.
    """

    entity: Entity
    depth: int
    path: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class GroupDeletion:
    """How many of each were deleted with a group, their history not counted."""

    episodes: int
    entities: int
    relationships: int
