"""The ideation studio: from a conversation to a requirements document. Everything hangs on its session.

Ids are text, because existing deployments hold such ids. Times that are left out are the store's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from focal_data.domain.base import (
    NO_NUL,
    Count,
    ExternalId,
    Integer,
    JsonObject,
    Name,
    Text,
    UtcDatetime,
    ValueObject,
)
from focal_data.domain.validity import now
from focal_data.ids import NO_TENANT, TenantId, new_id

IdeationId = Annotated[str, Field(min_length=1, max_length=64), NO_NUL]
Score = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


def _new_text_id() -> str:
    return str(new_id())


class ProjectStatus(StrEnum):
    """How far a project has come."""

    DRAFT = "draft"
    APPROVED = "approved"
    IN_BUILD = "in_build"
    CLOSED = "closed"


class DataSource(StrEnum):
    """Whether a project works on made-up data or on data that was set up for it."""

    MOCK = "mock"
    CONFIGURED = "configured"


class MessageRole(StrEnum):
    """Who wrote a message."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class RequirementType(StrEnum):
    """Whether a requirement says what the system does, or how well."""

    FUNCTIONAL = "functional"
    NON_FUNCTIONAL = "non_functional"


class RequirementPriority(StrEnum):
    """How much a requirement or a story matters."""

    MUST_HAVE = "must_have"
    SHOULD_HAVE = "should_have"
    COULD_HAVE = "could_have"


class _IdeationEntity(ValueObject):
    """Something of the studio's. ``tenant_id`` is the nil UUID until the store fills it in."""

    tenant_id: TenantId = NO_TENANT
    id: IdeationId = Field(default_factory=_new_text_id)


class _IdeationPart(_IdeationEntity):
    """Something that hangs on a session, and goes when it goes."""

    session_id: IdeationId


class IdeationSession(_IdeationEntity):
    """A project in the making. ``version`` is its optimistic lock; 0 means not stored yet."""

    project_name: Text
    user_id: ExternalId
    status: ProjectStatus = ProjectStatus.DRAFT
    data_source: DataSource = DataSource.MOCK
    version: Count = 0
    created_at: UtcDatetime | None = None
    updated_at: UtcDatetime | None = None


class ChatMessage(_IdeationPart):
    """One message of a session. The store gives it its ``position``, which is ``None`` until then."""

    position: Count | None = None
    role: MessageRole
    content: Text
    timestamp: UtcDatetime = Field(default_factory=now)
    maturity_delta: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = 0.0
    """By how much the message moved the maturity score."""
    metadata: JsonObject | None = None


class ExtractedRequirement(_IdeationPart):
    """A requirement found in the conversation."""

    description: Text
    type: RequirementType = RequirementType.FUNCTIONAL
    priority: RequirementPriority = RequirementPriority.SHOULD_HAVE
    category_id: IdeationId | None = None
    created_at: UtcDatetime | None = None


class MaturityCategory(ValueObject):
    """One side of a project, and how well it is understood."""

    id: IdeationId
    name: Name
    score: Score = 0.0
    required_for_submit: bool = False


class MaturityState(ValueObject):
    """How well a project is understood. One for each session, whose id is its key."""

    tenant_id: TenantId = NO_TENANT
    session_id: IdeationId
    score: Score = 0.0
    level: Name
    categories: list[MaturityCategory] = Field(default_factory=list)
    can_submit: bool = False
    gaps: list[Text] = Field(default_factory=list)
    updated_at: UtcDatetime | None = None


class PRDSection(ValueObject):
    """One section of a requirements document."""

    id: IdeationId = Field(default_factory=_new_text_id)
    heading: Text
    content: Text
    order: Integer


class PRDDraft(_IdeationPart):
    """A draft of the requirements document. Of several, the one created last counts."""

    title: Text
    version: Name = "0.1.0"
    sections: list[PRDSection] = Field(default_factory=list)
    status: Name = "draft"
    created_at: UtcDatetime | None = None


class UserStory(_IdeationPart):
    """What someone wants, and why."""

    title: Text
    as_a: Text
    i_want: Text
    so_that: Text
    acceptance_criteria: list[Text] = Field(default_factory=list)
    linked_requirements: list[IdeationId] = Field(default_factory=list)
    priority: RequirementPriority = RequirementPriority.SHOULD_HAVE
    created_at: UtcDatetime | None = None
