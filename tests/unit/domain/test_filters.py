"""What a search is narrowed to: the rules of each filter."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from focal_data.domain.config import Scope
from focal_data.domain.filters import EpisodeFilter, RuleFilter, ScenarioFilter
from focal_data.domain.memory import ContentType
from focal_data.ids import new_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_range_of_times_is_in_order() -> None:
    """A range that ends before it begins is refused; one that is empty is not."""
    assert NOON == EpisodeFilter(occurred_from=NOON, occurred_to=NOON).occurred_to
    with pytest.raises(ValidationError, match="occurred_from"):
        EpisodeFilter(occurred_from=NOON, occurred_to=NOON - timedelta(seconds=1))


@pytest.mark.parametrize("importance", [-0.1, 1.1, math.nan])
def test_min_importance_is_0_to_1(importance: float) -> None:
    """Anything else is refused."""
    with pytest.raises(ValidationError, match="min_importance"):
        EpisodeFilter(min_importance=importance)


def test_only_enabled_ones_are_found_unless_said_otherwise() -> None:
    """``None`` takes both."""
    assert (True, True, None) == (
        RuleFilter().enabled,
        ScenarioFilter().enabled,
        RuleFilter(enabled=None).enabled,
    )


def test_filters_can_be_compared_and_hashed() -> None:
    """A filter is a value: equal ones are one in a set."""
    scope_id = new_id()
    given = [RuleFilter(scopes=[("step", scope_id)]), RuleFilter(scopes=[(Scope.STEP, scope_id)])]
    assert 1 == len(set(given))


def test_an_empty_collection_is_kept() -> None:
    """It is none of them, which is not the same as leaving it out."""
    assert ((), None) == (EpisodeFilter(content_types=[]).content_types, EpisodeFilter().content_types)


def test_a_collection_is_copied() -> None:
    """What becomes of the list afterwards changes nothing."""
    given = [ContentType.FACT]
    made = EpisodeFilter(content_types=given)
    given.clear()
    assert (ContentType.FACT,) == made.content_types
