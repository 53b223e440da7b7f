"""The ideation studio: sessions, and all that hangs on them and goes with them. Ids are text, from existing deployments."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Text
from sqlalchemy.orm import declared_attr
from sqlmodel import Field

from focal_data.domain.ideation import (
    DataSource,
    MaturityCategory,
    MessageRole,
    PRDSection,
    ProjectStatus,
    RequirementPriority,
    RequirementType,
)
from focal_data.tables.base import TenantScopedTable, TimestampMixin
from focal_data.tables.columns import (
    JsonDict,
    TypedJSON,
    at_least,
    check,
    given,
    index,
    refers_to,
    string_enum,
    texts,
    unique,
    utc,
)


class IdeationTable(TenantScopedTable):
    """A table with the primary key ``(tenant_id, id)``, the id being text."""

    id: str = Field(primary_key=True, max_length=64)


def _part_of_session() -> ForeignKeyConstraint:
    return refers_to("ideation_sessions", "session_id", ondelete="CASCADE")


class IdeationSessionTable(TimestampMixin, IdeationTable, table=True):
    """Projects in the making; ``version`` is their optimistic lock."""

    __tablename__ = "ideation_sessions"
    __table_args__ = (index("user_id", "updated_at", "id"), *given("id", "user_id"))

    project_name: str = Field(sa_type=Text)
    user_id: str = Field(max_length=255)
    status: ProjectStatus = Field(sa_type=string_enum(ProjectStatus, "status"))
    data_source: DataSource = Field(sa_type=string_enum(DataSource, "data_source"))
    version: int = Field(default=1)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"version_id_col": cls.__table__.c.version}  # type: ignore[attr-defined]


class ChatMessageTable(IdeationTable, table=True):
    """Messages, in the order of their positions."""

    __tablename__ = "ideation_messages"
    __table_args__ = (
        _part_of_session(),
        unique("session_id", "position"),
        check("maturity_delta BETWEEN -100 AND 100", "maturity_delta_range"),
        *given("id"),
        *at_least(0, "position"),
    )

    session_id: str = Field(max_length=64)
    position: int
    role: MessageRole = Field(sa_type=string_enum(MessageRole, "role"))
    content: str = Field(sa_type=Text)
    timestamp: datetime = Field(sa_type=utc())
    maturity_delta: float
    message_metadata: JsonDict | None = Field(  # SQLModel's own ``metadata`` takes the name
        default=None, sa_type=TypedJSON(JsonDict), sa_column_kwargs={"name": "metadata"}
    )


class ExtractedRequirementTable(IdeationTable, table=True):
    """Requirements found in conversations."""

    __tablename__ = "ideation_requirements"
    __table_args__ = (
        _part_of_session(),
        index("session_id", "created_at", "id"),
        *given("id", "category_id"),
    )

    session_id: str = Field(max_length=64)
    description: str = Field(sa_type=Text)
    type: RequirementType = Field(sa_type=string_enum(RequirementType, "type"))
    priority: RequirementPriority = Field(sa_type=string_enum(RequirementPriority, "priority"))
    category_id: str | None = Field(default=None, max_length=64)
    created_at: datetime = Field(sa_type=utc())


class MaturityStateTable(TenantScopedTable, table=True):
    """How well each project is understood."""

    __tablename__ = "ideation_maturity"
    __table_args__ = (
        _part_of_session(),
        check("score BETWEEN 0 AND 100", "score_range"),
        *given("level"),
    )

    session_id: str = Field(primary_key=True, max_length=64)
    score: float
    level: str = Field(max_length=255)
    categories: list[MaturityCategory] = Field(sa_type=TypedJSON(list[MaturityCategory]))
    can_submit: bool
    gaps: list[str] = Field(sa_type=texts())
    updated_at: datetime = Field(sa_type=utc())


class PRDDraftTable(IdeationTable, table=True):
    """Drafts of requirements documents; the one created last counts."""

    __tablename__ = "ideation_prd_drafts"
    __table_args__ = (
        _part_of_session(),
        index("session_id", "created_at", "id"),
        *given("id", "version", "status"),
    )

    session_id: str = Field(max_length=64)
    title: str = Field(sa_type=Text)
    version: str = Field(max_length=255)
    sections: list[PRDSection] = Field(sa_type=TypedJSON(list[PRDSection]))
    status: str = Field(max_length=255)
    created_at: datetime = Field(sa_type=utc())


class UserStoryTable(IdeationTable, table=True):
    """User stories, replaced all together; ``position`` keeps the order in which they were given."""

    __tablename__ = "ideation_user_stories"
    __table_args__ = (
        _part_of_session(),
        unique("session_id", "position"),
        *given("id"),
        *at_least(0, "position"),
    )

    session_id: str = Field(max_length=64)
    position: int
    title: str = Field(sa_type=Text)
    as_a: str = Field(sa_type=Text)
    i_want: str = Field(sa_type=Text)
    so_that: str = Field(sa_type=Text)
    acceptance_criteria: list[str] = Field(sa_type=texts())
    linked_requirements: list[str] = Field(sa_type=texts())
    priority: RequirementPriority = Field(sa_type=string_enum(RequirementPriority, "priority"))
    created_at: datetime = Field(sa_type=utc())
