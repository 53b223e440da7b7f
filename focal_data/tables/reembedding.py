"""Embeddings of another model, kept beside those that are searched until all of a tenant's are there."""

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary
from sqlmodel import Field

from focal_data.tables.base import EmbeddingMixin, TenantTable
from focal_data.tables.columns import check, refers_to, unique, whole_embedding

OWNER_ONLY = {"info": {"grants": ()}}
"""Table arguments: the application may do nothing to it; it is the operator's."""


class StagedEmbeddingTable(EmbeddingMixin, TenantTable, table=True):
    """One of one thing, which takes it along when it is deleted; without an embedding, the model refused the text."""

    __tablename__ = "staged_embeddings"
    __table_args__ = (
        refers_to("episodes", "episode_id", ondelete="CASCADE"),
        refers_to("rules", "rule_id", ondelete="CASCADE"),
        refers_to("scenarios", "scenario_id", ondelete="CASCADE"),
        refers_to("entities", "entity_id", ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "version_id", "revision"],
            ["entity_history.tenant_id", "entity_history.id", "entity_history.revision"],
            ondelete="CASCADE",
        ),
        unique("episode_id"),
        unique("rule_id"),
        unique("scenario_id"),
        unique("entity_id"),
        unique("version_id", "revision"),
        check("num_nonnulls(episode_id, rule_id, scenario_id, entity_id, version_id) = 1", "one_thing"),
        check("target_model <> ''", "target_model_given"),
        whole_embedding(),
        OWNER_ONLY,
    )

    episode_id: UUID | None = None
    rule_id: UUID | None = None
    scenario_id: UUID | None = None
    entity_id: UUID | None = None
    version_id: UUID | None = None
    """Of an entity's version in the history, which ``revision`` numbers."""
    revision: int
    """Of the thing as it was embedded; 0 where it has none."""
    digest: bytes = Field(sa_type=LargeBinary)
    """SHA-256 of what its text is made of, as it was embedded."""
    target_model: str = Field(max_length=255)
    """The model that was asked."""
