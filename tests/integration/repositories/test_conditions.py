"""Conditions mean in PostgreSQL what they mean in memory: random ones over random notes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.conditions import AllOf, AnyOf, Condition, field
from focal_data.domain.listing import Request
from focal_data.domain.matching import matches
from focal_data.errors import InvalidDataError
from focal_data.repositories.listing import FORMS
from focal_data.testing.contracts.notes import Mood, Note
from tests.notes import NoteRepository

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = ["", "a", "A", "ab", "b%_", "é", "e\u0301", "ß", "z", "Ab ab", "\U0001f600", "\uffff", "a\\"]
NUMBERS = [0, 1, -1, 2, 2**31 - 1, -(2**31)]
FLOATS = [0.0, -0.0, 1.0, 0.1, -2.5, 1e16, 1e300, 5e-324]
TIMES = [NOON + timedelta(hours=n, microseconds=n) for n in range(4)]
IDS = [UUID(int=n) for n in (1, 2, 2**127)]
SCALARS: list[Any] = [None, True, False, 0, 1, 1.0, -0.0, 2**62, float(2**62), 1e16, 0.1, "", "a", "0", "1"]
KEYS = ["a", "b", "0", ""]


def some_json(rnd: random.Random, depth: int = 3) -> Any:
    """Small JSON, of few values, so that one is often found in another."""
    kind = rnd.random()
    if depth == 0 or kind < 0.4:
        return rnd.choice(SCALARS)
    if kind < 0.7:
        return [some_json(rnd, depth - 1) for _ in range(rnd.randrange(3))]
    return {rnd.choice(KEYS): some_json(rnd, depth - 1) for _ in range(rnd.randrange(3))}


def a_note(rnd: random.Random) -> Note:
    """A note of values that the conditions ask for."""
    return Note(
        title=rnd.choice(TEXTS[1:]),
        body=rnd.choice([None, *TEXTS]),
        mood=rnd.choice(list(Mood)),
        stars=rnd.choice(NUMBERS),
        weight=rnd.choice([None, *FLOATS]),
        pinned=rnd.random() < 0.5,
        due_at=rnd.choice([None, *TIMES]),
        tags=rnd.choices(TEXTS, k=rnd.randrange(3)),
        reader_ids=rnd.choices(IDS, k=rnd.randrange(3)),
        attributes={rnd.choice(KEYS): some_json(rnd) for _ in range(rnd.randrange(4))},
    )


PLAIN: dict[str, list[Any]] = {
    "title": TEXTS,
    "body": TEXTS,
    "mood": list(Mood),
    "stars": [*NUMBERS, 2**40],
    "weight": FLOATS,
    "pinned": [True, False],
    "due_at": TIMES,
    "id": IDS,
    "about_id": IDS,
}
RANGED = ("title", "body", "stars", "weight", "due_at", "id")
JSON = st.integers().map(lambda seed: some_json(random.Random(seed))).filter(lambda value: value is not None)  # noqa: S311
PATHS = st.lists(st.sampled_from([*KEYS, 0, 1]), max_size=3)


@st.composite
def leaves(draw: st.DrawFn) -> Condition:
    """A condition on one field, of any kind that there is."""
    return draw(st.sampled_from([_plain, _ranged, _held, _json, _absent]))(draw)


def _plain(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(list(PLAIN)))
    values = st.sampled_from(PLAIN[name])
    if draw(st.booleans()):
        return field(name).equals(draw(values))
    return field(name).one_of(*draw(st.lists(values, max_size=3)))


def _ranged(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(RANGED))
    values = st.sampled_from(PLAIN[name])
    start = draw(values)
    return (
        field(name).between(start, draw(st.none() | values))
        if draw(st.booleans())
        else field(name).between(end=start)
    )


def _held(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(["title", "body", "tags", "reader_ids"]))
    values = st.sampled_from(IDS if name == "reader_ids" else TEXTS)
    if name in ("tags", "reader_ids") and draw(st.booleans()):
        return field(name).equals(draw(st.lists(values, max_size=2)))
    return field(name).contains(draw(values))


def _json(draw: st.DrawFn) -> Condition:
    place = field("attributes", *draw(PATHS))
    match draw(st.sampled_from(["equals", "one_of", "between", "contains"])):
        case "equals":
            return place.equals(draw(JSON))
        case "one_of":
            return place.one_of(*draw(st.lists(JSON, max_size=3)))
        case "between":
            return place.between(
                draw(st.sampled_from([0, 0.1, 1, 2**62, float(2**62)])), draw(st.none() | st.just(1e17))
            )
        case _:
            return place.contains(draw(JSON))


def _absent(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(["body", "weight", "tags", "title", "attributes"]))
    return field(name, *(draw(PATHS) if name == "attributes" else ())).is_null()


CONDITIONS = st.recursive(
    leaves(),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: AllOf(conditions=tuple(parts)))
        | st.lists(inner, max_size=3).map(lambda parts: AnyOf(conditions=tuple(parts)))
        | inner.map(lambda condition: ~condition)
    ),
    max_leaves=5,
)


class Library:
    """Notes, and all that are stored of them. (Hypothesis shows what it is given: of this, nothing.)"""

    def __init__(self, notes: NoteRepository, stored: list[Note]) -> None:
        self.notes, self.stored = notes, stored


@pytest.fixture(scope="session")
async def library(database: Database) -> Library:
    """Many random notes of one tenant, and one of another tenant, which meets no condition here."""
    rnd = random.Random(4)  # noqa: S311
    await NoteRepository(TenantScope(database, uuid4())).add(Note(title="another's"))
    notes = NoteRepository(TenantScope(database, uuid4()))
    return Library(notes, await notes.add_many([a_note(rnd) for _ in range(150)]))


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(condition=CONDITIONS)
@example(condition=~field("attributes", "a", 0).is_null())  # PostgreSQL takes a bare value for a list of one
@example(condition=field("attributes", "a").contains("a"))  # and so does @>
@example(condition=field("title").between("a", "b"))  # upper and lower case
async def test_postgresql_and_memory_agree(library: Library, condition: Condition) -> None:
    """The same notes meet a condition, and none of them meets its contrary, in both."""
    await _agree(library, condition)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(condition=CONDITIONS)
async def test_they_agree_about_thousands(library: Library, condition: Condition) -> None:
    """As above, of more conditions."""
    await _agree(library, condition)


async def _agree(library: Library, condition: Condition) -> None:
    expected = [note.id for note in library.stored if matches(condition, note)]
    assert expected == [note.id for note in await library.notes.list(where=condition, limit=1000)]
    assert len(library.stored) - len(expected) == await library.notes.count(~condition)


BAD: dict[str, tuple[str, Callable[[], Any]]] = {
    "an unknown field": ("where.colour", lambda: field("colour").equals("red")),
    "a name that is none": ("where.?", lambda: field("s3cr3t; --").equals("red")),
    "a wrong type": ("where.stars", lambda: field("stars").equals("s3cr3t")),
    "a truth for a number": ("where.stars", lambda: field("stars").equals(True)),
    "an integer beyond 64 bits": ("where.stars", lambda: field("stars").equals(2**63)),
    "NUL": ("where.title", lambda: field("title").equals("s3cr3t\0")),
    "NUL in a part": ("where.body", lambda: field("body").contains("s3cr3t\0")),
    "a lone surrogate": ("where.title", lambda: field("title").one_of("s3cr3t\ud800")),
    "NaN": ("where.weight", lambda: field("weight").equals(float("nan"))),
    "infinity": ("where.weight", lambda: field("weight").between(float("-inf"))),
    "NaN in JSON": ("where.attributes", lambda: field("attributes").contains({"a": [float("nan")]})),
    "NUL in JSON": ("where.attributes", lambda: field("attributes", "a").equals("s3cr3t\0")),
    "a naive time": ("where.due_at", lambda: field("due_at").between(NOON.replace(tzinfo=None))),
    "a time as a number": ("where.due_at", lambda: field("due_at").equals(5)),
    "no UUID": ("where.id", lambda: field("id").equals("s3cr3t")),
    "no member": ("where.mood", lambda: field("mood").equals("s3cr3t")),
    "nothing": ("where.body", lambda: field("body").equals(None)),
    "a place in a text": ("where.body", lambda: field("body", "a").equals("s3cr3t")),
    "one of lists": ("where.tags", lambda: field("tags").one_of(["s3cr3t"])),
    "a part of a number": ("where.stars", lambda: field("stars").contains(1)),
    "a range of truths": ("where.pinned", lambda: field("pinned").between(False, True)),
    "text as a range in JSON": ("where.attributes", lambda: field("attributes", "a").between("s3cr3t")),
    "no condition": ("where", lambda: {"op": "equals"}),
    "too many parts": ("where", lambda: AnyOf(conditions=(field("stars").equals(1),) * 200)),
}


@pytest.mark.parametrize("case", BAD)
async def test_what_can_not_be_asked_is_refused_alike(notes: NoteRepository, case: str) -> None:
    """By the field's name, without the value, in memory and by every call."""
    name, make = BAD[case]
    condition = make()
    for call in (lambda: notes.list(where=condition), lambda: notes.count(condition)):
        with pytest.raises(InvalidDataError) as caught:
            await call()
        assert name == caught.value.field
        assert "s3cr3t" not in str(caught.value)
    with pytest.raises(InvalidDataError) as caught:
        notes.stream(where=condition)
    assert name == caught.value.field
    with pytest.raises(InvalidDataError) as caught:
        matches(condition, Note(title="a"))
    assert name == caught.value.field


def test_a_statement_is_made_once_for_each_form() -> None:
    """Whatever the values are, those in paths too; and only so many are kept."""
    first, second = (
        Request.of(Note, field("title").contains(text) & field("attributes", key).equals(1)).form
        for text, key in (("a", "x"), ("b", "y"))
    )
    for made in (NoteRepository._listed, NoteRepository._exact, NoteRepository._estimated):
        assert FORMS == made.cache_parameters()["maxsize"]
    assert NoteRepository._listed(first, None) is NoteRepository._listed(second, None)
    other = Request.of(Note, field("title").contains("a") & field("attributes", 0).equals(1)).form
    assert NoteRepository._listed(first, None) is not NoteRepository._listed(other, None)
