"""Episodes, and the graph of entities and relationships with the versions that were replaced."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, Index, Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from focal_data.domain.memory import ContentType, EpisodeSource, Language
from focal_data.domain.words import INDEXED_CHARACTERS, JOINERS
from focal_data.tables.base import (
    KEPT_IN_ROW,
    NEVER_CHANGED,
    SEEN_SOON,
    EmbeddingColumns,
    EmbeddingMixin,
    RevisionMixin,
    TenantTable,
    WriteOnceEmbeddingMixin,
)
from focal_data.tables.columns import (
    JsonDict,
    TypedJSON,
    check,
    given,
    index,
    index_codes,
    index_present,
    refers_to,
    string_enum,
    unique,
    utc,
    uuids,
    valid_period,
    whole_embedding,
)
from focal_data.tables.matching import MATCH_EPISODES


def _content_tsv() -> str:
    """One constant configuration per language, since ``to_tsvector`` of one read from a column is not immutable."""
    text = f"translate(left(content, {INDEXED_CHARACTERS}), '{JOINERS}', '{' ' * len(JOINERS)}')"
    branches = (f"WHEN '{language}' THEN to_tsvector('{language}', {text})" for language in Language)
    return "\n".join(["CASE language", *branches, "END"])


def _for_words() -> tuple[Index, Index]:
    """What ``focal_match_episodes`` searches in: the words, of every tenant, and which languages an agent's episodes have.

    GIN keeps a list of what is still to be entered, which every search reads, and some insert has to work off: a short one.
    """
    words = Index(
        "ix_episodes_content_tsv",
        "content_tsv",
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": "256"},
    )
    return words, Index("ix_episodes_agent_id_language", "tenant_id", "agent_id", "language")


class EpisodeTable(WriteOnceEmbeddingMixin, TenantTable, table=True):
    """Episodes: added, embedded anew or deleted."""

    __tablename__ = "episodes"
    __table_args__ = (
        refers_to("agents", "agent_id"),
        refers_to("customer_profiles", "customer_profile_id"),
        index("agent_id", "occurred_at", "id"),
        index("occurred_at", "id"),
        *_for_words(),
        index_present("customer_profile_id"),
        index_present("session_id"),
        index_present("group_id"),
        index_codes(
            "agent_id",
            include=(
                "customer_profile_id",
                "group_id",
                "session_id",
                "content_type",
                "source",
                "language",
                "occurred_at",
                "valid_from",
                "valid_to",
                "importance",
            ),
        ),
        check("importance BETWEEN 0 AND 1", "importance_range"),
        *given("group_id"),
        valid_period(),
        whole_embedding(),
        {"info": {**KEPT_IN_ROW["info"], "functions": (MATCH_EPISODES,)}},
    )

    agent_id: UUID
    customer_profile_id: UUID | None = None
    session_id: UUID | None = None
    group_id: str | None = Field(default=None, max_length=255)
    content: str = Field(sa_type=Text)
    content_type: ContentType = Field(sa_type=string_enum(ContentType, "content_type"))
    language: Language = Field(sa_type=string_enum(Language, "language"))
    source: EpisodeSource = Field(sa_type=string_enum(EpisodeSource, "source"))
    source_metadata: JsonDict = Field(sa_type=TypedJSON(JsonDict))
    importance: float
    occurred_at: datetime = Field(sa_type=utc())
    recorded_at: datetime = Field(sa_type=utc())
    valid_from: datetime = Field(sa_type=utc())
    valid_to: datetime | None = Field(default=None, sa_type=utc())
    entity_ids: list[UUID] = Field(sa_type=uuids())
    content_tsv: Any = Field(
        default=None,
        sa_type=TSVECTOR,
        nullable=False,
        sa_column_args=(Computed(_content_tsv(), persisted=True),),
        sa_column_kwargs={"info": {"storage": "MAIN"}},
    )


class BitemporalMixin(SQLModel):
    """When it was true, and since when we believe it."""

    valid_from: datetime = Field(sa_type=utc())
    valid_to: datetime | None = Field(default=None, sa_type=utc())
    recorded_at: datetime = Field(sa_type=utc())


class HistoryTable(TenantTable):
    """Versions that were replaced, until ``superseded_at``: never changed, and erased with the person or group."""

    revision: int = Field(primary_key=True)
    superseded_at: datetime = Field(sa_type=utc())


def _superseded_later() -> Any:
    return check("superseded_at > recorded_at", "superseded_later")


class EntityColumns(BitemporalMixin, EmbeddingColumns):
    """What is known of an entity."""

    agent_id: UUID
    customer_profile_id: UUID | None = None
    group_id: str | None = Field(default=None, max_length=255)
    name: str = Field(max_length=500)
    canonical_name: str | None = Field(default=None, max_length=500)
    entity_type: str = Field(max_length=100)
    attributes: JsonDict = Field(sa_type=TypedJSON(JsonDict))


class EntityTable(EmbeddingMixin, EntityColumns, RevisionMixin, TenantTable, table=True):
    """Entities as we know them now."""

    __tablename__ = "entities"
    __table_args__ = (
        refers_to("agents", "agent_id"),
        refers_to("customer_profiles", "customer_profile_id"),
        index("agent_id"),
        index_present("customer_profile_id"),
        index_present("canonical_name"),
        index_present("group_id"),
        index_codes("agent_id", include=("customer_profile_id", "entity_type", "valid_from", "valid_to")),
        *given("group_id", "name", "canonical_name", "entity_type"),
        valid_period(),
        whole_embedding(),
        {"info": {"storage_parameters": SEEN_SOON}},
    )


class EntityHistoryTable(EntityColumns, HistoryTable, table=True):
    """Entities as we knew them once."""

    __tablename__ = "entity_history"
    __table_args__ = (
        index("agent_id"),
        index_present("customer_profile_id"),
        index_present("canonical_name"),
        index_present("group_id"),
        _superseded_later(),
        NEVER_CHANGED,
    )


class RelationshipColumns(BitemporalMixin):
    """What is known of a relationship."""

    from_entity_id: UUID
    to_entity_id: UUID
    relation_type: str = Field(max_length=100)
    attributes: JsonDict = Field(sa_type=TypedJSON(JsonDict))
    confidence: float
    group_id: str | None = Field(default=None, max_length=255)


def _ends() -> tuple[Index, Index]:
    """From either end, in the order in which the graph is walked: the entities at the other end, then the relationships."""
    return index("from_entity_id", "to_entity_id", "id"), index("to_entity_id", "from_entity_id", "id")


class RelationshipTable(RelationshipColumns, RevisionMixin, TenantTable, table=True):
    """Relationships as we know them now."""

    __tablename__ = "relationships"
    __table_args__ = (
        refers_to("entities", "from_entity_id"),
        refers_to("entities", "to_entity_id"),
        unique("from_entity_id", "to_entity_id", "relation_type", "valid_from"),
        *_ends(),
        index_present("group_id"),
        check("confidence BETWEEN 0 AND 1", "confidence_range"),
        *given("relation_type", "group_id"),
        valid_period(),
    )


class RelationshipHistoryTable(RelationshipColumns, HistoryTable, table=True):
    """Relationships as we knew them once."""

    __tablename__ = "relationship_history"
    __table_args__ = (
        *_ends(),
        index_present("group_id"),
        _superseded_later(),
        NEVER_CHANGED,
    )
