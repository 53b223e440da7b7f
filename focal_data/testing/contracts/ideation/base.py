"""What the suites of the ideation stores share: a session, and everything that can hang on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID, uuid4

import pytest

from focal_data.domain.ideation import (
    ChatMessage,
    DataSource,
    ExtractedRequirement,
    IdeationSession,
    MaturityCategory,
    MaturityState,
    MessageRole,
    PRDDraft,
    PRDSection,
    ProjectStatus,
    RequirementPriority,
    RequirementType,
    UserStory,
)
from focal_data.stores.ideation import IdeationStores, IdeationTenant

IdeationTenants = Callable[[UUID], IdeationTenant]

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORES_OWN: Final = {"tenant_id", "version", "position", "created_at", "updated_at"}
"""What a store fills in, whatever it was given; a draft's ``version`` is not among it."""

ODD_IDS: Final = [
    "x",
    "0" * 64,
    "{a}:{b}",
    "{",
    "}{",
    "a b\tc\nd\r\n",
    " ",
    ":",
    "*?[a-z]\\",
    "%_'\"$1;--",
    "../..",
    "é\u0301\u202e🦊",
    "🦊" * 64,
    "None",
]
"""Ids that a key or a statement could trip over."""


def a_session(**changes: object) -> IdeationSession:
    """A project in the making."""
    given = {"id": str(uuid4()), "project_name": "A shop 🦊", "user_id": "ada"}
    return IdeationSession.model_validate(given | changes)


def a_message(session_id: str, content: str = "hello", **changes: object) -> ChatMessage:
    """One message of a session."""
    given = {"session_id": session_id, "role": MessageRole.USER, "content": content, "timestamp": NOON}
    return ChatMessage.model_validate(given | changes)


def a_requirement(session_id: str, **changes: object) -> ExtractedRequirement:
    """A requirement, with every field."""
    given = {
        "session_id": session_id,
        "description": "Sells 🦊",
        "type": RequirementType.NON_FUNCTIONAL,
        "priority": RequirementPriority.COULD_HAVE,
        "category_id": "{scope}",
    }
    return ExtractedRequirement.model_validate(given | changes)


def a_maturity(session_id: str, **changes: object) -> MaturityState:
    """A maturity, with every field."""
    categories = [
        MaturityCategory(id="{a}", name="Scope", score=100.0, required_for_submit=True),
        MaturityCategory(id="b:c", name="Users 🦊", score=0.1),
    ]
    given = {
        "session_id": session_id,
        "score": 41.7,
        "level": "defined",
        "categories": categories,
        "can_submit": True,
        "gaps": ["Who pays?", ""],
    }
    return MaturityState.model_validate(given | changes)


def a_draft(session_id: str, **changes: object) -> PRDDraft:
    """A draft, with every field; its sections are not in their order."""
    sections = [
        PRDSection(id="s2", heading="Users", content="", order=2**31 - 1),
        PRDSection(id="s 1", heading="Goals 🦊", content="Sell.\n", order=-1),
    ]
    given = {
        "session_id": session_id,
        "title": "A shop",
        "version": "0.2.0",
        "sections": sections,
        "status": "review",
    }
    return PRDDraft.model_validate(given | changes)


def a_story(session_id: str, title: str = "Buy", **changes: object) -> UserStory:
    """A story, with every field."""
    given = {
        "session_id": session_id,
        "title": title,
        "as_a": "customer",
        "i_want": "to buy 🦊",
        "so_that": "I have it",
        "acceptance_criteria": ["It is mine", ""],
        "linked_requirements": ["r1", "{r}:2"],
        "priority": RequirementPriority.MUST_HAVE,
    }
    return UserStory.model_validate(given | changes)


def a_full_session(**changes: object) -> IdeationSession:
    """A session with nothing left to its default."""
    given = {"status": ProjectStatus.IN_BUILD, "data_source": DataSource.CONFIGURED}
    return a_session(**given | changes)


def spoiled(entity: Any, **changes: object) -> Any:
    """``entity`` with what its model would have refused."""
    return type(entity).model_construct(**{**entity.__dict__, **changes})


class Parts(NamedTuple):
    """Everything that hangs on a session."""

    messages: list[ChatMessage]
    requirements: list[ExtractedRequirement]
    maturity: MaturityState | None
    draft: PRDDraft | None
    stories: list[UserStory]


NOTHING: Final = Parts([], [], None, None, [])


async def all_parts(stores: IdeationStores, session_id: str) -> Parts:
    """What hangs on the session, up to 1,000 messages."""
    return Parts(
        await stores.messages.get_by_session(session_id, limit=1000),
        await stores.requirements.get_by_session(session_id),
        await stores.maturity.get_by_session(session_id),
        await stores.prd.get_draft(session_id),
        await stores.prd.get_user_stories(session_id),
    )


async def filled(stores: IdeationStores, session: IdeationSession) -> Parts:
    """``session`` with two of everything, as it was stored."""
    stored = await stores.sessions.create(session)
    return Parts(
        [await stores.messages.create(a_message(stored.id, text)) for text in ("one", "two")],
        [await stores.requirements.create(a_requirement(stored.id)) for _ in range(2)],
        await stores.maturity.save(a_maturity(stored.id)),
        [await stores.prd.save_draft(a_draft(stored.id)) for _ in range(2)][1],
        await stores.prd.save_user_stories(stored.id, [a_story(stored.id), a_story(stored.id, "Sell")]),
    )


class IdeationSuite:
    """The fixtures of every suite of the ideation stores. A subclass overrides ``tenants``, and the flag where it must."""

    one_session_per_transaction: ClassVar[bool] = False
    """Whether a transaction spans one ideation session, and its own changes do not show in lists of several."""

    @pytest.fixture
    def tenants(self) -> IdeationTenants:
        """The implementation under test: a tenant's id to its stores."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `tenants`: a tenant's id to its stores"
        )

    @pytest.fixture
    def ideation(self, tenants: IdeationTenants) -> IdeationTenant:
        """The stores of a tenant of this test alone."""
        return tenants(uuid4())

    @pytest.fixture
    def other(self, tenants: IdeationTenants) -> IdeationTenant:
        """Another tenant of this test alone, which must see nothing of the first."""
        return tenants(uuid4())

    @pytest.fixture
    async def session(self, ideation: IdeationTenant) -> IdeationSession:
        """A session that is stored, and nothing hangs on it."""
        return await ideation.sessions.create(a_session())
