"""The studio: the rules of each object."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from focal_data.domain.ideation import (
    ChatMessage,
    DataSource,
    IdeationSession,
    MaturityState,
    MessageRole,
    PRDDraft,
    ProjectStatus,
    RequirementPriority,
    RequirementType,
    UserStory,
)


def test_a_new_id_is_a_uuidv7_as_text() -> None:
    """Where none is given."""
    assert 7 == UUID(IdeationSession(project_name="Shop", user_id="u").id).version


@pytest.mark.parametrize("bad", ["", "x" * 65])
def test_an_id_is_1_to_64_characters(bad: str) -> None:
    """Shorter or longer is refused."""
    with pytest.raises(ValidationError, match="id"):
        IdeationSession(id=bad, project_name="Shop", user_id="u")


@pytest.mark.parametrize("score", [-1, 100.5, math.nan])
def test_a_score_is_0_to_100(score: float) -> None:
    """Anything else is refused."""
    with pytest.raises(ValidationError, match="score"):
        MaturityState(session_id="s", level="concept", score=score)


def test_a_message_has_no_place_until_it_is_stored() -> None:
    """The store counts the positions."""
    message = ChatMessage(session_id="s", role="user", content="Hello")
    assert (None, 0, None) == (message.position, message.maturity_delta, message.metadata)


def test_a_story_should_be_had_unless_said_otherwise() -> None:
    """As existing deployments have it."""
    story = UserStory(session_id="s", title="t", as_a="a", i_want="b", so_that="c")
    assert RequirementPriority.SHOULD_HAVE == story.priority


def test_a_draft_begins_at_0_1_0() -> None:
    """Its version is text."""
    assert "0.1.0" == PRDDraft(session_id="s", title="Shop").version


@pytest.mark.parametrize(
    ("expected", "enumeration"),
    [
        ("draft approved in_build closed", ProjectStatus),
        ("mock configured", DataSource),
        ("user assistant system", MessageRole),
        ("functional non_functional", RequirementType),
        ("must_have should_have could_have", RequirementPriority),
    ],
)
def test_enumerations(expected: str, enumeration: Any) -> None:
    """The values are those of the contract."""
    assert expected.split() == [member.value for member in enumeration]
