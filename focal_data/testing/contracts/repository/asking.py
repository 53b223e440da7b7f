"""What conditions mean, by example; ``domain/conditions.py`` says it in words."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from focal_data.domain.conditions import CONDITION, AllOf, AnyOf, Condition, field
from focal_data.testing.contracts.notes import Mood, Note
from focal_data.testing.contracts.repository.kit import KitContract, Notes, titles

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE = UUID(int=1)

TEA = Note(
    title="tea",
    body="Green tea, 80 °C",
    stars=5,
    weight=0.5,
    pinned=True,
    due_at=NOON,
    tags=["drink", "hot"],
    reader_ids=[ONE],
    attributes={"origin": {"country": "jp", "year": 2024}, "prices": [3, 4.5], "note": None, "1": "one"},
)
ALE = Note(
    title="ale",
    stars=-1,
    mood=Mood.CROSS,
    tags=["drink"],
    attributes={"origin": {"country": "uk"}, "prices": [{"pint": 6}]},
)
BUN = Note(title="Bun", body="", stars=0, attributes={"origin": "jp", "prices": 3})

EXAMPLES: dict[str, tuple[Condition, list[str]]] = {
    "equal text": (field("title").equals("tea"), ["tea"]),
    "the case tells": (field("title").equals("Tea"), []),
    "an enumeration": (field("mood").equals(Mood.CROSS), ["ale"]),
    "an enumeration's text": (field("mood").equals("cross"), ["ale"]),
    "an id": (field("reader_ids").contains(ONE), ["tea"]),
    "truth": (field("pinned").equals(True), ["tea"]),
    "a whole list": (field("tags").equals(["drink"]), ["ale"]),
    "one of": (field("stars").one_of(0, 5, 7), ["tea", "Bun"]),
    "one of none": (field("stars").one_of(), []),
    "from": (field("stars").between(0), ["tea", "Bun"]),
    "before": (field("stars").between(end=5), ["ale", "Bun"]),
    "from and before": (field("due_at").between(NOON, NOON.replace(microsecond=1)), ["tea"]),
    "an end is outside": (field("due_at").between(end=NOON), []),
    "text by code points": (field("title").between("B", "a"), ["Bun"]),
    "a part": (field("body").contains("tea"), ["tea"]),
    "a part is no pattern": (field("body").contains("%"), []),
    "an empty part": (field("body").contains(""), ["tea", "Bun"]),
    "an element": (field("tags").contains("drink"), ["tea", "ale"]),
    "no value": (field("body").is_null(), ["ale"]),
    "not met without a value": (~field("body").contains("tea"), ["ale", "Bun"]),
    "a value, and not this": (~field("body").equals("") & ~field("body").is_null(), ["tea"]),
    "a place": (field("attributes", "origin", "country").equals("jp"), ["tea"]),
    "a number is no text": (field("attributes", "1").equals(1), []),
    "a number by its value": (field("attributes", "prices", 0).equals(3.0), ["tea"]),
    "a place in what is no list": (~field("attributes", "prices", 0).is_null(), ["tea", "ale"]),
    "a range in JSON": (field("attributes", "prices", 1).between(4.5), ["tea"]),
    "a range is of numbers": (field("attributes", "origin", "country").between(0), []),
    "null in JSON": (field("attributes", "note").is_null(), ["tea", "ale", "Bun"]),
    "JSON holds an object": (field("attributes").contains({"origin": {"country": "jp"}}), ["tea"]),
    "JSON holds elements": (field("attributes", "prices").contains([4.5]), ["tea"]),
    "JSON holds a bare one": (field("attributes", "prices").contains(3), ["tea", "Bun"]),
    "JSON is one of": (field("attributes", "origin").one_of("jp", {"country": "uk"}), ["ale", "Bun"]),
    "all of": (field("tags").contains("drink") & field("tags").contains("hot"), ["tea"]),
    "any of": (field("title").equals("ale") | field("title").equals("tea"), ["tea", "ale"]),
    "not any of": (~(field("title").equals("ale") | field("stars").equals(5)), ["Bun"]),
    "not all of": (~(field("tags").contains("drink") & field("body").is_null()), ["tea", "Bun"]),
    "all of none": (AllOf(conditions=()), ["tea", "ale", "Bun"]),
    "any of none": (AnyOf(conditions=()), []),
}


class AskingContract(KitContract):
    """Typed conditions."""

    @pytest.mark.parametrize("case", EXAMPLES)
    async def test_conditions_mean_what_they_say(self, notes: Notes, case: str) -> None:
        """In a list, a count and a stream, and the same when they have been to JSON and back."""
        condition, expected = EXAMPLES[case]
        await notes.add_many([TEA, ALE, BUN])
        again = CONDITION.validate_json(condition.model_dump_json())
        assert condition == again
        assert expected == titles(await notes.list(where=again))
        assert len(expected) == await notes.count(again)
        assert expected == [note.title async for note in notes.stream(where=again, batch_size=1)]
