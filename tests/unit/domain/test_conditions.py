"""Conditions as values: how they are composed, that they go to JSON and back, and what they refuse when they are made."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from focal_data.domain.base import ValueObject
from focal_data.domain.conditions import CONDITION, AllOf, AnyOf, Between, Condition, Equals, Not, field
from focal_data.domain.matching import EVERYTHING, matches, understood
from focal_data.errors import InvalidDataError
from focal_data.repositories.listing import Form
from focal_data.testing.contracts.notes import Mood, Note
from tests.notes import NoteRepository

NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
ONE = field("title").equals("a")
TWO = field("title").equals("b")
THREE = field("title").equals("c")

VALUES: list[tuple[Any, Any]] = [
    (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (NOON, "2026-03-01T12:00:00.000005+00:00"),
    (date(2026, 3, 1), "2026-03-01"),
    (Mood.CROSS, "cross"),
    ((1, [UUID(int=1)]), [1, ["00000000-0000-0000-0000-000000000001"]]),
    ({"at": NOON.replace(microsecond=0)}, {"at": "2026-03-01T12:00:00+00:00"}),
    (0.1, 0.1),
    (2**63 - 1, 2**63 - 1),
    (True, True),
]


@pytest.mark.parametrize(("value", "kept"), VALUES, ids=str)
def test_values_are_kept_as_json_has_them(value: Any, kept: Any) -> None:
    """So a condition is the same again when it has been to JSON and back."""
    condition = field("x", "y", 0).equals(value) & ~field("x").one_of(value, value) | field("x").between(
        value
    )
    again = CONDITION.validate_json(condition.model_dump_json())
    assert condition == again
    assert type(condition) is type(again)
    assert Equals(field="x", value=kept) == Equals(field="x", value=value)


def test_what_is_alike_is_joined_flat() -> None:
    """``a & b & c`` is one condition of three parts, and so is ``a | b | c``; the two stay apart."""
    assert AllOf(conditions=(ONE, TWO, THREE)) == ONE & TWO & THREE == ONE & (TWO & THREE)
    assert AnyOf(conditions=(ONE, TWO, THREE)) == ONE | TWO | THREE
    assert AnyOf(conditions=(AllOf(conditions=(ONE, TWO)), THREE)) == ONE & TWO | THREE
    assert Not(condition=Not(condition=ONE)) == ~~ONE


def test_nothing_in_one_can_be_changed_from_outside() -> None:
    """A list or an object that it was made of is copied, and its fields are frozen."""
    given = {"a": [1]}
    condition = field("attributes").contains(given)
    given["a"].append(2)
    assert {"a": [1]} == condition.value
    with pytest.raises(ValidationError):
        condition.value = 5  # type: ignore[misc]


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "text",
    [
        '{"op": "maybe"}',
        '{"field": "x", "value": 1}',
        '{"op": "equals", "field": "x"}',
        '{"op": "equals", "field": "", "value": 1}',
        '{"op": "equals", "field": "x", "value": 1, "more": 2}',
        '{"op": "equals", "field": "x", "path": [-1], "value": 1}',
        '{"op": "equals", "field": "x", "path": [1.5], "value": 1}',
        '{"op": "between", "field": "x"}',
        '{"op": "all_of", "conditions": [5]}',
    ],
)
def test_what_is_no_condition_is_refused_when_it_is_read(text: str) -> None:
    """By pydantic, as everywhere in the domain."""
    with pytest.raises(ValidationError):
        CONDITION.validate_json(text)


def test_what_is_too_deep_is_refused() -> None:
    """A value when the condition is made, conditions when they are used."""
    with pytest.raises(ValidationError):
        field("attributes").equals(_nested(100))
    condition: Condition = ONE
    for _ in range(1000):
        condition = Not.model_construct(condition=condition)
    with pytest.raises(InvalidDataError) as caught:
        understood(condition, Note)
    assert "where" == caught.value.field


def test_one_changed_past_its_validation_is_refused() -> None:
    """When it is used, as an entity is."""
    with pytest.raises(InvalidDataError, match="where"):
        matches(Between.model_construct(field="stars", path=(), start=None, end=None), Note(title="a"))


def test_none_is_met_by_everything() -> None:
    """And has a shape without values."""
    assert (EVERYTHING, ()) == (understood(None, Note).shape, understood(None, Note).values)
    assert understood(None, Note).met_by(Note(title="a"))


def test_values_make_no_difference_to_the_shape() -> None:
    """But fields, kinds of conditions, kinds of steps and bounds do."""
    shapes = {
        understood(condition, Note).shape
        for condition in (
            *(field("stars").between(1), field("stars").between(2)),
            *(field("stars").between(end=1), field("stars").between(1, 2), field("weight").between(1)),
            *(field("attributes", "a").equals(1), field("attributes", "b").equals({})),
            field("attributes", 0).equals(1),
            *(~field("stars").between(1), ~~field("stars").between(3)),
        )
    }
    assert 7 == len(shapes)


def test_text_is_compared_and_sorted_by_its_code_points() -> None:
    """Whatever the collation of the database is."""
    form = _form(field("title").between("a"))
    sql = NoteRepository._listed(form, "value").sql
    assert 3 == sql.count('COLLATE "C"')


def _form(condition: Condition) -> Form:
    from focal_data.domain.listing import Request

    return Request.of(Note, condition, order_by="title").form


@pytest.mark.parametrize("name", ["price", "at", "lasting", "where", "letters"])
def test_of_what_no_backend_compares_alike_nothing_is_asked(name: str) -> None:
    """Numbers of any precision, times of day, durations, and what only pydantic knows are no JSON; but they may be missing."""

    class Offer(ValueObject):
        price: Decimal | None = None
        at: time | None = None
        lasting: timedelta | None = None
        where: IPv4Address | None = None
        letters: bytes | None = None

    for condition in (field(name).equals(1), field(name).between(1), field(name).contains(1)):
        with pytest.raises(InvalidDataError) as caught:
            matches(condition, Offer())
        assert f"where.{name}" == caught.value.field
    assert matches(field(name).is_null(), Offer())
