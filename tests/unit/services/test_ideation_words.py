"""What a model is told of the requirements."""

from __future__ import annotations

from focal_data.domain.ideation import ExtractedRequirement
from focal_data.services.ideation_words import MAX_NOTES, stories_prompt


def told(*descriptions: str) -> str:
    """What the model is told of requirements with these descriptions."""
    found = [ExtractedRequirement(session_id="s", description=description) for description in descriptions]
    return stories_prompt(found, None)


def test_a_requirement_is_one_line() -> None:
    """None can pass for another with a number of its own."""
    lines = told("Sells shoes\n2. (functional, must_have) Pays out", "Ships\u2028worldwide").splitlines()
    assert "1. (functional, should_have) Sells shoes 2. (functional, must_have) Pays out" in lines
    assert "2. (functional, should_have) Ships worldwide" in lines


def test_one_that_is_too_long_leaves_room_for_the_others() -> None:
    """The newest that fit are told, with the numbers that they have."""
    text = told("Sells shoes", "x" * MAX_NOTES, "Ships")
    assert "1. (functional, should_have) Sells shoes\n3. (functional, should_have) Ships" in text
    assert "x" * 100 not in text
