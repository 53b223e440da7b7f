"""How well a project is understood."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_data.domain.ideation import MaturityCategory, MaturityState
from focal_data.domain.maturity import (
    MATURITY_LEVELS,
    MATURITY_RULES,
    SUBMIT_SCORE,
    MaturityAspect,
    assessed,
    maturity_level,
)
from focal_data.errors import InvalidDataError

REQUIRED = [aspect for aspect, rule in MATURITY_RULES.items() if rule.required_for_submit]
ALL_HIGH: dict[str, float] = dict.fromkeys(MATURITY_RULES, 100.0)


def test_the_weights_are_percent() -> None:
    """And every aspect has one."""
    assert 100 == sum(rule.weight for rule in MATURITY_RULES.values())
    assert list(MaturityAspect) == list(MATURITY_RULES)


@pytest.mark.parametrize(
    ("score", "level"),
    [
        (0, "concept"),
        (19.9, "concept"),
        (20, "exploring"),
        (40, "defined"),
        (60, "refined"),
        (79.9, "refined"),
        (80, "complete"),
        (100, "complete"),
    ],
)
def test_a_level_begins_at_its_score(score: float, level: str) -> None:
    """And ends below that of the next."""
    assert level == maturity_level(score)


def test_nothing_is_known_of_a_new_project() -> None:
    """Everything is a gap, what is required first."""
    state = assessed("s", {})
    assert (0.0, "concept", False) == (state.score, state.level, state.can_submit)
    assert list(MATURITY_RULES) == [category.id for category in state.categories]
    assert len(MATURITY_RULES) == len(state.gaps)
    names = [gap.partition(":")[0] for gap in state.gaps]
    assert [MATURITY_RULES[aspect].name for aspect in REQUIRED] == names[: len(REQUIRED)]


def test_the_score_is_the_weighted_mean() -> None:
    """To a tenth."""
    assert 25.0 == assessed("s", {MaturityAspect.FUNCTIONS: 100}).score
    assert 100.0 == assessed("s", ALL_HIGH).score
    assert 3.3 == assessed("s", {MaturityAspect.SUCCESS: 33.3}).score


@pytest.mark.parametrize("aspect", MaturityAspect)
def test_it_can_be_submitted_when_what_is_required_is_high_enough(aspect: MaturityAspect) -> None:
    """Each of those; at the limit it is, and the others do not count."""
    below = assessed("s", ALL_HIGH | {aspect: SUBMIT_SCORE - 0.1})
    assert (aspect not in REQUIRED) == below.can_submit
    assert [f"{MATURITY_RULES[aspect].name}: {MATURITY_RULES[aspect].asks}"] == below.gaps
    enough = assessed("s", ALL_HIGH | {aspect: SUBMIT_SCORE})
    assert (True, []) == (enough.can_submit, enough.gaps)


def test_a_category_that_is_left_out_keeps_its_score() -> None:
    """While those that are told replace theirs, downwards too."""
    before = assessed("s", {MaturityAspect.PROBLEM: 80, MaturityAspect.USERS: 50})
    after = assessed("s", {MaturityAspect.USERS: 40}, before)
    assert [80, 40] == [category.score for category in after.categories[:2]]


def test_a_category_without_a_rule_stays() -> None:
    """It has no weight, and where it is required it is needed."""
    own = MaturityCategory(id="legal", name="Legal", score=10, required_for_submit=True)
    before = MaturityState(session_id="s", level="x", categories=[own])
    after = assessed("s", ALL_HIGH, before)
    assert (own, 100.0, False, ["Legal"]) == (
        after.categories[-1],
        after.score,
        after.can_submit,
        after.gaps,
    )
    assert assessed("s", {}, before.evolve(categories=[own.evolve(score=100)])).gaps[-1] != "Legal"


@pytest.mark.parametrize(
    ("scores", "field"),
    [
        ({"legal": 1.0}, "scores"),
        ({"users": -0.1}, "scores.users"),
        ({"users": 100.1}, "scores.users"),
        ({"users": float("nan")}, "scores.users"),
        ({"users": True}, "scores.users"),
        ({"users": "5"}, "scores.users"),
    ],
)
def test_what_is_no_score_is_refused(scores: Any, field: str) -> None:
    """By the name of its category."""
    with pytest.raises(InvalidDataError) as caught:
        assessed("s", scores)
    assert field == caught.value.field


@given(st.dictionaries(st.sampled_from(MaturityAspect), st.floats(0, 100)))
def test_a_state_is_always_whole(scores: dict[str, float]) -> None:
    """Its score lies in its level, it can be submitted without a required gap, and nothing new changes nothing."""
    state = assessed("s", scores)
    assert 0 <= state.score <= 100
    assert state.level in [name for _, name in MATURITY_LEVELS]
    assert state.can_submit == all(scores.get(aspect, 0) >= SUBMIT_SCORE for aspect in REQUIRED)
    assert state == assessed("s", {}, state)
