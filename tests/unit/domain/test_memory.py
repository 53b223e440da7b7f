"""What agents remember: the rules of each object."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from focal_data.domain.memory import (
    ContentType,
    Direction,
    Entity,
    Episode,
    EpisodeSource,
    Language,
    Relationship,
)
from focal_data.ids import new_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def episode(**fields: Any) -> Episode:
    return Episode(**{"agent_id": new_id(), "content": "Hello"} | fields)


def entity(**fields: Any) -> Entity:
    return Entity(**{"agent_id": new_id(), "name": "Biscuit", "entity_type": "dog"} | fields)


def relationship(**fields: Any) -> Relationship:
    given = {"from_entity_id": new_id(), "to_entity_id": new_id(), "relation_type": "owns"}
    return Relationship(**given | fields)


def test_a_new_episode_is_a_message_of_a_user_in_any_language() -> None:
    """The defaults suit a chat."""
    made = episode()
    assert (ContentType.MESSAGE, EpisodeSource.USER, Language.SIMPLE, 0.5, None) == (
        made.content_type,
        made.source,
        made.language,
        made.importance,
        made.recorded_at,
    )


def test_an_episode_occurs_now_unless_said_otherwise() -> None:
    """The present, in UTC."""
    before = datetime.now(UTC)
    assert before <= episode().occurred_at <= datetime.now(UTC)


def test_an_episode_is_valid_from_when_it_occurred() -> None:
    """Unless said otherwise."""
    assert NOON == episode(occurred_at=NOON).valid_from
    assert NOON == episode(valid_from=NOON).valid_from


def test_evolving_an_episode_keeps_when_it_is_valid() -> None:
    """Its valid period is not counted anew."""
    assert NOON == episode(occurred_at=NOON).evolve(occurred_at=NOON + timedelta(days=1)).valid_from


@pytest.mark.parametrize("make", [episode, entity, relationship])
@pytest.mark.parametrize("length", [timedelta(0), timedelta(microseconds=-1)])
def test_a_valid_period_ends_after_it_begins(make: Any, length: timedelta) -> None:
    """An empty period is refused, and one that runs backwards."""
    with pytest.raises(ValidationError, match="valid_to"):
        make(valid_from=NOON, valid_to=NOON + length)


@pytest.mark.parametrize("importance", [-0.01, 1.01, math.nan, math.inf])
def test_importance_is_0_to_1(importance: float) -> None:
    """Anything else is refused."""
    with pytest.raises(ValidationError, match="importance"):
        episode(importance=importance)


@pytest.mark.parametrize("confidence", [-0.01, 1.01, math.nan])
def test_confidence_is_0_to_1(confidence: float) -> None:
    """Anything else is refused."""
    with pytest.raises(ValidationError, match="confidence"):
        relationship(confidence=confidence)


def test_an_unknown_language_is_refused() -> None:
    """Only those that PostgreSQL 16 can search in are taken."""
    with pytest.raises(ValidationError, match="language"):
        episode(language="klingon")


def test_there_are_29_languages() -> None:
    """As many as PostgreSQL 16 has configurations."""
    assert 29 == len(Language)


@pytest.mark.parametrize(
    ("make", "field", "longest"),
    [
        (entity, "name", 500),
        (entity, "canonical_name", 500),
        (entity, "entity_type", 100),
        (entity, "group_id", 255),
        (episode, "group_id", 255),
        (relationship, "relation_type", 100),
    ],
)
def test_lengths(make: Any, field: str, longest: int) -> None:
    """A text may be so long and no longer, and not empty."""
    assert "x" * longest == getattr(make(**{field: "x" * longest}), field)
    for bad in ("", "x" * (longest + 1)):
        with pytest.raises(ValidationError, match=field):
            make(**{field: bad})


@pytest.mark.parametrize("name", ["created_at", "updated_at", "deleted_at"])
@pytest.mark.parametrize("model", [Episode, Entity, Relationship])
def test_memory_has_recorded_time_instead(model: Any, name: str) -> None:
    """What has a recorded time has no other times of the store's."""
    assert (False, True) == (name in model.model_fields, "recorded_at" in model.model_fields)


def test_an_episode_has_no_revision() -> None:
    """It is added or deleted, never changed."""
    assert "revision" not in Episode.model_fields


@pytest.mark.parametrize(
    ("expected", "enumeration"),
    [
        ("message turn summary fact event document", ContentType),
        ("user agent system external", EpisodeSource),
        ("outgoing incoming both", Direction),
    ],
)
def test_enumerations(expected: str, enumeration: Any) -> None:
    """The values are those of the contract."""
    assert expected.split() == [member.value for member in enumeration]
